"""Two voices with onsets as the paper's single plane, and back. numpy only.

The paper's roll has one voice and one plane: a cell is on from a note's onset to its end. Merging
forgets who plays and fuses repeated notes; coming back, what is not known to be the lead's is the
accompaniment's, and a note begins where a row of cells does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, SUSTAIN
from engine.music.roll import Cells, Mask


def merge(cells: Cells) -> Cells:
    """bool[V, 2, K, S] to bool[1, 1, K, S]: on wherever any voice sounds."""
    return np.asarray(cells.any(axis=(0, 1)))[None, None]


def alone(cells: Cells) -> Cells:
    """Return all voices in the accompaniment, bool[2, 2, K, S], as one plane tells them: a note
    begins where a row of cells does, and a note struck again goes on. The lead rests."""
    out = np.zeros_like(cells)
    out[ACCOMPANIMENT] = _struck(np.asarray(cells.any(axis=(0, 1))))
    return out


def _struck(sounds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return one plane [K, S] as two, [2, K, S]: a note begins where a row of cells does."""
    before = np.zeros_like(sounds)
    before[..., 1:] = sounds[..., :-1]
    planes = np.zeros((2, *sounds.shape), np.bool_)
    planes[ONSET], planes[SUSTAIN] = sounds & ~before, sounds & before
    return planes


def merge_known(cells: Cells, known: Mask) -> Mask:
    """Return which merged cells are known, bool[1, 1, K, S]: all that sound in a known voice, and
    the silent ones where every voice is known (elsewhere another voice may come to sound)."""
    sounding = (cells & known).any(axis=(0, 1))
    return np.asarray(sounding | known.all(axis=(0, 1)))[None, None]


def split(filled: Cells, cells: Cells, known: Mask) -> Cells:
    """Return the merged roll `filled` as voices again, bool[2, 2, K, S]; known cells are those of
    `cells`.

    What sounds and is not the known part of a voice goes to the accompaniment, or to the lead
    where the accompaniment is known.
    """
    known_steps = np.asarray(known.all(axis=1))  # [V, K, S]
    sounds = np.asarray(cells.any(axis=1)) & known_steps
    new = filled[0, 0] & ~sounds.any(axis=0)
    sounds[ACCOMPANIMENT] |= new & ~known_steps[ACCOMPANIMENT]
    sounds[LEAD] |= new & known_steps[ACCOMPANIMENT] & ~known_steps[LEAD]
    return np.where(known, cells, np.stack([_struck(voice) for voice in sounds]))
