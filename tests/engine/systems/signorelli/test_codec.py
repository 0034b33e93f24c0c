from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note, PianoRoll, notes_to_roll, roll_to_notes
from engine.systems.common.note_lists import Lost
from engine.systems.signorelli import codec
from tests.engine.systems.rolls import STEPS, one_voice


@given(one_voice())
@settings(max_examples=1000, deadline=None)
def test_a_roll_of_one_voice_comes_back_exactly(roll: PianoRoll) -> None:
    triples, lost = codec.encode(roll)
    assert lost == Lost()
    assert np.array_equal(codec.decode(triples, STEPS).cells, roll.cells)


def test_a_quarter_of_a4_a_beat_after_the_start() -> None:
    triples, _ = codec.to_triples([Note(24, 69, 24)], 0)
    highest = 440 * 2 ** ((108 - 69) / 12)
    assert np.allclose(triples, [[440 / highest, 1 / 8, 1 / 4]])


def test_what_the_format_cannot_hold_is_counted() -> None:
    notes = [Note(0, 60, 24, LEAD), Note(0, 60, 24, ACCOMPANIMENT), Note(240, 62, 240, LEAD)]
    roll = notes_to_roll(notes, 0, 480)
    _, lost = codec.encode(roll)
    assert lost == Lost(doubled=1, moved=1)


def test_a_note_held_since_before_the_roll_is_counted() -> None:
    roll = notes_to_roll([Note(-24, 60, 48)], 0, 48)
    assert codec.encode(roll)[1] == Lost(held=1)


def test_notes_of_a_chord_have_no_time_between_them() -> None:
    triples, _ = codec.to_triples([Note(0, p, 24) for p in (60, 64, 67)], 0)
    assert triples[:, codec.DELTA].tolist() == [0, 0, 0]


def test_a_hundredth_is_a_fraction_of_a_semitone_above_and_many_below() -> None:
    high, low = codec.hertz(np.array([100])) / 4186, codec.hertz(np.array([36])) / 4186
    heard = [int(codec.nearest_pitch((value + 0.01) * 4186)[0]) for value in (high, low)]
    assert heard == [100, 45]


def test_windows_lose_nothing() -> None:
    triples = np.arange(30.0).reshape(10, 3)
    parts = codec.windows(triples, 4)
    assert [len(part) for part in parts] == [4, 4, 2]
    assert np.array_equal(np.concatenate(parts), triples)


def test_any_numbers_give_notes_of_the_piano() -> None:
    notes = codec.from_triples(np.array([[-3.0, -1.0, -1.0], [9.0, 9.0, 9.0]]), 0)
    assert notes == [Note(0, 21, 1), Note(96, 108, 192)]
    assert roll_to_notes(codec.decode(np.zeros((0, 3)), 24)) == []
