"""Places to rest and what closes there, on chords written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation import closes
from engine.evaluation.chords import NO_CHORD
from engine.evaluation.metrics import note_lengths
from engine.music.grid import LEAD
from engine.music.roll import Note, notes_to_roll

C_MAJOR = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))
C, F, G, A_MINOR, G7, E, E_MINOR, C7 = 0, 5, 7, 12 + 9, 48 + 7, 4, 12 + 4, 48
IN_C = (0, 9)


@pytest.mark.parametrize("up", range(12))
def test_a_scale_has_two_tonics(up: int) -> None:
    assert closes.tonics_of(np.roll(C_MAJOR, up)) == (up, (up + 9) % 12)


@pytest.mark.parametrize(
    ("chords", "bass", "closed"),
    [
        ([G, C], 48, True),
        ([G7, C], 36, True),
        ([G, NO_CHORD, C], 48, True),
        ([G, C, C], 48, True),  # V-I, held
        ([E, A_MINOR], 45, True),
        ([G, C], 52, False),  # on its third
        ([G, C], None, False),
        ([F, C], 48, False),
        ([E_MINOR, A_MINOR], 45, False),  # a minor dominant does not lead
        ([C, F], 41, False),  # falls by a fifth, yet F is no tonic
        ([G, C7], 48, False),
        ([C, C], 48, False),
        ([G, NO_CHORD], 48, False),
        ([C], 48, False),
    ],
)
def test_v_i(chords: list[int], bass: int | None, closed: bool) -> None:
    basses = [None] * (len(chords) - 1) + [bass]
    assert closes.is_v_i(len(chords) - 1, np.array(chords), basses, IN_C) is closed


def test_half_closes() -> None:
    chords = np.array([G, G7, E, C, F, E_MINOR, NO_CHORD])
    found = [closes.is_half_close(beat, chords, IN_C) for beat in range(7)]
    assert found == [True, True, True, False, False, False, False]


def long_notes(*lengths: int) -> list[tuple[int, int]]:
    """First and last beat of the long ones of these notes in a row."""
    starts = np.cumsum([0, *lengths])
    notes = [
        Note(int(start), 72 + i % 2, length, LEAD)
        for i, (start, length) in enumerate(zip(starts, lengths, strict=False))
    ]
    lead = notes_to_roll(notes, 0, int(starts[-1])).cells[LEAD]
    return [(each[0], each[-1]) for each in closes.long_notes(lead, note_lengths(lead))]


def test_long_notes_are_two_beats_and_twice_the_median() -> None:
    assert long_notes(24, 24, 24, 48, 24, 24, 24, 72) == [(3, 4), (8, 10)]
    assert long_notes(24, 24, 24, 47) == []
    assert long_notes(48, 48, 48, 48) == []  # the pulse of this music
    assert long_notes(48, 48, 48, 96) == [(6, 9)]
    assert long_notes(24, 12, 24, 12, 50) == [(3, 5)]  # as far as it reaches into a beat


def test_no_melody_no_rest() -> None:
    lead = notes_to_roll([], 0, 96).cells[LEAD]
    assert closes.long_notes(lead, note_lengths(lead)) == []
