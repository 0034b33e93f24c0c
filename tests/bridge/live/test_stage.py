"""What the parts on a stage do together."""

from __future__ import annotations

import pytest

from bridge.commands import OscOut
from bridge.live.listening.note_gate import Change, NoteEvent
from bridge.live.listening.note_memory import RememberedNote
from bridge.live.planning.request_window import Turn
from bridge.live.playing.performer import Committed
from bridge.live.stage import HAIR, Stage
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS as MS
from engine.music.grid import ACCOMPANIMENT
from engine.music.roll import Note


def committed(onset: int, end: int, pitch: int) -> Committed:
    entry = RememberedNote(onset, end, pitch, 80, ACCOMPANIMENT)
    return Committed(Note(onset, pitch, end - onset, ACCOMPANIMENT), entry)


def stage_at(position: float, **settings: float) -> Stage:
    """At 120 bpm a step lasts 20.83 ms; one note sounds and one waits."""
    stage = Stage(Knobs({"clock": "internal", "tempo": 120.0, **settings}))
    stage.transport.start_internal(0)
    stage.position = position
    stage.performer.play([committed(96, 192, 40), committed(150, 170, 41)], stage.knobs, 120.0)
    stage.performer.due(position, position - 10, 0, round)
    return stage


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        (None, Turn(96), {40: 192, 41: 170}),  # a turn that begins cuts nothing
        (Turn(0), None, {40: 101}),
        (Turn(0, 120), Turn(0, 200), {40: 192, 41: 170}),  # longer
        (Turn(0), Turn(0, 160), {40: 160, 41: 160}),  # cut short, ahead
        (Turn(0), Turn(0, 96), {40: 101}),  # and behind: at once
        (Turn(0, 120), Turn(48, 120), {40: 192, 41: 170}),  # the same end
        (Turn(0, 120), Turn(48), {40: 192, 41: 170}),
        (Turn(0), Turn(0, None, 96), {40: 101}),  # it answers another bar now
    ],
)
def test_what_sounds_ends_where_a_turn_was_cut_short_or_moved(
    before: Turn | None, after: Turn | None, ends: dict[int, int]
) -> None:
    stage = stage_at(100.5)
    stage.policy.turn = after
    stage.turn_changed(before)
    scheduler = stage.performer.scheduler
    notes = (*scheduler.sounding_notes, *scheduler.queued)
    assert {note.pitch: note.end_step for note in notes} == ends


def test_a_turn_that_is_the_same_cuts_nothing() -> None:
    stage = stage_at(100.5)
    turn = stage.policy.turn = Turn(0, 120)
    stage.turn_changed(turn)
    assert len(stage.performer.scheduler.queued) == 1


@pytest.mark.parametrize(("offset_ms", "at_ms"), [(0.0, 3125), (100.0, 3225), (-50.0, 3075)])
def test_when_the_next_note_is_due(offset_ms: float, at_ms: int) -> None:
    stage = stage_at(100.0, output_offset_ms=offset_ms)
    assert stage.due_ns() == at_ms * MS
    stage.transport.stop_internal(2 * MS)
    assert stage.due_ns() is None


def test_plans_are_forgotten_from_the_step_under_way_on() -> None:
    stage = stage_at(100.5)
    for position, committed_to in ((100.5, 101), (101 + HAIR, 101), (101.1, 102)):
        stage.position = position
        stage.forget_plans()
        assert stage.plan_book.committed_to == committed_to
    assert stage.step == 101, "the one under way"


def test_where_an_instant_lies() -> None:
    stage = stage_at(0.0, input_offset_ms=20.4)
    assert stage.input_offset_ns == 20_400_000
    assert stage.place(500 * MS).step == pytest.approx(24)


def test_a_key_of_the_left_hand_is_told_while_the_song_plays() -> None:
    stage = Stage(Knobs({"clock": "internal"}))
    stage.left_hand.split_at(60)
    keys = [NoteEvent(Change.ON, 0, 0, pitch, 80) for pitch in (48, 52)]
    assert stage.left_hand_note(keys[0]) == []
    stage.transport.start_internal(0)
    assert len(stage.left_hand_note(keys[1])) == 1
    assert stage.left_hand.chord is not None


@pytest.mark.parametrize(("offset_ms", "beat"), [(0.0, 1.0), (100.0, 1.2), (-100.0, 0.8)])
def test_a_key_of_the_left_hand_lies_where_the_input_offset_puts_it(
    offset_ms: float, beat: float
) -> None:
    stage = Stage(Knobs({"clock": "internal", "tempo": 120.0, "input_offset_ms": offset_ms}))
    stage.transport.start_internal(0)
    (told,) = stage.left_hand_note(NoteEvent(Change.ON, 500 * MS, 0, 48, 80))
    assert isinstance(told, OscOut)
    assert told.arguments == (48, 80, beat, 0.0)
