"""The composer's own chords, to be given to a player."""

from __future__ import annotations

import numpy as np
import torch

from engine.denoisers.harmony import plan_of
from engine.music.grid import ACCOMPANIMENT, PitchRange
from engine.music.roll import Cells
from engine.requests.chord_grid import to_chords
from engine.requests.request import ChordCell


def composers_chords(cells: Cells, pitches: PitchRange) -> tuple[ChordCell, ...]:
    """Return the chord of each beat of the accompaniment of bool[2, 2, K, S], from step 0 on.

    A chord is a column of the harmony plan (`engine.denoisers.harmony`); K rows are `pitches`.
    """
    played = torch.from_numpy(cells[ACCOMPANIMENT].astype(np.float32))[None]
    plan = plan_of(played, pitches.low)[0].numpy() > 0.5
    return tuple(to_chords(plan, np.ones(plan.shape[1], np.bool_), 0))
