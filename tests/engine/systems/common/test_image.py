from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, SUSTAIN
from engine.music.roll import Note, PianoRoll, notes_to_roll, roll_to_notes
from engine.systems.common import image
from engine.systems.common.note_lists import Lost
from tests.engine.systems.rolls import one_voice


@given(one_voice(grid=3))
@settings(max_examples=1000, deadline=None)
def test_thirty_seconds_come_back_exactly(roll: PianoRoll) -> None:
    drawn, lost = image.encode(roll)
    assert lost == Lost()
    assert np.array_equal(image.decode(drawn).cells, roll.cells)


@given(one_voice())
@settings(max_examples=200, deadline=None)
def test_what_is_lost_is_counted_and_the_rest_comes_back(roll: PianoRoll) -> None:
    drawn, lost = image.encode(roll)
    back = roll_to_notes(image.decode(drawn))
    kept = sum(note in back for note in roll_to_notes(roll))
    assert len(roll_to_notes(roll)) - kept <= lost.moved + 2 * lost.doubled


def test_both_voices_keep_their_colours() -> None:
    notes = [Note(0, 60, 24, LEAD), Note(0, 60, 24, ACCOMPANIMENT)]
    drawn, lost = image.encode(notes_to_roll(notes, 0, 24))
    assert (drawn.shape, lost) == ((2, 2, 88, 8), Lost())
    assert drawn[:, ONSET, 39].tolist() == [[True] + [False] * 7] * 2
    assert drawn[:, SUSTAIN, 39].tolist() == [[False] + [True] * 7] * 2


def test_a_triplet_goes_to_the_nearest_column() -> None:
    notes = [Note(8 * i, 60 + i, 8) for i in range(3)]
    drawn, lost = image.encode(notes_to_roll(notes, 0, 24))
    assert lost == Lost(moved=3)
    assert [note.onset_step for note in roll_to_notes(image.decode(drawn))] == [0, 9, 15]


def test_two_onsets_in_one_column_are_one_and_counted() -> None:
    drawn, lost = image.encode(notes_to_roll([Note(0, 60, 1), Note(1, 60, 5)], 0, 24))
    assert lost == Lost(doubled=1, moved=2)
    assert int(drawn[:, ONSET].sum()) == 1


def test_a_sustain_without_its_onset_is_found_and_can_begin_there() -> None:
    alone = np.zeros((2, 2, 88, 8), np.bool_)
    alone[0, SUSTAIN, 40, 3:5] = True
    alone[1, SUSTAIN, 30, 0:2] = True
    assert np.argwhere(image.orphans(alone)).tolist() == [[0, 40, 3]]
    assert not image.cells_of(alone)[0].any()
    begins = image.begun(alone)
    assert not image.orphans(begins).any()
    assert roll_to_notes(image.decode(begins)) == [Note(9, 61, 6, LEAD)]


def test_a_hole_of_one_column_is_filled_and_a_longer_one_begins_a_note() -> None:
    holed = np.zeros((2, 2, 88, 16), np.bool_)
    holed[0, ONSET, 40, 1] = True
    holed[0, SUSTAIN, 40, [2, 4, 5, 8, 9]] = True
    whole = roll_to_notes(image.decode(image.begun(holed)))
    assert whole == [Note(3, 61, 15, LEAD), Note(24, 61, 6, LEAD)]


def test_an_image_of_notes_has_nothing_to_begin() -> None:
    notes = [Note(0, 60, 24, LEAD), Note(24, 60, 24, LEAD), Note(6, 64, 3, ACCOMPANIMENT)]
    drawn, _ = image.encode(notes_to_roll(notes, 0, 48))
    assert np.array_equal(image.begun(drawn), drawn)
