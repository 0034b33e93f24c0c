"""Damaged OSC packets and MIDI messages: no crash, no memory held, only the documented errors.

In CI 4,000 of each; `make stage` 100,000.
"""

from __future__ import annotations

from typing import Any

import pytest
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.commands import Act, AskParameter, MidiIn, SetParameter, Tick
from bridge.live.session import Session
from bridge.midi_messages import parse_message as parse_midi
from bridge.osc.reading import MOST_TEXT, OscProblem, hint, parse_packet
from bridge.osc.wire import MOST_REPLY_BYTES, encode_packet
from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import BY_NAME, PARAMETERS
from bridge.settings.rows import Action, Parameter
from bridge.settings.values import check_value
from tests.fuzz import growth_bytes, mutants
from tests.session_rig import MS
from tests.stage_figures import figure

FEW, MANY = 4_000, 100_000
COUNTS = [FEW, pytest.param(MANY, marks=[pytest.mark.stage, pytest.mark.timeout(1800)])]
PEER = ("127.0.0.1", 9001)


def bundle(*contents: bytes, timetag: float = 0.0) -> bytes:
    builder = OscBundleBuilder(timetag)  # type: ignore[arg-type]
    for content in contents:
        builder.add_content(OscMessage(content))
    return bytes(builder.build().dgram)


def typed(address: str, *arguments: tuple[str, Any]) -> bytes:
    builder = OscMessageBuilder(address)
    for kind, value in arguments:
        builder.add_arg(value, kind)
    return bytes(builder.build().dgram)


_ROWS: tuple[Parameter | Action, ...] = (*PARAMETERS[:5], *ACTIONS)
PACKETS = [
    *(encode_packet(f"/diffuse/{row.name}", (row.default,)) for row in PARAMETERS),
    *(encode_packet(f"/diffuse/{row.name}", ()) for row in _ROWS),
    encode_packet("/diffuse/note", (60, 100, 1)),
    encode_packet("/diffuse/trigger", (5, -2, 8)),
    encode_packet("/diffuse/subscribe", ("127.0.0.1", 9001)),
    typed("/diffuse/note", ("d", 60.0), ("h", 2**40), ("T", True), ("b", b"blob"), ("N", None)),
    bundle(encode_packet("/diffuse/panic", ()), encode_packet("/diffuse/seed", (7,))),
    bundle(encode_packet("/diffuse/start", ()), timetag=1_700_000_005.0),
    b"#bundle\0\0\0\0\0\0\0\0\1\0\0\0\x10#bundle\0\0\0\0\0\0\0\0\1",
]


@pytest.mark.parametrize("count", COUNTS)
def test_malformed_osc_gives_commands_by_the_table_or_problems(count: int) -> None:
    problems = acted = 0
    for number, packet in enumerate(mutants(PACKETS, count, seed=11)):
        found = parse_packet(packet, number * MS, PEER, wall_ns=1_700_000_000 * 10**9)
        assert len(found) <= 8192 // 4
        for each in found:
            if isinstance(each, OscProblem):
                problems += 1
                text = encode_packet("/diffuse/out/error", (each.address or "?", each.text))
                assert len(text) <= MOST_REPLY_BYTES
                if number % 50 == 0:
                    assert hint(each)
                continue
            acted += 1
            assert isinstance(each, SetParameter | AskParameter | Act)
            assert number * MS <= each.at_ns <= number * MS + 10_000 * MS
            if isinstance(each, SetParameter):
                assert check_value(each.name, each.value) == each.value
                assert not isinstance(each.value, str) or len(each.value) <= MOST_TEXT * 64
            if isinstance(each, AskParameter):
                assert each.name in BY_NAME
    assert problems > count // 4
    assert acted > count // 100
    if count == MANY:
        figure("malformed OSC packets survived", f"{count:,} of {count:,}", "100 % of 100,000")


def test_what_passes_the_checks_never_makes_the_session_fail() -> None:
    session = Session({})
    for number, packet in enumerate(mutants(PACKETS, FEW, seed=12)):
        for each in parse_packet(packet, number * MS, PEER, wall_ns=0):
            if not isinstance(each, OscProblem):
                session.step(each)
        session.step(Tick(number * MS))


def test_malformed_osc_leaves_no_memory_behind() -> None:
    packets = list(mutants(PACKETS, 1_000, seed=13))

    def act() -> None:
        for packet in packets:
            parse_packet(packet, 0, PEER, wall_ns=0)

    assert growth_bytes(act, enough=4096) < 4096


MESSAGES = [
    bytes(data)
    for data in (
        (0x90, 60, 100),
        (0x80, 60, 0),
        (0x90, 60, 0),
        (0xB0, 64, 127),
        (0xB0, 123, 0),
        (0xBF, 20, 64),
        (0xF8,),
        (0xFA,),
        (0xFB,),
        (0xFC,),
        (0xF2, 16, 2),
        (0xC0, 5),
        (0xE0, 0, 64),
        (0xD0, 9),
        (0xF0, 0x7E, 0x7F, 6, 1, 0xF7),
        (0xFE,),
        (0xFF,),
    )
]


@pytest.mark.parametrize("count", COUNTS)
def test_malformed_midi_never_makes_the_session_fail(count: int) -> None:
    """Each message as a driver might hand it over, well formed or not, while the song plays."""
    session = Session({"clock": "internal", "mode": "harmonize"})
    session.step(Act(0, "start"))
    understood = 0
    for number, data in enumerate(mutants(MESSAGES, count, seed=21)):
        understood += parse_midi(tuple(data)) is not None
        session.step(MidiIn(number * MS, tuple(data)))
        if number % 4 == 0:
            session.step(Tick(number * MS))
    assert count // 10 < understood < count
    if count == MANY:
        figure("malformed MIDI messages survived", f"{count:,} of {count:,}", "100 % of 100,000")


def test_malformed_midi_leaves_no_memory_behind() -> None:
    session = Session({"clock": "midi"})
    messages = [tuple(data) for data in mutants(MESSAGES, 1_500, seed=22)]
    messages = [data for data in messages if data and data[0] < 0xF0]

    def act() -> None:
        for data in messages:
            session.step(MidiIn(0, data))
        session.step(Act(0, "panic"))

    assert growth_bytes(act, enough=8192) < 8192
