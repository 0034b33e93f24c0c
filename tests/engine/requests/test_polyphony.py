"""At most so many notes at once, whole notes only."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.music.grid import ONSET, PIANO, SUSTAIN
from engine.music.roll import Note, notes_to_roll
from engine.requests.polyphony import limit_voices

notes_of = st.lists(
    st.builds(Note, st.integers(0, 40), st.integers(40, 80), st.integers(1, 40)), max_size=25
)


def planes(notes: list[Note]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray(notes_to_roll(notes, 0, 60).cells[1])


def pitches(cells: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], step: int) -> list[int]:
    return [int(row) + PIANO.low for row in np.flatnonzero(cells[:, :, step].any(axis=0))]


@given(notes=notes_of, voices=st.integers(1, 6))
def test_never_more_than_so_many(notes: list[Note], voices: int) -> None:
    out = limit_voices(planes(notes), np.ones(60, np.bool_), voices)
    assert out.any(axis=0).sum(axis=0).max() <= voices


@given(notes=notes_of, voices=st.integers(1, 6))
def test_only_whole_notes_go_and_nothing_comes(notes: list[Note], voices: int) -> None:
    before = planes(notes)
    out = limit_voices(before, np.ones(60, np.bool_), voices)
    assert not (out & ~before).any()
    started = out[ONSET] | out[SUSTAIN]
    led_into = np.zeros_like(started)
    led_into[:, 1:] = started[:, :-1]
    assert not (out[SUSTAIN] & ~led_into).any()
    kept = out[ONSET]
    assert (out.any(axis=0) == before.any(axis=0))[kept].all()


def test_the_outer_notes_stay() -> None:
    chord = [Note(0, pitch, 24) for pitch in (48, 55, 60, 64, 67)]
    out = limit_voices(planes(chord), np.ones(60, np.bool_), 3)
    assert pitches(out, 0) == [48, 55, 67]


def test_what_sounds_already_wins() -> None:
    held, new = [Note(0, 50, 48), Note(0, 57, 48)], [Note(24, 40, 12), Note(24, 80, 12)]
    out = limit_voices(planes(held + new), np.ones(60, np.bool_), 2)
    assert pitches(out, 30) == [50, 57]


def test_known_steps_are_left_alone() -> None:
    chord = [Note(0, pitch, 24) for pitch in (48, 55, 60)]
    free = np.zeros(60, np.bool_)
    assert (limit_voices(planes(chord), free, 1) == planes(chord)).all()


def test_enough_room_changes_nothing() -> None:
    chord = [Note(0, pitch, 24) for pitch in (48, 55, 60)]
    assert (limit_voices(planes(chord), np.ones(60, np.bool_), 3) == planes(chord)).all()
