"""The rule on tunes whose harmony everybody would play alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from engine.evaluation import rule_baseline
from engine.evaluation.rule_baseline import Triad, by_rule, by_rule_live, triads_of
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.keys import Key
from engine.music.roll import Note

BAR = 96
FOUR = MeterMap()


def tune(*bars: Sequence[int]) -> list[Note]:
    """Bars of equal notes."""
    return [
        Note(i * BAR + j * BAR // len(bar), pitch, BAR // len(bar), LEAD)
        for i, bar in enumerate(bars)
        for j, pitch in enumerate(bar)
    ]


MELODY = tune((72, 76, 79, 76), (77, 81, 77, 72), (79, 74, 71, 74), (72,))


def roots(notes: Sequence[Note]) -> list[int]:
    """Pitch class of the lowest note at each onset."""
    starts = sorted({note.onset_step for note in notes})
    return [min(n.pitch for n in notes if n.onset_step == step) % 12 for step in starts]


def test_what_fits_is_played_a_chord_a_bar_with_its_root_in_the_bass() -> None:
    notes = by_rule(MELODY, FOUR, (0, 4 * BAR), ends=False)
    assert roots(notes) == [0, 5, 7, 0]
    assert {note.length_steps for note in notes} == {BAR}
    assert {note.voice for note in notes} == {ACCOMPANIMENT}
    assert len(notes) == 16


@pytest.mark.parametrize("up", range(-6, 6))
def test_it_moves_with_the_key(up: int) -> None:
    moved = [Note(n.onset_step, n.pitch + up, n.length_steps, LEAD) for n in MELODY]
    found = roots(by_rule(moved, FOUR, (0, 4 * BAR), ends=False))
    assert found == [(root + up) % 12 for root in (0, 5, 7, 0)]


def test_minor_has_a_major_dominant() -> None:
    assert [triad.classes for triad in triads_of(Key(9, True))] == [
        (9, 0, 4),
        (0, 4, 7),
        (2, 5, 9),
        (4, 8, 11),
        (5, 9, 0),
        (7, 11, 2),
    ]


def test_a_piece_ends_on_its_tonic_where_it_ends() -> None:
    melody = tune((72, 76, 79, 76), (77, 81, 77, 72), (72, 76, 79, 72), (79,))
    assert roots(by_rule(melody, FOUR, (0, 4 * BAR), ends=False))[-1] == 7
    assert roots(by_rule(melody, FOUR, (0, 4 * BAR), ends=True))[-1] == 0


def test_the_best_path_is_the_best_of_all_paths() -> None:
    rng = np.random.default_rng(0)
    worth, moves = rng.random((4, 3)), rng.random((3, 3))

    def total(path: Sequence[int]) -> float:
        at = sum(worth[i, c] for i, c in enumerate(path))
        return float(at + sum(moves[a, b] for a, b in pairwise(path)))

    every = [[a, b, c, d] for a in range(3) for b in range(3) for c in range(3) for d in range(3)]
    assert rule_baseline._best_path(worth, moves) == max(every, key=total)


def test_live_a_bar_is_judged_by_its_first_beat_for_good() -> None:
    # F fits all of the second bar but its first beat, which says C.
    melody = tune((72, 76, 79, 76), (79, 77, 81, 77), (79, 74, 71, 74), (72,))
    assert roots(by_rule(melody, FOUR, (0, 4 * BAR), ends=False)) == [0, 5, 7, 0]
    live = by_rule_live(melody, FOUR, (0, 4 * BAR))
    assert roots(live)[0] == 0
    assert roots(live)[1] != 5
    # What comes later changes nothing.
    other = [*melody[:5], *tune((), (), (61, 66, 61, 66), (66,))]
    assert by_rule_live(other, FOUR, (0, 2 * BAR)) == [n for n in live if n.onset_step < 2 * BAR]


def test_bars_follow_the_meter_and_are_cut_by_the_span() -> None:
    waltz = MeterMap(((-24, Meter(3, 4)),))
    notes = by_rule(MELODY, waltz, (0, 144), ends=False)
    assert sorted({(n.onset_step, n.end_step) for n in notes}) == [(0, 48), (48, 120), (120, 144)]
    assert {n.onset_step for n in by_rule_live(MELODY, waltz, (24, 144))} == {24, 48, 120}


def test_voices_lie_under_the_melody_and_move_little() -> None:
    notes = by_rule(MELODY, FOUR, (0, 4 * BAR), ends=True)
    for step in range(0, 4 * BAR, BAR):
        pitches = [n.pitch for n in notes if n.onset_step == step]
        assert 40 <= min(pitches) < 52
        assert max(pitches) < 71
    tops = [max(n.pitch for n in notes if n.onset_step == s) for s in range(0, 4 * BAR, BAR)]
    assert max(abs(a - b) for a, b in pairwise(tops)) <= 5


def test_a_low_melody_does_not_silence_it() -> None:
    low = [Note(n.onset_step, n.pitch - 36, n.length_steps, LEAD) for n in MELODY]
    assert len(by_rule(low, FOUR, (0, 4 * BAR), ends=False)) == 16


def test_silence_is_accompanied_in_c() -> None:
    assert roots(by_rule_live([], FOUR, (0, BAR))) == [0]
    assert Triad(0, 4, 0).classes == (0, 4, 7)
