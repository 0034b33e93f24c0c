"""The composer's chords, read off hand-made bars."""

from __future__ import annotations

import numpy as np

from engine.evaluation.given_chords import composers_chords
from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, PIANO, SUSTAIN
from engine.requests.request import ChordCell


def test_a_chord_a_beat_with_its_lowest_note() -> None:
    cells = np.zeros((2, 2, PIANO.size, 48), np.bool_)
    for pitch in (48, 52, 67):
        cells[ACCOMPANIMENT, ONSET, pitch - PIANO.low, 0] = True
        cells[ACCOMPANIMENT, SUSTAIN, pitch - PIANO.low, 1:24] = True
    cells[LEAD, ONSET, 74 - PIANO.low, 24] = cells[LEAD, SUSTAIN, 74 - PIANO.low, 25:48] = True
    assert composers_chords(cells, PIANO) == (
        ChordCell(0, 24, frozenset({0, 4, 7}), 0),
        ChordCell(24, 48, frozenset(), None),  # the lead alone
    )
