"""Committed notes to MIDI, ends that plans still move, and the player's own notes passed on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.commands import Effect, OscOut, SendMidi
from bridge.live.listening.note_memory import RememberedNote
from bridge.live.planning.plan_book import Answer
from bridge.live.planning.request_window import Turn
from bridge.live.playing.performer import Committed, Performer
from bridge.live.stage import HAIR
from bridge.settings.knobs import Knobs
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note

BPM = 120.0


def committed(onset: int, pitch: int, length: int = 24, voice: int = ACCOMPANIMENT) -> Committed:
    entry = RememberedNote(onset, onset + length, pitch, 80, voice)
    return Committed(Note(onset, pitch, length, voice), entry)


def playing(*notes: Committed) -> Performer:
    performer = Performer(lambda *_: None)
    performer.play(list(notes), Knobs({}), BPM)
    return performer


def advance(performer: Performer, position: float) -> list[Effect]:
    return performer.due(position, position - 4, 0, lambda step: round(step * 1000))


def ends(performer: Performer) -> dict[tuple[float, int], float]:
    """Where each note that sounds or waits ends, by onset and pitch."""
    scheduler = performer.scheduler
    notes = (*scheduler.sounding_notes, *scheduler.queued)
    return {(note.onset_step, note.pitch): note.end_step for note in notes}


def plan(*notes: Note) -> Answer:
    return Answer(1, Turn(0), 0, 1000, notes)


def test_a_note_is_sent_and_told_with_the_length_it_has() -> None:
    sent: list[tuple[int, int, int]] = []
    performer = Performer(lambda *row: sent.append(row))
    chord = [committed(24, 48, 24), committed(24, 52, 48)]
    performer.play(chord, Knobs({"out_channel": 3, "velocity": 70}), BPM)
    effects = performer.due(24.0, 20.0, 55, lambda step: round(step * 1000))
    assert effects == [
        SendMidi(24000, (0x92, 48, 70)),
        OscOut("/diffuse/out/note", (48, 70, 1.0, 1.0)),
        SendMidi(24000, (0x92, 52, 70)),
        OscOut("/diffuse/out/note", (52, 70, 1.0, 2.0)),
    ]
    assert sent == [(2, 48, 55), (2, 52, 55)]
    assert advance(performer, 47.9) == []
    assert advance(performer, 48.0) == [SendMidi(48000, (0x82, 48, 0))]
    assert performer.next_step() == 72.0
    assert (performer.sent, performer.late) == (2, 0)


def test_a_bypassed_reply_is_not_played() -> None:
    performer = Performer(lambda *_: None)
    performer.play([committed(24, 48)], Knobs({"bypass": True}), BPM)
    assert performer.next_step() is None


# -- A new plan moves ends -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "end", "why"),
    [
        (plan(Note(96, 40, 60, 1)), 156, "the plan has it, with another end"),
        (plan(Note(96, 40, 6, 1)), 120, "over before the plan begins"),
        (plan(Note(120, 50, 24, 1)), 120, "unknown to it: ends with its first own note"),
        (plan(Note(119, 50, 24, 1), Note(126, 50, 24, 1)), 126, "which begins with it or later"),
        (plan(Note(96, 41, 60, 1)), 144, "no note of its own: as before"),
    ],
)
def test_a_new_plan_says_where_notes_under_way_end(answer: Answer, end: int, why: str) -> None:
    for begun in (False, True):
        note = committed(96, 40, 48)
        performer = playing(note)
        if begun:
            advance(performer, 100.0)
        performer.reshape(answer, 120)
        assert ends(performer) == {(96, 40): end}, why
        assert note.entry.end_step == end, "remembered as it is played"


def test_what_ends_right_where_a_plan_begins_may_be_held_on_and_what_ended_may_not() -> None:
    for end, held in ((120, 144), (119, 119)):
        performer = playing(committed(96, 40, end - 96))
        performer.reshape(plan(Note(96, 40, 48, 1)), 120)
        assert ends(performer) == {(96, 40): held}


def test_a_note_that_is_over_keeps_the_end_it_had() -> None:
    note = committed(24, 40)
    performer = playing(note)
    advance(performer, 24.0)
    advance(performer, 48.0)
    performer.reshape(plan(Note(24, 40, 60, 1)), 48)
    assert note.entry.end_step == 48


def test_a_reshaped_note_lasts_a_step_at_least() -> None:
    performer = playing(committed(120, 40))
    performer.reshape(plan(Note(100, 50, 24, 1)), 96)
    assert ends(performer) == {(120, 40): 121}


def test_an_open_end_in_memory_stays_open() -> None:
    note = committed(96, 40)
    note.entry.end_step = None
    performer = playing(note)
    performer.cut(100)
    assert note.entry.end_step is None


CHORD = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=1, max_size=6
)  # onset, length; each note has a pitch of its own


@given(CHORD, st.floats(0, 90), st.floats(0, 90))
def test_nothing_begins_at_a_cut_or_later_nor_sounds_beyond_it(
    notes: list[tuple[int, int]], here: float, cut: float
) -> None:
    """By brute force, note by note: what was sent of each when all is over."""
    performer = playing(*(committed(on, 40 + i, n) for i, (on, n) in enumerate(notes)))
    messages = _heard(performer, here)
    cut = max(cut, here + HAIR)  # as the position of a song is
    performer.cut(cut)
    messages += _heard(performer, 125.0)
    for i, (onset, length) in enumerate(notes):
        found = [(data[0], step) for step, data in messages if data[1] == 40 + i]
        if onset > here and onset >= cut:
            assert found == []
            continue
        end = min(onset + length, max(math.ceil(cut), onset + 1))
        assert found == [(0x90, onset), (0x80, end)]


def _heard(performer: Performer, to: float) -> list[tuple[float, tuple[int, ...]]]:
    """What is sent until `to`, by the step at which it is due."""
    places = [float(step) for step in range(math.ceil(to))] + [to]
    effects = [effect for place in places for effect in advance(performer, place)]
    return [(e.due_ns / 1000, e.data) for e in effects if isinstance(e, SendMidi)]


def test_a_cut_between_two_steps_ends_notes_at_the_later_one() -> None:
    performer = playing(committed(0, 40, 96), committed(50, 41), committed(51, 42))
    performer.cut(50.5)
    assert ends(performer) == {(0, 40): 51, (50, 41): 51}


# -- Notes of the player's, passed on --------------------------------------------------------------


def test_a_note_passed_on_ends_when_it_is_let_go() -> None:
    performer = Performer(lambda *_: None)
    end_at = performer.pass_on(Note(96, 72, 384, LEAD, 0), 3)
    assert [(n.channel, n.velocity) for n in performer.scheduler.queued] == [(3, 1)]
    end_at(120)
    assert ends(performer) == {(96, 72): 120}
    end_at(90)
    assert ends(performer) == {(96, 72): 97}, "a step at least"
    end_at(130)
    advance(performer, 100.0)
    end_at(110)
    assert ends(performer) == {(96, 72): 110}
    assert advance(performer, 110.0) == [SendMidi(110000, (0x83, 72, 0))]
    end_at(200)
    assert ends(performer) == {}


def test_no_plan_moves_the_ends_of_the_players_notes() -> None:
    performer = Performer(lambda *_: None)
    performer.pass_on(Note(96, 72, 48, ACCOMPANIMENT, 90), 0)
    performer.reshape(plan(Note(96, 72, 12, ACCOMPANIMENT), Note(120, 40, 24, 1)), 100)
    assert ends(performer) == {(96, 72): 144}


def test_what_is_let_through_at_once_is_ended_once() -> None:
    sent: list[tuple[int, int, int]] = []
    performer = Performer(lambda *row: sent.append(row))
    on, off = (0x92, 60, 100), (0x82, 60, 64)
    assert performer.through(off, 1) == [], "nothing to end"
    assert performer.through((0x92, 60, 0), 2) == [], "velocity 0 is a note-off"
    assert performer.through(on, 3) == [SendMidi(3, on)]
    assert sent == [(2, 60, 3)]
    assert performer.through(off, 4) == [SendMidi(4, off)]
    assert performer.through(off, 5) == []
    performer.through(on, 6)
    assert performer.end_through(7) == [SendMidi(7, (0x82, 60, 0))]
    assert performer.end_through(8) == []


# -- Reports ---------------------------------------------------------------------------------------


def test_what_began_in_a_beat_is_asked_once() -> None:
    performer = playing(committed(24, 40), committed(47, 41), committed(48, 42))
    advance(performer, 24.0)
    advance(performer, 48.0)
    assert not performer.began(0, 24)
    assert performer.began(24, 48)
    assert performer.onsets == [48.0]
    assert not performer.began(24, 48)
    assert performer.began(48, 72)


def test_ringing_is_what_began_before() -> None:
    performer = playing(committed(24, 40))
    advance(performer, 24.0)
    assert not performer.ringing(24)
    assert performer.ringing(25)
    assert performer.silence(9) == [SendMidi(9, (0x80, 40, 0))]
    assert not performer.ringing(25)


def test_a_strummed_note_that_a_plan_ends_before_it_began_is_short_and_not_lost() -> None:
    performer = Performer(lambda *_: None)
    chord = [committed(24, pitch, 12) for pitch in (48, 55, 64)]
    performer.play(chord, Knobs({"strum": 60.0, "humanize": 0.0}), BPM)
    performer.reshape(plan(*(Note(24, pitch, 2, 1) for pitch in (48, 55, 64))), 24)
    found = {pitch: (onset, end) for (onset, pitch), end in ends(performer).items()}
    assert found[48] == (24.0, 26.0)
    assert found[55] == pytest.approx((26.88, 27.88))
    assert found[64] == pytest.approx((29.76, 30.76))


def test_a_note_that_was_cut_before_it_began_is_no_bass_to_what_follows() -> None:
    cut = committed(50, 40)
    performer = playing(cut)
    performer.cut(50.0)
    assert cut.entry.end_step == 74, "it is remembered as it was planned"
    performer.play([committed(50, 45)], Knobs({"bass_channel": 5, "out_channel": 2}), BPM)
    assert [(n.pitch, n.channel) for n in performer.scheduler.queued] == [(45, 4)]
