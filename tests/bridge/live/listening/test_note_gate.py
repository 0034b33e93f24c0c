"""What counts as music on the input port."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.live.listening.note_gate import ECHO_NS, Change, NoteEvent, NoteGate
from bridge.midi_messages import Kind, MidiMessage, parse_message
from bridge.timebase import NS_PER_MS as MS

ON, OFF, LIFTED = Change.ON, Change.OFF, Change.LIFTED


def feed(gate: NoteGate, *data: int, at_ns: int = 0) -> list[tuple[Change, int]]:
    message = parse_message(data)
    assert message is not None
    return [(event.change, event.pitch) for event in gate.read(message, at_ns)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((0x90, 60, 100), MidiMessage(Kind.NOTE_ON, 0, 60, 100)),
        ((0x95, 60, 0), MidiMessage(Kind.NOTE_OFF, 5, 60, 0)),
        ((0x8F, 60, 64), MidiMessage(Kind.NOTE_OFF, 15, 60, 64)),
        ((0xB1, 64, 127), MidiMessage(Kind.CONTROL, 1, 64, 127)),
        ((0xC2, 9), MidiMessage(Kind.PROGRAM, 2, 9)),
        ((0xF8,), MidiMessage(Kind.CLOCK)),
        ((0xFA,), MidiMessage(Kind.START)),
        ((0xFB,), MidiMessage(Kind.CONTINUE)),
        ((0xFC,), MidiMessage(Kind.STOP)),
        ((0xF2, 3, 1), MidiMessage(Kind.POSITION, first=131)),
        ((0xFE,), None),
        ((0xE0, 0, 64), None),
        ((0xF0, 1, 2, 0xF7), None),
        ((0x90, 60), None),
        ((0x90, 200, 1), None),
        ((60, 100), None),
        ((), None),
    ],
)
def test_parse(data: tuple[int, ...], message: MidiMessage | None) -> None:
    assert parse_message(data) == message


@given(st.lists(st.integers(-1, 300), max_size=5))
def test_parse_never_fails(data: list[int]) -> None:
    parse_message(tuple(data))


def test_notes_pass_once_each_way() -> None:
    gate = NoteGate()
    assert feed(gate, 0x80, 60, 0) == []
    assert feed(gate, 0x90, 60, 100) == [(ON, 60)]
    assert feed(gate, 0x90, 60, 100) == [(OFF, 60), (ON, 60)]
    assert feed(gate, 0x90, 60, 0) == []  # of the first, which has ended
    assert feed(gate, 0x80, 60, 0) == [(OFF, 60)]
    assert feed(gate, 0x80, 60, 0) == []


def test_of_a_key_struck_again_one_off_at_most_is_waited_for() -> None:
    gate = NoteGate()
    for _ in range(5):
        feed(gate, 0x90, 60, 100)
    assert feed(gate, 0x80, 60, 0) == []
    assert feed(gate, 0x80, 60, 0) == [(OFF, 60)]
    feed(gate, 0x90, 60, 100)
    feed(gate, 0x90, 60, 100)
    assert feed(gate, 0xB0, 123, 0) == [(OFF, 60)]
    feed(gate, 0x90, 60, 100)
    assert feed(gate, 0x80, 60, 0) == [(OFF, 60)]


def test_an_mpe_masters_pedal_holds_its_members() -> None:
    gate = NoteGate()
    feed(gate, 0xB0, 64, 127)  # channel 1 has no notes
    feed(gate, 0x93, 60, 100)
    assert feed(gate, 0x83, 60, 0) == [(LIFTED, 60)]
    assert feed(gate, 0xB0, 64, 0) == [(OFF, 60)]


def test_the_pedal_of_a_channel_with_notes_of_its_own_is_its_own() -> None:
    gate = NoteGate()
    feed(gate, 0x90, 48, 100)
    feed(gate, 0xB0, 64, 127)
    feed(gate, 0x93, 60, 100)
    assert feed(gate, 0x83, 60, 0) == [(OFF, 60)]
    assert feed(gate, 0x80, 48, 0) == [(LIFTED, 48)]


def test_only_the_channel_listened_to() -> None:
    gate = NoteGate()
    gate.channel = 3
    assert feed(gate, 0x90, 60, 100) == []
    assert feed(gate, 0x92, 60, 100) == [(ON, 60)]


def test_pedal_holds_until_it_is_lifted() -> None:
    gate = NoteGate()
    feed(gate, 0xB0, 64, 127)
    feed(gate, 0x90, 60, 100)
    assert feed(gate, 0x80, 60, 0) == [(LIFTED, 60)]
    feed(gate, 0x90, 62, 100)
    assert feed(gate, 0xB0, 64, 0) == [(OFF, 60)]
    assert feed(gate, 0x80, 62, 0) == [(OFF, 62)]


def test_pedal_ignored() -> None:
    gate = NoteGate()
    gate.set_pedal(False, 0)
    feed(gate, 0xB0, 64, 127)
    feed(gate, 0x90, 60, 100)
    assert feed(gate, 0x80, 60, 0) == [(OFF, 60)]


def test_no_longer_following_the_pedal_ends_what_it_held() -> None:
    gate = NoteGate()
    feed(gate, 0xB0, 64, 127)
    feed(gate, 0x90, 60, 100)
    feed(gate, 0x80, 60, 0)
    assert gate.set_pedal(False, 7) == [NoteEvent(OFF, 7, 0, 60)]


@pytest.mark.parametrize("controller", [120, 123])
def test_flush_ends_input_notes_of_its_channel(controller: int) -> None:
    gate = NoteGate()
    feed(gate, 0x90, 60, 100)
    feed(gate, 0x91, 62, 100)
    assert feed(gate, 0xB0, controller, 0) == [(OFF, 60)]
    assert feed(gate, 0x80, 60, 0) == []
    assert feed(gate, 0x81, 62, 0) == [(OFF, 62)]


def test_a_daws_burst_at_play_is_not_music() -> None:
    gate = NoteGate()
    for channel in range(16):
        for controller in (64, 120, 121, 123):
            assert feed(gate, 0xB0 | channel, controller, 0) == []


def test_our_own_notes_are_not_music() -> None:
    gate = NoteGate()
    gate.sent(0, 60, 1000)
    assert feed(gate, 0x90, 60, 80, at_ns=1000 + 43 * MS) == []
    assert feed(gate, 0x80, 60, 0, at_ns=1000 + 90 * MS) == []
    # One echo for each note sent: the next one is played by hand.
    assert feed(gate, 0x90, 60, 80, at_ns=1000 + 95 * MS) == [(ON, 60)]


@pytest.mark.parametrize(("channel", "at_ns"), [(1, 10 * MS), (0, ECHO_NS + 1), (0, -1)])
def test_no_echo_elsewhere_or_later_or_before(channel: int, at_ns: int) -> None:
    gate = NoteGate()
    gate.sent(0, 60, 0)
    assert feed(gate, 0x90 | channel, 60, 80, at_ns=at_ns) == [(ON, 60)]


def test_echo_guard_off() -> None:
    gate = NoteGate()
    gate.echo_guard = False
    gate.sent(0, 60, 0)
    assert feed(gate, 0x90, 60, 80, at_ns=10) == [(ON, 60)]


def test_the_off_of_an_echo_does_not_end_a_note_held_by_hand() -> None:
    gate = NoteGate()
    assert feed(gate, 0x90, 60, 90, at_ns=0) == [(ON, 60)]
    gate.sent(0, 60, 10)
    assert feed(gate, 0x90, 60, 80, at_ns=20) == []
    assert feed(gate, 0x80, 60, 0, at_ns=30) == []
    assert feed(gate, 0x80, 60, 0, at_ns=40) == [(OFF, 60)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0x90, 0x80, 0xB0)),
            st.integers(0, 3),
            st.sampled_from((60, 61, 64, 120, 121, 123)),
            st.sampled_from((0, 64, 127)),
            st.booleans(),
        ),
        max_size=80,
    )
)
def test_ons_and_offs_always_alternate(messages: list[tuple[int, int, int, int, bool]]) -> None:
    gate, down = NoteGate(), set()
    for at_ns, (status, channel, first, second, ours) in enumerate(messages):
        if ours:
            gate.sent(channel, first, at_ns)
        message = parse_message((status | channel, first, second))
        assert message is not None
        for event in gate.read(message, at_ns):
            key = (event.channel, event.pitch)
            assert (key in down) is (event.change is not ON)
            if event.change is ON:
                down.add(key)
            elif event.change is OFF:
                down.discard(key)
    assert {(e.channel, e.pitch) for e in gate.flush(0)} == down


@pytest.mark.parametrize(("after_ns", "echo"), [(0, True), (ECHO_NS, True), (ECHO_NS + 1, False)])
def test_how_late_an_echo_may_come(after_ns: int, echo: bool) -> None:
    gate = NoteGate()
    gate.sent(0, 60, 5 * ECHO_NS)
    message = parse_message((0x90, 60, 90))
    assert message is not None
    assert (gate.read(message, 5 * ECHO_NS + after_ns) == []) is echo


def test_all_notes_off_of_one_channel_forgets_no_pedal_and_no_echo_of_others() -> None:
    gate = NoteGate()
    gate.sent(1, 60, 0)
    messages = [(0xB1, 64, 127), (0x92, 50, 90), (0xB2, 123, 0), (0x91, 60, 90)]
    found = [
        gate.read(message, 1) for data in messages if (message := parse_message(data)) is not None
    ]
    assert [len(events) for events in found] == [0, 1, 1, 0], "the last one is an echo"
