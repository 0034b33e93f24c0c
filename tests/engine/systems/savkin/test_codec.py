from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note, PianoRoll, notes_to_roll
from engine.systems.common.note_lists import Lost
from engine.systems.savkin import codec
from engine.systems.savkin.codec import Faults
from tests.engine.systems.rolls import STEPS, one_voice


@given(one_voice())
@settings(max_examples=1000, deadline=None)
def test_a_roll_of_one_voice_comes_back_exactly_at_125_bpm(roll: PianoRoll) -> None:
    numbers, lost = codec.encode(roll)
    assert lost == Lost()
    assert np.array_equal(codec.decode(numbers, STEPS).cells, roll.cells)


@given(one_voice(grid=6))
@settings(max_examples=200, deadline=None)
def test_sixteenths_come_back_at_any_usual_tempo_or_are_counted(roll: PianoRoll) -> None:
    numbers, lost = codec.encode(roll, bpm=120.0)
    back = codec.decode(numbers, STEPS, bpm=120.0)
    assert lost.moved or np.array_equal(back.cells, roll.cells)


def test_a_chord_as_numbers_with_all_its_notes() -> None:
    notes = [Note(1, 60, 1), Note(1, 64, 2)]
    assert codec.to_numbers(notes, 0, 24).tolist() == [
        257,
        257,
        60,
        64,
        257,
        257,
        188,
        257,
        257,
        192,
    ]


def test_a_note_struck_again_goes_off_first() -> None:
    numbers = codec.to_numbers([Note(0, 60, 1), Note(1, 60, 1)], 0, 24)
    assert numbers.tolist() == [60, 257, 257, 188, 60, 257, 257, 188]


def test_faults_are_mended_and_counted() -> None:
    notes, faults = codec.from_numbers([188, 60, 257, 257, 60, 257, 257, 10, 64])
    assert notes == [Note(0, 60, 1), Note(1, 60, 1), Note(2, 64, 1)]
    assert faults == Faults(offs=1, ons=1, endless=2, beyond=1)


def test_an_off_of_another_pitch_ends_the_nearest_note_that_sounds() -> None:
    notes, faults = codec.from_numbers([60, 72, 257, 257, 128 + 70, 257, 257, 188])
    assert notes == [Note(0, 60, 2), Note(0, 72, 1)]
    assert faults == Faults(nearest=1)


@given(st.lists(st.integers(0, 257), max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_sequence_gives_a_roll(numbers: list[int]) -> None:
    notes, _ = codec.from_numbers(numbers)
    assert all(21 <= note.pitch <= 108 and note.length_steps >= 1 for note in notes)


def test_what_the_format_cannot_hold_is_counted() -> None:
    notes = [Note(0, 60, 24, LEAD), Note(0, 60, 24, ACCOMPANIMENT)]
    assert codec.encode(notes_to_roll(notes, 0, 48))[1] == Lost(doubled=1)


def test_scaling_comes_back_for_every_event() -> None:
    events = [*range(21, 109), *range(128 + 21, 128 + 109), 257]
    values = codec.scaled(np.array(events)).astype(np.float32)
    assert codec.unscaled(values).tolist() == events


def test_values_go_to_the_nearest_event_there_is() -> None:
    """Between the highest key's off, 236, and a shift, 257, there is none."""
    values = codec.scaled(np.array([-3.0, 20.4, 60.4, 128.0, 129.0, 246.0, 247.0, 300.0]))
    found = codec.unscaled(values.astype(np.float32))
    assert found.tolist() == [21, 21, 60, 108, 149, 236, 257, 257]
