"""MIDI learn in a session."""

from __future__ import annotations

from bridge.commands import Act, Effect, MidiIn, OscOut, Value
from bridge.live.session import Session

PEER = ("127.0.0.1", 9001)


def told(effects: list[Effect], name: str) -> list[tuple[Value, ...]]:
    address = f"/diffuse/out/{name}"
    return [e.arguments for e in effects if isinstance(e, OscOut) and e.address == address]


def test_a_controller_on_any_channel_is_learned_by_moving_it() -> None:
    session = Session({})
    waits = session.step(Act(0, "learn", ("temperature",), PEER))
    assert told(waits, "learning") == [("temperature",)]
    moved = session.step(MidiIn(1, (0xB2, 21, 127)))
    assert told(moved, "learned") == [("temperature", 3, 21)]
    assert told(moved, "param/temperature") == [(2.0,)]
    again = session.step(MidiIn(2, (0xB2, 21, 0)))
    assert told(again, "learned") == []
    assert told(again, "param/temperature") == [(0.1,)]
    assert told(session.step(Act(3, "learn", (), PEER)), "learned") == [("temperature", 3, 21)]


def test_a_pedal_that_is_learned_holds_no_notes_any_more() -> None:
    session = Session({})
    session.step(Act(0, "learn", ("bypass", 1, 64)))
    session.step(MidiIn(1, (0xB0, 64, 127)))
    assert session.knobs.flag("bypass")
    session.step(MidiIn(2, (0x90, 60, 100)))
    session.step(MidiIn(3, (0x80, 60, 0)))
    assert session.stage.gate.flush(4) == []


def test_unlearn_one_or_all() -> None:
    session = Session({})
    for name, controller in (("voices", 20), ("panic", 21), ("steps", 22)):
        session.step(Act(0, "learn", (name, 1, controller)))
    assert told(session.step(Act(1, "unlearn", ("panic",))), "learned") == [("panic", 0, 0)]
    error = ("unlearn", "no controller is learned for panic")
    assert told(session.step(Act(2, "unlearn", ("panic",))), "error") == [error]
    gone = told(session.step(Act(3, "unlearn")), "learned")
    assert gone == [("voices", 0, 0), ("steps", 0, 0)]
    assert told(session.step(Act(4, "learn")), "learned") == []


def test_off_waits_no_more_and_half_a_place_is_none() -> None:
    session = Session({})
    session.step(Act(0, "learn", ("voices",)))
    assert told(session.step(Act(1, "learn", ("off",))), "learning") == [("",)]
    assert told(session.step(MidiIn(2, (0xB0, 20, 127))), "learned") == []
    half = session.step(Act(3, "learn", ("voices", 2)))
    assert told(half, "error") == [("learn", "want channel and controller, or neither")]
    text = session.step(Act(4, "learn", ("chord",)))
    assert told(text, "error") == [("learn", "chord is text, which no controller can move")]
