"""What starts a song anew and what goes on in it: what was played is forgotten, or is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.commands import Act, Command, MidiIn, OscOut, SendDue, SendMidi, Tick, Value
from bridge.live.listening.note_memory import LoopRegion, RememberedNote
from bridge.live.playing.performer import Committed
from bridge.live.session import Session
from engine.music.grid import ACCOMPANIMENT
from engine.music.roll import Note
from tests.session_rig import MS, Rig, S, clock, melody, play

START, CONTINUE, STOP = (0xFA,), (0xFB,), (0xFC,)
BAR_TWO = (0xF2, 16, 0)


def remembered(*more: Command, beats: int = 16) -> int:
    """Input notes of the first bar that are remembered when `more` has been done in bar 2."""
    rig = Rig(Session())
    rig.add(clock(beats)).add(melody(beats)).add(more).run(beats * S // 2)
    return len(rig.session.stage.song.input.notes(0, 96, 96))


def at(ms: int, *messages: Sequence[int]) -> list[Command]:
    return [MidiIn(ms * MS + i, tuple(data)) for i, data in enumerate(messages)]


@pytest.mark.parametrize(
    "more",
    [
        [],
        at(2505, BAR_TWO),
        at(2505, STOP, CONTINUE),
        at(2505, START),  # while the clock plays: a loop of the DAW's
        [Act(2300 * MS, "downbeat"), *at(2505, BAR_TWO)],
    ],
)
def test_a_seek_goes_on_in_the_same_song(more: list[Command]) -> None:
    assert remembered(*more) > 0


def test_a_start_after_a_stop_is_a_new_song() -> None:
    more = [*at(2505, STOP), *at(2600, START)]
    rig = Rig(Session())
    rig.add(clock(8)).add(melody(5)).add(more).run(3 * S)
    assert rig.session.stage.song.input.notes(48, 96, 96) == []


def test_the_conductor_wakes_for_what_comes_next() -> None:
    rig = Rig(Session({"clock": "internal", "tempo": 120.0})).add([Act(0, "start")])
    rig.run(0)
    assert (rig.session.wake_ns(rig.now_ns) or 0) <= rig.now_ns + 100 * MS
    assert Session().wake_ns(7) == 7 + 100 * MS, "stopped: a look now and then"


# -- Offsets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset_ms", "step"), [(0.0, 48), (100.0, 53), (-100.0, 43)])
def test_the_input_offset_moves_what_is_played(offset_ms: float, step: int) -> None:
    settings: dict[str, Value] = {"input_offset_ms": offset_ms, "input_quantize": "off"}
    rig = Rig(Session(settings)).add(clock(8)).add(play(72, 1000 * MS, 200 * MS)).run(2 * S)
    assert [n.onset_step for n in rig.session.stage.song.input.onsets(0, 96)] == [step]


def waiting(offset_ms: float, position_ns: int) -> Session:
    """One note waits, for step 96, which is 2 s."""
    session = Session({"clock": "internal", "tempo": 120.0, "output_offset_ms": offset_ms})
    session.step(Act(0, "start"))
    note = Note(96, 40, 24, ACCOMPANIMENT)
    entry = RememberedNote(96, 120, 40, 80, ACCOMPANIMENT)
    session.stage.performer.play([Committed(note, entry)], session.knobs, 120.0)
    session.step(Tick(position_ns))
    return session


@pytest.mark.parametrize("offset_ms", [0.0, 100.0, -100.0])
@pytest.mark.parametrize(("late_ms", "sent"), [(0, True), (49, True), (51, False)])
def test_a_note_is_sent_up_to_fifty_ms_late(offset_ms: float, late_ms: int, sent: bool) -> None:
    due_ns = round((2000 + offset_ms) * MS)
    session = waiting(offset_ms, 1800 * MS)
    effects = session.step(Tick(due_ns + late_ms * MS))
    ons = [e for e in effects if isinstance(e, SendMidi) and e.data[0] == 0x90]
    assert [e.due_ns for e in ons] == [due_ns] * sent
    assert session.stage.performer.late == 1 - sent


def test_what_is_due_is_sent_at_its_very_instant_before_anything_is_decided() -> None:
    session = waiting(0.0, 1900 * MS)
    assert session.step(SendDue(1999 * MS)) == []
    assert [type(each) for each in session.step(SendDue(2 * S))] == [SendMidi, OscOut]
    session.step(Act(2100 * MS, "stop"))
    assert session.step(SendDue(3 * S)) == []


@pytest.mark.parametrize("offset_ms", [150.0, -150.0])
def test_no_note_is_decided_later_than_it_is_due(offset_ms: float) -> None:
    rig = Rig(Session({"output_offset_ms": offset_ms})).add(clock(24)).add(melody(24)).run(12 * S)
    assert len(rig.ons) > 20
    assert max(now - due for now, due, data in rig.sent if data[0] & 0xF0 == 0x90) < MS


# -- Bar lines and panic ---------------------------------------------------------------------------


def test_a_downbeat_by_hand_begins_the_loop_there() -> None:
    rig = Rig(Session({"clock": "internal", "tempo": 120.0, "reply": "loop", "loop_bars": 2}))
    rig.add([Act(0, "start"), Act(700 * MS, "downbeat")]).run(S)
    stage = rig.session.stage
    assert stage.policy.region == LoopRegion(34, 192)  # 700 ms are 33.6 steps
    assert stage.delivery.next_line == 58


def test_after_a_panic_the_next_plan_is_asked_for_at_once() -> None:
    rig = Rig(Session()).add(clock(20)).add(melody(20)).add([Act(6_130 * MS, "panic")]).run(8 * S)
    after = [when for when, _ in rig.requests if when >= 6.13]
    assert after[0] == pytest.approx(6.13, abs=0.002)
