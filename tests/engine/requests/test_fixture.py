"""The engine without a network, as live asks it: the lead is known up to now, and no further."""

from __future__ import annotations

import pytest

from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note, notes_to_roll, roll_to_notes
from engine.requests import tasks
from engine.requests.fixture import FixtureGenerator
from engine.requests.request import ChordCell, FillRequest, PlanRequest, Span


def chords(*lead: Note, first: int = 0, now: int = 48, end: int = 96) -> dict[int, list[int]]:
    """The reply's pitches by onset, when `lead` is known in the steps [first, now)."""
    request = PlanRequest(1, first, end, lead, (Span(LEAD, first, now),))
    found: dict[int, list[int]] = {}
    for note in FixtureGenerator().plan(request).notes:
        if note.voice == ACCOMPANIMENT:
            found.setdefault(note.onset_step, []).append(note.pitch)
    return found


def note(onset: int, pitch: int, length: int = 24) -> Note:
    return Note(onset, pitch, length, LEAD)


def test_beats_whose_lead_is_unknown_follow_the_last_note_heard() -> None:
    assert chords(note(0, 74), note(24, 69)) == {
        0: [62, 66, 69],
        24: [57, 61, 64],
        48: [57, 61, 64],
        72: [57, 61, 64],
    }


@pytest.mark.parametrize(
    ("lead", "followed"),
    [
        ([note(0, 74), note(24, 69, 6)], [57, 61, 64]),  # it has ended since
        ([note(0, 79, 48), note(36, 74, 12)], [62, 66, 69]),  # the newest, though one above sounds
        ([note(24, 74), note(24, 77)], [65, 69, 72]),  # two at once: the upper one
        ([note(-24, 74, 72)], [62, 66, 69]),  # held since before the window
        ([], [60, 64, 67]),  # nothing heard yet
    ],
)
def test_which_note_was_the_last(lead: list[Note], followed: list[int]) -> None:
    found = chords(*lead)
    assert (found[48], found[72]) == (followed, followed)


def test_a_known_rest_is_no_unknown_lead() -> None:
    assert chords(note(0, 74), now=96) == {
        0: [62, 66, 69],
        24: [60, 64, 67],
        48: [60, 64, 67],
        72: [60, 64, 67],
    }


def test_a_given_chord_is_played_with_its_bass_below() -> None:
    roll = notes_to_roll([Note(0, 72, 48, LEAD)], 0, 48, PIANO)
    chords = (ChordCell(0, 24, frozenset({2, 5, 9}), 5),)
    filled = FixtureGenerator().fill(FillRequest(roll, tasks.harmonize_mask(roll), chords=chords))
    first = [n.pitch for n in roll_to_notes(filled) if n.voice and n.onset_step == 0]
    assert first == [53, 62, 65, 69]
    silent = FillRequest(roll, tasks.harmonize_mask(roll), chords=(ChordCell(0, 48, frozenset()),))
    assert [n.voice for n in roll_to_notes(FixtureGenerator().fill(silent))] == [LEAD]


def test_many_are_answered_as_one_is() -> None:
    engine = FixtureGenerator()
    spans = (Span(LEAD, 0, 48),)
    asked = [PlanRequest(i, 0, 96, (note(0, 70 + i),), spans) for i in range(3)]
    together = engine.plan_many(asked)
    assert [plan.id for plan in together] == [0, 1, 2]
    assert [plan.notes for plan in together] == [engine.plan(request).notes for request in asked]
