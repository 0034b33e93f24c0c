"""Notes and rolls: the exact round trip on the grid, windows, orphans and folding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.music.grid import ONSET, PAPER, PIANO, SUSTAIN, GridError, Meter, MeterMap, PitchRange
from engine.music.roll import Note, PianoRoll, drop_orphans, fold_into, notes_to_roll, roll_to_notes


def notes_in(pitches: PitchRange, first: int, end: int) -> st.SearchStrategy[list[Note]]:
    """Notes inside [first, end) that do not overlap on one pitch of one voice."""
    raw = st.lists(
        st.builds(
            Note,
            onset_step=st.integers(first, end - 1),
            pitch=st.integers(pitches.low, pitches.high),
            length_steps=st.integers(1, 48),
            voice=st.integers(0, 1),
            velocity=st.just(80),
        ),
        max_size=40,
    )
    return raw.map(lambda notes: separate(notes, end))


def separate(notes: list[Note], end: int) -> list[Note]:
    """Cut each note at the next onset of its pitch and voice, and at the end."""
    kept: list[Note] = []
    by_key: dict[tuple[int, int], dict[int, Note]] = {}
    for note in notes:
        by_key.setdefault((note.voice, note.pitch), {})[note.onset_step] = note
    for same in by_key.values():
        onsets = sorted(same)
        for onset, following in zip(onsets, [*onsets[1:], end], strict=True):
            note = same[onset]
            length = min(note.length_steps, following - onset)
            kept.append(Note(onset, note.pitch, length, note.voice))
    return sorted(kept)


@pytest.mark.parametrize("pitches", [PIANO, PAPER])
@given(data=st.data())
def test_notes_to_roll_and_back_is_exact(pitches: PitchRange, data: st.DataObject) -> None:
    first = data.draw(st.integers(-100, 100))
    end = first + data.draw(st.integers(1, 300))
    notes = data.draw(notes_in(pitches, first, end))
    roll = notes_to_roll(notes, first, end, pitches)
    assert roll_to_notes(roll) == notes
    assert not (roll.cells[:, ONSET] & roll.cells[:, SUSTAIN]).any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.01, 0.9), st.integers(-50, 50))
def test_any_roll_without_orphans_survives_the_trip_to_notes(
    seed: int, steps: int, share: float, first: int
) -> None:
    cells = np.random.default_rng(seed).random((2, 2, 6, steps)) < share
    cells[:, SUSTAIN] &= ~cells[:, ONSET]
    cells = drop_orphans(cells)
    cells[:, SUSTAIN, :, 0] = False  # held into the window: no onset of its own
    cells = drop_orphans(cells)
    pitches = PitchRange(60, 65)
    roll = PianoRoll(cells, pitches, first)
    again = notes_to_roll(roll_to_notes(roll), first, first + steps, pitches)
    assert np.array_equal(again.cells, cells)


def test_repeated_notes_stay_apart_and_a_later_onset_ends_the_earlier() -> None:
    repeated = [Note(0, 60, 12), Note(12, 60, 12)]
    assert roll_to_notes(notes_to_roll(repeated, 0, 24)) == repeated
    overlapping = [Note(0, 60, 24), Note(6, 60, 6)]
    assert roll_to_notes(notes_to_roll(overlapping, 0, 24)) == [Note(0, 60, 6), Note(6, 60, 6)]


def test_a_note_that_began_before_shows_its_sustain_only() -> None:
    roll = notes_to_roll([Note(-6, 60, 12)], 0, 24)
    row = 60 - PIANO.low
    assert not roll.cells[1, ONSET].any()
    assert list(np.flatnonzero(roll.cells[1, SUSTAIN, row])) == [0, 1, 2, 3, 4, 5]
    assert roll_to_notes(roll) == []
    assert roll_to_notes(notes_to_roll([Note(20, 60, 99)], 0, 24)) == [Note(20, 60, 4)]
    assert roll_to_notes(notes_to_roll([Note(0, 20, 9), Note(24, 60, 1)], 0, 24)) == []


@given(st.integers(-60, 60), st.integers(0, 80), st.data())
def test_a_window_is_the_roll_where_they_meet_and_silent_elsewhere(
    first: int, steps: int, data: st.DataObject
) -> None:
    roll = notes_to_roll(data.draw(notes_in(PIANO, 0, 48)), 0, 48)
    window = roll.window(first, first + steps)
    assert (window.first_step, window.end_step) == (first, first + steps)
    for step in range(first, first + steps):
        column = window.cells[..., step - first]
        inside = 0 <= step < 48
        assert np.array_equal(column, roll.cells[..., step]) if inside else not column.any()


def test_drop_orphans_keeps_what_is_held_into_the_window() -> None:
    cells = np.zeros((1, 2, 1, 8), np.bool_)
    cells[0, SUSTAIN, 0] = [1, 1, 0, 1, 0, 1, 1, 0]
    cells[0, ONSET, 0] = [0, 0, 0, 0, 1, 0, 0, 0]
    kept = drop_orphans(cells)[0, SUSTAIN, 0]
    assert kept.tolist() == [True, True, False, False, False, True, True, False]


@given(st.integers(0, 127), st.sampled_from([PIANO, PAPER, PitchRange(60, 71)]))
def test_folding_moves_by_octaves_only_and_only_what_is_outside(
    pitch: int, pitches: PitchRange
) -> None:
    (folded,), moved = fold_into([Note(0, pitch, 1)], pitches)
    assert folded.pitch in pitches
    assert (folded.pitch - pitch) % 12 == 0
    assert moved == (pitch not in pitches)


def test_folding_into_less_than_an_octave_can_be_impossible() -> None:
    with pytest.raises(GridError, match="too narrow"):
        fold_into([Note(0, 61, 1)], PitchRange(62, 66))


def test_rolls_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(GridError):
        PianoRoll(np.zeros((2, 2, 87, 4), np.bool_))
    with pytest.raises(GridError):
        PianoRoll(np.zeros((2, 2, 88, 4), np.int8))


def test_bar_lines_follow_the_meters_and_a_change_cuts_a_bar_short() -> None:
    meters = MeterMap(((0, Meter(4, 4)), (120, Meter(3, 4))))
    assert meters.bar_lines(0, 200) == [0, 96, 120, 192, 264]
    assert meters.bar_lines(100, 101) == [96, 120]
    assert meters.bar_lines(-10, 96) == [-96, 0, 96]
    with pytest.raises(GridError):
        meters.bar_lines(5, 5)


@given(
    st.lists(
        st.tuples(st.integers(1, 300), st.integers(1, 12), st.sampled_from([2, 4, 8, 16])),
        max_size=4,
    ),
    st.integers(-300, 300),
    st.integers(1, 600),
)
def test_bar_lines_are_where_the_phase_is_zero(
    changes: list[tuple[int, int, int]], first: int, length: int
) -> None:
    step, rows = 0, [(0, Meter(4, 4))]
    for gap, beats, unit in changes:
        step += gap
        rows.append((step, Meter(beats, unit)))
    meters = MeterMap(tuple(rows))
    lines = meters.bar_lines(first, first + length)
    assert lines[0] <= first < lines[1]
    assert lines[-2] < first + length <= lines[-1]
    every = np.arange(lines[0], lines[-1] + 1)
    phase, _ = meters.phase(every)
    assert lines == list(every[phase == 0])


def test_notes_are_those_that_reading_step_by_step_finds() -> None:
    """Cells without any order: struck while sounding, sustained out of nothing, to the end."""
    rng = np.random.default_rng(3)
    for steps in (0, 1, 2, 24):
        for density in (0.1, 0.5, 0.9):
            cells = rng.random((2, 2, 5, steps)) < density
            found = roll_to_notes(PianoRoll(cells, PitchRange(60, 64), first_step=7))
            expected = []
            for voice, row, step in np.argwhere(cells[:, 0]):
                end = step + 1
                while end < steps and cells[voice, 1, row, end] and not cells[voice, 0, row, end]:
                    end += 1
                expected.append(Note(7 + int(step), 60 + int(row), int(end - step), int(voice)))
            assert found == sorted(expected)
