"""Chords of a request as cells of a plan."""

from __future__ import annotations

import numpy as np
import pytest

from engine.requests.chord_grid import to_chords, to_plan, transposed_plan
from engine.requests.request import ChordCell

C, G = frozenset({0, 4, 7}), frozenset({7, 11, 2})


def test_a_chord_with_its_bass_is_known_in_all_rows() -> None:
    plan, known = to_plan([ChordCell(24, 72, C, 7)], 0, 4)
    assert known.all(axis=0).tolist() == [False, True, True, False]
    assert known.any(axis=0).tolist() == [False, True, True, False]
    assert np.flatnonzero(plan[:, 1]).tolist() == [0, 4, 7, 19]
    assert not plan[:, [0, 3]].any()


def test_an_open_bass_is_not_known_and_a_bass_is_among_the_classes() -> None:
    plan, known = to_plan([ChordCell(0, 24, C), ChordCell(24, 48, C, 2)], 0, 2)
    assert known[:12].all()
    assert known[12:].any(axis=0).tolist() == [False, True]
    assert np.flatnonzero(plan[:, 0]).tolist() == [0, 4, 7]
    assert np.flatnonzero(plan[:, 1]).tolist() == [0, 2, 4, 7, 14]


def test_silence_is_a_chord_too() -> None:
    plan, known = to_plan([ChordCell(0, 24, frozenset())], 0, 1)
    assert known.all()
    assert not plan.any()


@pytest.mark.parametrize(
    ("first", "end", "beats"),
    [
        (0, 24, [0]),
        (12, 36, [0, 1]),
        (13, 35, []),
        (-48, 11, []),
        (-48, 12, [0]),
        (60, 300, [2, 3]),
    ],
)
def test_a_chord_holds_where_it_covers_half_a_beat(first: int, end: int, beats: list[int]) -> None:
    _, known = to_plan([ChordCell(1000 + first - 16, 1000 + end - 16, C, 0)], 984, 4)
    assert np.flatnonzero(known.any(axis=0)).tolist() == beats


def test_the_later_one_overrules() -> None:
    plan, _ = to_plan([ChordCell(0, 96, C, 0), ChordCell(24, 48, G, 7)], 0, 4)
    assert np.flatnonzero(plan[:, 1]).tolist() == [2, 7, 11, 19]
    assert np.flatnonzero(plan[:, 2]).tolist() == [0, 4, 7, 12]


def test_there_and_back() -> None:
    chords = [ChordCell(-24, 0, C, 0), ChordCell(0, 24, G, 11), ChordCell(24, 48, frozenset())]
    plan, known = to_plan(chords, -24, 4)
    assert to_chords(plan, np.asarray(known.all(axis=0)), -24) == chords


def test_turned_by_semitones() -> None:
    up, _ = to_plan([ChordCell(0, 24, frozenset({c + 2 for c in C}), 2)], 0, 1)
    plan, _ = to_plan([ChordCell(0, 24, C, 0)], 0, 1)
    assert (transposed_plan(plan, 2) == up).all()
    assert (transposed_plan(plan, -10) == up).all()
