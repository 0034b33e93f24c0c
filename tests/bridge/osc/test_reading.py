"""Datagrams read by the table of addresses."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.commands import Act, AskParameter, Command, SetParameter, Value
from bridge.osc.reading import MOST_AHEAD_S, OscProblem, hint, is_own_reply, parse_packet
from bridge.osc.schema import BY_ADDRESS
from bridge.osc.wire import MOST_PACKET_BYTES, MOST_REPLY_BYTES, encode_packet
from bridge.settings.parameters import PARAMETERS
from bridge.settings.rows import Parameter

AT_NS = 1_000_000
SENDER = ("127.0.0.1", 5000)
UNIX_NS = 1_700_000_000_000_000_000


def message(address: str, *arguments: object, tags: str = "") -> bytes:
    """A datagram as python-osc, an independent implementation, writes it."""
    builder = OscMessageBuilder(address)
    for i, argument in enumerate(arguments):
        builder.add_arg(argument, tags[i] if tags else None)  # type: ignore[arg-type]
    return bytes(builder.build().dgram)


def bundle(ahead_s: float, *contents: bytes) -> bytes:
    builder = OscBundleBuilder(UNIX_NS / 1e9 + ahead_s)  # type: ignore[arg-type]
    for content in contents:
        builder.add_content(OscMessage(content))
    return bytes(builder.build().dgram)


def read(packet: bytes) -> Command | OscProblem:
    (found,) = parse_packet(packet, AT_NS, SENDER, UNIX_NS)
    return found


def problem(packet: bytes) -> OscProblem:
    found = read(packet)
    assert isinstance(found, OscProblem)
    return found


def good_value(row: Parameter) -> Value:
    if row.kind == "choice":
        return row.choices[-1]
    if row.kind == "text":
        return row.default or "Am7"
    return row.high if row.kind == "float" else int(row.high)


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: row.name)
def test_every_parameter_is_asked_and_set(row: Parameter) -> None:
    address = f"/diffuse/{row.name}"
    assert read(message(address)) == AskParameter(AT_NS, row.name, SENDER)
    value = good_value(row)
    found = read(message(address, value))
    assert found == SetParameter(AT_NS, row.name, found.value, SENDER)  # type: ignore[union-attr]
    assert found.value == value


@pytest.mark.parametrize(
    ("packet", "value"),
    [
        (message("/diffuse/temperature", 0.7), 0.7),
        (message("/diffuse/temperature", 2.0), 2.0),
        (message("/diffuse/temperature", 1, tags="h"), 1.0),
        (message("/diffuse/temperature", 0.7, tags="d"), 0.7),
        (message("/diffuse/voices", 3.0), 3),
        (message("/diffuse/mode", 1.0), "continue"),
        (message("/diffuse/mode", "vary"), "vary"),
        (message("/diffuse/bypass", True), True),
        (message("/diffuse/bypass", 0.0), False),
        (message("/diffuse/chord", "C", "E", "G"), "C E G"),
        (message("/diffuse/chord", "off"), ""),
        (message("/diffuse/preset", "my", "band"), "my band"),
        (message("/diffuse/meter", "7/8"), "7/8"),
    ],
)
def test_values_come_as_the_table_wants_them(packet: bytes, value: Value) -> None:
    found = read(packet)
    assert isinstance(found, SetParameter)
    assert found.value == value
    assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("packet", "name", "arguments"),
    [
        (message("/diffuse/panic"), "panic", ()),
        (message("/diffuse/panic", 1.0), "panic", ()),
        (message("/diffuse/panic", None), "panic", ()),
        (message("/diffuse/note", 60, 100), "note", (60, 100)),
        (message("/diffuse/note", 60.0, 0.0, 16.0), "note", (60, 0, 16)),
        (message("/diffuse/freeze", 1.0), "freeze", (True,)),
        (message("/diffuse/chord_at", 3, 1, "Am7"), "chord_at", (3, 1.0, "Am7")),
        (message("/diffuse/chord_at", 3.0, 2.5, "C", "E", "G"), "chord_at", (3, 2.5, "C E G")),
        (message("/diffuse/trigger"), "trigger", ()),
        (message("/diffuse/trigger", 7, 2, 5), "trigger", (7, 2, 5)),
        (message("/diffuse/subscribe", "localhost", 9001), "subscribe", ("127.0.0.1", 9001)),
    ],
)
def test_actions(packet: bytes, name: str, arguments: tuple[Value, ...]) -> None:
    assert read(packet) == Act(AT_NS, name, arguments, SENDER)


def test_letting_a_button_go_does_nothing() -> None:
    assert parse_packet(message("/diffuse/panic", 0.0), AT_NS, SENDER) == []


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (message("/diffuse/chord_at", 3, 0.5, "C"), "beat wants 1 to 65, not 0.5"),
        (message("/diffuse/chord_at", 3.5, 1, "C"), "bar wants -9999 to 9999, not 3.5"),
        (message("/diffuse/chord_at", 3, float("nan"), "C"), "beat wants 1 to 65, not nan"),
        (message("/diffuse/chord_at", 3, 1), "want 3 arguments, not 2"),
        (message("/diffuse/temperature", float("nan")), "temperature wants 0.1 to 2, not nan"),
        (message("/diffuse/temperature", float("inf")), "temperature wants 0.1 to 2, not inf"),
        (message("/diffuse/temperature", 5.0), "temperature wants 0.1 to 2, not 5"),
        (message("/diffuse/temperature", 1.0, 2.0), "temperature wants one value, not 2"),
        (message("/diffuse/temperature", b"abc"), "a blob is not understood here"),
        (message("/diffuse/voices", 8.5), "voices wants 1 to 8, not 9"),
        (message("/diffuse/voices", float("inf")), "voices wants 1 to 8, not inf"),
        (message("/diffuse/mode", "hamronize"), "(did you mean 'harmonize'?)"),
        (message("/diffuse/mode", 5), "mode wants harmonize"),
        (message("/diffuse/meter", "4/5"), "meter 4/5"),
        (message("/diffuse/meter", "²/4"), "meter '²/4': want two numbers"),
        (message("/diffuse/meter", "9" * 190 + "/4"), "want two numbers, like 4/4"),
        (message("/diffuse/chord", "x" * 201), "text of 201 characters; at most 200"),
        (message("/diffuse/preset", "../../secret"), "preset wants a name"),
        (message("/diffuse/preset", "mine.toml"), "preset wants a name"),
        (message("/diffuse/note", 60), "want 2 or 3 arguments, not 1: /diffuse/note pitch"),
        (message("/diffuse/note", 60, 100, 1, 1), "want 2 or 3 arguments, not 4"),
        (message("/diffuse/note", 128, 100), "pitch wants 0 to 127, not 128"),
        (message("/diffuse/note", 60, float("nan")), "velocity wants 0 to 127, not nan"),
        (message("/diffuse/note", "C4", 100), "pitch wants 0 to 127, not 'C4'"),
        (message("/diffuse/panic", 2), "want 0 arguments, not 1"),
        (message("/diffuse/freeze"), "want 1 argument, not 0"),
        (message("/diffuse/subscribe", "example.org", 9), "host wants an IPv4 address"),
        (message("/diffuse/subscribe", "127.0.0.1", 0), "port wants 1 to 65535, not 0"),
        (message("/diffuse/temprature", 1.0), "no such address"),
        (message("/other", 1.0), "no such address"),
    ],
)
def test_what_is_wrong_is_said(packet: bytes, text: str) -> None:
    assert text in problem(packet).text


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [("steps", 12.73, 13), ("voices", 3.4, 3), ("mode", 0.6, "continue"), ("bypass", 0.51, True)],
)
def test_a_fader_sets_the_nearest_whole_number(name: str, sent: float, value: Value) -> None:
    found = read(message(f"/diffuse/{name}", sent))
    assert isinstance(found, SetParameter)
    assert (found.value, type(found.value)) == (value, type(value))


def test_a_check_that_fails_unforeseen_costs_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def gap(name: str, value: object) -> Value:
        raise RecursionError

    monkeypatch.setattr("bridge.osc.reading.check_value", gap)
    packet = bundle(0, message("/diffuse/seed", 3), message("/diffuse/panic"))
    first, second = parse_packet(packet, AT_NS, SENDER, UNIX_NS)
    assert first == OscProblem("/diffuse/seed", "not understood (RecursionError)")
    assert isinstance(second, Act)


def test_an_address_nearby_is_offered() -> None:
    wrong = problem(message("/diffuse/temprature", 1.0))
    assert hint(wrong) == "no such address; did you mean /diffuse/temperature?"
    assert hint(OscProblem("/diffuse/mode", "x")) == "x"
    assert not is_own_reply(wrong)
    assert is_own_reply(problem(message("/diffuse/out/error", "a", "b")))


@pytest.mark.parametrize(
    ("tags", "body"),
    [
        (b",r\0\0", b"\0\0\0\0"),
        (b",[i]\0\0\0\0", b"\0\0\0\1"),
        (b",if\0", b"\0\0\0\1"),
        (b",s\0\0", b"abc"),
        (b",s\0\0", b"\xff\xfe\0\0"),
        (b",b\0\0", b"\xff\xff\xff\xff"),
        (b",b\0\0", b"\x7f\xff\xff\xff"),
        (b",i\0\0", b"\0\0\0\1\0\0\0\1"),
        (b"i\0\0\0", b"\0\0\0\1"),
        (b",", b""),
    ],
)
def test_broken_messages_name_their_address(tags: bytes, body: bytes) -> None:
    assert problem(b"/diffuse/seed\0\0\0" + tags + body).address == "/diffuse/seed"


def test_known_tags_that_others_leave_out_do_not_shift_arguments() -> None:
    symbol = b"/diffuse/mode\0\0\0,S\0\0vary\0\0\0\0"
    assert read(symbol) == SetParameter(AT_NS, "mode", "vary", SENDER)
    impulse = b"/diffuse/panic\0\0,I\0\0"
    assert read(impulse) == Act(AT_NS, "panic", (), SENDER)


def test_a_message_without_type_tags_asks() -> None:
    assert read(b"/diffuse/seed\0\0\0") == AskParameter(AT_NS, "seed", SENDER)


def test_size_is_bounded() -> None:
    assert "packet of" in problem(b"/" * (MOST_PACKET_BYTES + 1)).text
    many = message("/diffuse/chord", *["C"] * 65)
    assert problem(many).text == "65 arguments; at most 64"


def test_bundles() -> None:
    panic, seed = message("/diffuse/panic"), message("/diffuse/seed", 3)
    found = parse_packet(bundle(2.5, panic, seed), AT_NS, SENDER, UNIX_NS)
    assert [type(each) for each in found] == [Act, SetParameter]
    assert all(abs(each.at_ns - AT_NS - 2_500_000_000) < 1_000 for each in found)  # type: ignore[union-attr]
    late = parse_packet(bundle(-1.0, panic), AT_NS, SENDER, UNIX_NS)
    assert late == [Act(AT_NS, "panic", (), SENDER)]
    assert parse_packet(bundle(2.5, panic), AT_NS, SENDER) == late
    far = problem(bundle(MOST_AHEAD_S + 1, panic))
    assert far == OscProblem("/diffuse/panic", "bundle timed 11 s ahead; at most 10")


def test_a_broken_element_does_not_take_the_others_with_it() -> None:
    head = b"#bundle\0" + (1).to_bytes(8, "big")
    good, bad = message("/diffuse/panic"), message("/diffuse/panic", "now")
    packet = head + b"".join(struct.pack(">i", len(part)) + part for part in (good, bad, good))
    assert [type(each) for each in parse_packet(packet, AT_NS)] == [Act, OscProblem, Act]
    for size in (-1, 0, 3, 400):
        cut = head + struct.pack(">i", len(good)) + good + struct.pack(">i", size) + good
        found = parse_packet(cut, AT_NS)
        assert [type(each) for each in found] == [Act, OscProblem]


def test_nesting_is_bounded() -> None:
    packet = message("/diffuse/panic")
    for depth in range(1500):
        packet = b"#bundle\0" + (1).to_bytes(8, "big") + struct.pack(">i", len(packet)) + packet
        if len(packet) > MOST_PACKET_BYTES:
            break
        (found,) = parse_packet(packet, AT_NS)
        assert isinstance(found, Act if depth < 4 else OscProblem)


@given(st.binary(max_size=400))
@settings(max_examples=2000, deadline=None)
def test_noise_is_survived(packet: bytes) -> None:
    assert all(
        isinstance(each, OscProblem) for each in parse_packet(packet, AT_NS, SENDER, UNIX_NS)
    )


@given(
    st.sampled_from(sorted(BY_ADDRESS)),
    st.text("ifsSTFNIhdtbcrm[]", max_size=6),
    st.binary(max_size=64),
    st.booleans(),
)
@settings(max_examples=3000, deadline=None)
def test_near_misses_are_survived(address: str, tags: str, body: bytes, bundled: bool) -> None:
    text = [part.encode() + b"\0" * (4 - len(part) % 4) for part in (address, "," + tags)]
    packet = b"".join(text) + body
    if bundled:
        packet = b"#bundle\0" + body[:8].ljust(8, b"\1") + struct.pack(">i", len(packet)) + packet
    for found in parse_packet(packet, AT_NS, SENDER, UNIX_NS):
        assert isinstance(found, OscProblem | SetParameter | AskParameter | Act)


@given(st.lists(st.booleans() | st.integers() | st.floats() | st.text(max_size=900), max_size=300))
@settings(deadline=None)
def test_answers_fit_a_datagram_and_others_can_read_them(arguments: list[Value]) -> None:
    packet = encode_packet("/diffuse/out/stats", arguments)
    assert len(packet) <= MOST_REPLY_BYTES
    assert OscMessage.dgram_is_message(packet)
    read_back = OscMessage(packet).params
    assert len(read_back) <= min(len(arguments), 256)
    small = [a for a in arguments if isinstance(a, int) and -(2**31) <= a < 2**31]
    if len(small) == len(arguments) <= 200:
        assert read_back == small


def test_a_long_text_is_cut_and_the_rest_kept() -> None:
    packet = encode_packet("/diffuse/out/error", ("/diffuse/mode", "é" * 2000))
    address, text = OscMessage(packet).params
    assert address == "/diffuse/mode"
    assert len(packet) > MOST_REPLY_BYTES - 20
    assert text.endswith("é…")
