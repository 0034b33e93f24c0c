"""What a changed parameter sets off at once."""

from __future__ import annotations

import pytest

from bridge.commands import MidiIn, SendMidi, SetParameter, Value
from bridge.live.session import Session
from tests.session_rig import MS, Rig, S, clock, melody

CHANGED_NS = 6130 * MS


def changed(name: str, value: Value, **settings: Value) -> Rig:
    """Changed in the middle of a beat, with a reply that plays."""
    rig = Rig(Session(settings)).add(clock(20)).add(melody(20))
    return rig.add([SetParameter(CHANGED_NS, name, value)]).run(8 * S)


@pytest.mark.parametrize(
    ("name", "value", "at_once"),
    [
        ("temperature", 0.4, True),
        ("seed", 9, True),
        ("velocity", 70, False),
        ("meter", "3/4", False),
    ],
)
def test_what_a_plan_is_made_with_asks_for_another(name: str, value: Value, at_once: bool) -> None:
    after = [when for when, _ in changed(name, value).requests if when >= CHANGED_NS / S]
    assert (after[0] < CHANGED_NS / S + 0.002) is at_once


def test_a_loop_parameter_does_nothing_where_there_is_no_loop() -> None:
    plain, other = changed("velocity", 70), changed("loop_bars", 2)
    assert [when for when, _ in other.requests] == [when for when, _ in plain.requests]
    offs = [now for now, _, data in other.sent if data[0] & 0xF0 == 0x80 and now == CHANGED_NS]
    assert offs == []


@pytest.mark.parametrize(("value", "silent"), [(True, True), (False, False)])
def test_bypass_silences_the_reply_at_once(value: bool, silent: bool) -> None:
    rig = changed("bypass", value)
    assert (max(when for when, _ in rig.ons) < CHANGED_NS / S) is silent
    assert (rig.stuck == {}) is silent


def test_how_the_players_notes_are_split() -> None:
    session = Session({"split_point": 50})
    stage = session.stage
    for split, lead, below in (
        ("all-lead", "all-lead", None),
        ("chord", "highest", 50),
        ("channel", "channel", None),
    ):
        session.step(SetParameter(0, "split", split))
        assert (stage.recorder.split, stage.left_hand.below) == (lead, below)


def test_what_was_held_on_the_old_channel_ends() -> None:
    session = Session({"thru": True})
    session.step(MidiIn(0, (0x90, 60, 90)))
    session.step(SetParameter(5, "in_channel", 2))
    assert session.stage.gate.channel == 2
    assert session.step(MidiIn(6, (0x90, 60, 90))) == []
    ended = session.step(SetParameter(7, "thru", False))
    assert [e.data for e in ended if isinstance(e, SendMidi)] == [(0x80, 60, 0)]
    assert session.step(SetParameter(8, "thru", True))[1:] == []
