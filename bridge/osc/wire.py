"""OSC 1.0 packets: bytes to messages and back. Knows nothing of midi-diffuse's addresses.

Decoding is our own because python-osc's leaves out arguments whose tag it does not know, so that
the later ones shift, and follows nested bundles without a bound. Encoding is python-osc's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.commands import Value

MOST_PACKET_BYTES = 8192
MOST_BUNDLE_DEPTH = 4
_MOST_ARGUMENTS = 64
MOST_REPLY_BYTES = 1400
"""Fits one Ethernet frame, so that an answer is never fragmented."""
_MOST_REPLY_ARGUMENTS = 256
"""Max cuts longer lists."""

IMMEDIATELY = 1
"""The time tag that means now."""
_NTP_TO_UNIX_S = 2_208_988_800
_BUNDLE = b"#bundle\0"
_MOST_FLOAT = 3.4e38


class OscWireError(ValueError):
    """Bytes that are not OSC; `address` is the message's where that far could be read."""

    def __init__(self, text: str, address: str = "") -> None:
        super().__init__(text)
        self.address = address


@dataclass(frozen=True, slots=True)
class OscMessage:
    """One message. An argument is None for nil and impulse (`N`, `I`), bytes for a blob.

    `timetag` is that of the bundle around it (64-bit NTP), or IMMEDIATELY.
    """

    address: str
    arguments: tuple[Value | bytes | None, ...]
    timetag: int = IMMEDIATELY


def timetag_unix_ns(timetag: int) -> int:
    """Return a time tag as Unix time in nanoseconds."""
    return ((timetag >> 32) - _NTP_TO_UNIX_S) * 1_000_000_000 + (
        (timetag & 0xFFFFFFFF) * 1_000_000_000 >> 32
    )


def decode_packet(packet: bytes) -> Iterator[OscMessage | OscWireError]:
    """Yield the packet's messages in order; a broken one is yielded as the error, never raised.

    A bundle whose framing is broken ends there; what came before it is still yielded.
    """
    if len(packet) > MOST_PACKET_BYTES:
        yield OscWireError(f"packet of {len(packet)} bytes; at most {MOST_PACKET_BYTES}")
        return
    try:
        for content, timetag in _messages(packet, IMMEDIATELY, 0):
            yield _read_message(content, timetag)
    except OscWireError as err:
        yield err


def _messages(packet: bytes, timetag: int, depth: int) -> Iterator[tuple[bytes, int]]:
    if not packet.startswith(_BUNDLE):
        yield packet, timetag
        return
    if depth == MOST_BUNDLE_DEPTH:
        raise OscWireError(f"bundles nested deeper than {MOST_BUNDLE_DEPTH}")
    if len(packet) < 16:
        raise OscWireError("a bundle that ends before its time tag")
    # OSC 1.0: an inner bundle may not be earlier than the one around it.
    timetag = max(timetag, int.from_bytes(packet[8:16], "big"))
    at = 16
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big", signed=True)
        at += 4
        if size <= 0 or size % 4 or at + size > len(packet):
            raise OscWireError("a bundle with an element of impossible size")
        yield from _messages(packet[at : at + size], timetag, depth + 1)
        at += size


def _read_message(content: bytes, timetag: int) -> OscMessage | OscWireError:
    address = ""
    try:
        address, at = _read_string(content, 0)
        if not address.startswith("/") or not address.isprintable():
            raise OscWireError("no OSC address")
        # Very old senders leave the type tags out; then nothing may follow.
        tags, at = _read_string(content, at) if at < len(content) else (",", at)
        if not tags.startswith(","):
            raise OscWireError("no type tags")
        if len(tags) - 1 > _MOST_ARGUMENTS:
            raise OscWireError(f"{len(tags) - 1} arguments; at most {_MOST_ARGUMENTS}")
        arguments: list[Value | bytes | None] = []
        for tag in tags[1:]:
            if tag not in _READERS:
                raise OscWireError(f"argument type {tag!r}; want i, f, s, T, F, h, d or S")
            argument, at = _READERS[tag](content, at)
            arguments.append(argument)
        if at != len(content):
            raise OscWireError(f"{len(content) - at} bytes too many")
    except OscWireError as err:
        return OscWireError(str(err), address if address.isprintable() else "")
    return OscMessage(address, tuple(arguments), timetag)


def _read_string(content: bytes, at: int) -> tuple[str, int]:
    end = content.find(b"\0", at)
    if end < 0:
        raise OscWireError("a string without end")
    try:
        text = content[at:end].decode()
    except UnicodeDecodeError:
        raise OscWireError("a string that is not UTF-8") from None
    return text, _aligned(end + 1, content)


def _aligned(at: int, content: bytes) -> int:
    at += -at % 4
    if at > len(content):
        raise OscWireError("a message cut short")
    return at


def _read_blob(content: bytes, at: int) -> tuple[bytes, int]:
    size = int.from_bytes(content[at : at + 4], "big", signed=True)
    if size < 0 or at + 4 + size > len(content):
        raise OscWireError(f"a blob of {size} bytes that is not there")
    return content[at + 4 : at + 4 + size], _aligned(at + 4 + size, content)


def _number(layout: str) -> Callable[[bytes, int], tuple[Value, int]]:
    size = struct.calcsize(layout)

    def read(content: bytes, at: int) -> tuple[Value, int]:
        if at + size > len(content):
            raise OscWireError("a message cut short")
        (number,) = struct.unpack_from(layout, content, at)
        return number, at + size

    return read


def _read_float(content: bytes, at: int) -> tuple[Value, int]:
    number, at = _number(">f")(content, at)
    # The shortest decimal that is this float32: 0.7 stays 0.7, not 0.699999988.
    return float(str(np.float32(number))), at


def _read_character(content: bytes, at: int) -> tuple[Value, int]:
    code, at = _number(">I")(content, at)
    return chr(int(code)) if int(code) < 128 else "?", at


_READERS: dict[str, Callable[[bytes, int], tuple[Value | bytes | None, int]]] = {
    "i": _number(">i"),
    "h": _number(">q"),
    "d": _number(">d"),
    "f": _read_float,
    "s": _read_string,
    "S": _read_string,
    "c": _read_character,
    "b": _read_blob,
    "T": lambda _, at: (True, at),
    "F": lambda _, at: (False, at),
    "N": lambda _, at: (None, at),
    "I": lambda _, at: (None, at),
}


def encode_packet(address: str, arguments: Sequence[Value]) -> bytes:
    """Return one message of at most MOST_REPLY_BYTES, with only `i`, `f` and `s`, which all clients
    read.

    Long strings are cut, then arguments left off the end, until it fits.
    """
    kept = list(arguments[:_MOST_REPLY_ARGUMENTS])
    packet = _build(address, kept)
    while len(packet) > MOST_REPLY_BYTES:
        over = len(packet) - MOST_REPLY_BYTES
        longest = max(kept, key=lambda value: len(_utf8(value)), default="")
        room = len(_utf8(longest)) - over - 8
        if isinstance(longest, str) and room > 0:
            cut = longest.encode()[:room].decode(errors="ignore") + "…"
            kept[kept.index(longest)] = cut
        elif kept:
            kept.pop()
        else:
            raise OscWireError(f"address of {len(address)} characters")
        packet = _build(address, kept)
    return packet


def _utf8(value: Value) -> bytes:
    # A lone surrogate cannot be sent, and a NUL would end the string early.
    return value.encode(errors="replace").replace(b"\0", b"") if isinstance(value, str) else b""


def _build(address: str, arguments: Sequence[Value]) -> bytes:
    builder = OscMessageBuilder(address)
    for value in arguments:
        if isinstance(value, str):
            builder.add_arg(_utf8(value).decode(), "s")
        elif isinstance(value, int) and -(2**31) <= value < 2**31:
            builder.add_arg(int(value), "i")
        else:
            builder.add_arg(max(-_MOST_FLOAT, min(_MOST_FLOAT, float(value))), "f")
    return bytes(builder.build().dgram)
