"""What a live context may have wrong: each corruption exactly, and the truth never touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.training.context_corruption import (
    CORRUPTIONS,
    _Notes,
    corrupted,
    dropped,
    played_by_hand,
    silent_at_first,
    stuck,
)

STEPS = 96
A, L = ACCOMPANIMENT, LEAD
MUSIC = [(0, 24, 72, L), (24, 48, 74, L), (0, 48, 48, A), (0, 48, 55, A), (48, 96, 50, A)]


class Dice(np.random.Generator):
    """Draws what the test says, in that order."""

    def __init__(self, *draws: object) -> None:
        super().__init__(np.random.PCG64(0))
        self.draws: Iterator[object] = iter(draws)

    def _next(self, *args: object, **kwargs: object) -> object:
        return next(self.draws)

    random = uniform = integers = choice = _next  # type: ignore[assignment]


def notes_of(rows: Sequence[tuple[int, ...]]) -> _Notes:
    return np.array(rows, np.int64).reshape(-1, 4)


def rows_of(notes: _Notes) -> list[tuple[int, ...]]:
    return [tuple(map(int, row)) for row in notes]


def test_dropped_takes_accompaniment_away_and_moves_it() -> None:
    # The chances are drawn for every note, and bind accompaniment alone.
    dice = Dice(np.array([0, 0, 0, 0.9, 0.059]), np.array([-2, 1]), np.array([0, 0, 0.9, 0.079, 1]))
    heard = dropped(notes_of(MUSIC), STEPS, dice)
    assert rows_of(heard) == [*MUSIC[:2], (0, 48, 46, A), (48, 96, 51, A)]


def test_silent_at_first_drops_what_begins_before_a_beat() -> None:
    # .5 of 96 steps is beat 2, where the third chord begins.
    heard = silent_at_first(notes_of(MUSIC), STEPS, Dice(0.5))
    assert rows_of(heard) == [*MUSIC[:2], MUSIC[4]]
    heard = silent_at_first(notes_of(MUSIC), STEPS, Dice(0.2))  # step 19 lies in beat 0
    assert rows_of(heard) == MUSIC


@pytest.mark.parametrize("every", [1, 2, 4])
def test_stuck_strikes_one_chord_again_and_again(every: int) -> None:
    heard = stuck(notes_of(MUSIC), STEPS, Dice(47, every))
    struck = [
        (at, at + 24 * every, pitch, A) for at in range(0, STEPS, 24 * every) for pitch in (48, 55)
    ]
    assert rows_of(heard) == [*MUSIC[:2], *struck]
    later = stuck(
        notes_of(MUSIC), STEPS, Dice(48, 4)
    )  # the chord of step 48: a note's end is not it
    assert rows_of(later) == [*MUSIC[:2], (0, 96, 50, A)]


def test_stuck_where_nothing_sounds_changes_nothing() -> None:
    lead_only = MUSIC[:2]
    assert rows_of(stuck(notes_of(lead_only), STEPS, Dice(10, 1))) == lead_only


def test_played_by_hand_moves_the_lead_a_step_and_keeps_lengths() -> None:
    heard = played_by_hand(notes_of(MUSIC), STEPS, Dice(np.array([[-1], [1]])))
    assert rows_of(heard) == [(-1, 23, 72, L), (25, 49, 74, L), *MUSIC[2:]]


def test_each_flaw_comes_as_often_as_told() -> None:
    """By the trace it leaves on one held note and a melody of two."""
    music = notes_of([*MUSIC[:2], (-10, 200, 48, A)])
    rng, count = np.random.default_rng(0), 4000
    heard = [corrupted(music, STEPS, rng) for _ in range(count)]
    ours = [notes[notes[:, 3] == A] for notes in heard]
    hand = sum((notes[:2, :2] != music[:2, :2]).any() for notes in heard) / count
    gone = sum(len(notes) == 0 for notes in ours) / count
    struck = sum(len(notes) > 0 and notes[0, 0] == 0 for notes in ours) / count
    assert hand == pytest.approx(0.20 * (1 - 1 / 9), abs=0.02)  # both notes may stay in place
    assert gone == pytest.approx(1 - (1 - 0.30 * 0.08) * (1 - 0.08), abs=0.02)
    assert struck == pytest.approx((1 - gone) * 0.10, abs=0.02)
    assert [chance for chance, _ in CORRUPTIONS] == [0.30, 0.08, 0.10, 0.20]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-60, 90), st.integers(1, 120), st.integers(15, 115), st.integers(0, 1)
        ),
        max_size=12,
    ),
    st.integers(0, 2**32),
)
def test_flaws_leave_the_truth_alone(rows: list[tuple[int, ...]], seed: int) -> None:
    notes = notes_of([(at, at + length, pitch, voice) for at, length, pitch, voice in rows])
    before = notes.copy()
    for corruption in (dropped, silent_at_first, stuck, played_by_hand, corrupted):
        heard = corruption(notes, STEPS, np.random.default_rng(seed))
        assert (notes == before).all()
        assert heard.shape[1] == 4
        assert (heard[:, 1] > heard[:, 0]).all()
        lead = [rows_of(x[x[:, 3] == L]) for x in (notes, heard)]
        assert len(lead[0]) == len(lead[1])  # the melody is never lost
        for ours, theirs in zip(*lead, strict=True):
            assert abs(ours[0] - theirs[0]) <= 1
            assert ours[2] == theirs[2]
