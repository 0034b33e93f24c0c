"""The bytes of a standard MIDI file as chunks and events. Knows nothing of notes or music.

A reader of our own, because mido refuses whole files over a text or key signature it cannot
decode; here only what a musician would miss is an error, and every chunk is kept for writing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7
NOTE_OFF, NOTE_ON, PROGRAM = 0x80, 0x90, 0xC0
TRACK_NAME, SET_TEMPO, TIME_SIGNATURE, END_OF_TRACK = 0x03, 0x51, 0x58, 0x2F
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}

Chunk = tuple[bytes, bytes]
"""(name, data) of one chunk."""


class MidiFileError(ValueError):
    """A MIDI file that cannot be used; the message is one line that says why."""


class Event(NamedTuple):
    """One event: `status` with its channel, or META and its `kind`; `data` without the length."""

    tick: int
    status: int
    kind: int
    data: bytes


def split_chunks(data: bytes) -> tuple[int, int, tuple[Chunk, ...]]:
    """Type (0 or 1), ticks per beat and the chunks after the header. Raises MidiFileError."""
    if not data:
        raise MidiFileError("is empty")
    if not data.startswith(b"MThd"):
        cut = b"MThd".startswith(data)
        raise MidiFileError("is cut off in its header" if cut else "is not a MIDI file")
    if len(data) < 14:
        raise MidiFileError("is cut off in its header")
    size, kind, tracks, division = struct.unpack(">LHHH", data[4:14])
    if size < 6:
        raise MidiFileError("has a damaged header")
    if kind == 2:
        raise MidiFileError("is of type 2 (independent patterns); save it as type 0 or 1")
    if kind > 2:
        raise MidiFileError(f"is of unknown type {kind}; want type 0 or 1")
    if division & 0x8000:
        raise MidiFileError("counts time in SMPTE frames, not beats; save it with ticks per beat")
    if division == 0:
        raise MidiFileError("has a damaged header (0 ticks per beat)")
    chunks = tuple(_chunks(data, 8 + size, tracks))
    found = sum(name == b"MTrk" for name, _ in chunks)
    if found < tracks:
        raise MidiFileError(f"is cut off: {found} of {tracks} tracks are there")
    return kind, division, chunks


def _chunks(data: bytes, offset: int, tracks: int) -> Iterator[Chunk]:
    """Chunks up to the last of `tracks` tracks; unknown kinds are kept, junk behind is not."""
    found = 0
    while found < tracks and offset + 8 <= len(data):
        name, size = struct.unpack(">4sL", data[offset : offset + 8])
        offset += 8
        if offset + size > len(data):
            raise MidiFileError(f"is cut off in track {found + 1} of {tracks}")
        found += name == b"MTrk"
        yield name, data[offset : offset + size]
        offset += size


class _Reader:
    """Reads forward through the bytes of one track. Raises MidiFileError at their end."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.body):
            raise MidiFileError("ends in the middle of an event")
        self.at += count
        return self.body[self.at - count : self.at]

    def number(self) -> int:
        """A variable-length quantity of at most four bytes."""
        value = 0
        for _ in range(4):
            byte = self.take(1)[0]
            value = (value << 7) | (byte & 0x7F)
            if byte < 0x80:
                return value
        raise MidiFileError(f"holds a damaged length at byte {self.at}")


def read_events(body: bytes) -> Iterator[Event]:
    """Events of one track chunk, up to its End of Track. Raises MidiFileError if damaged."""
    reader = _Reader(body)
    tick, running = 0, 0
    while reader.at < len(body):
        tick += reader.number()
        status = reader.take(1)[0]
        if status == META:
            kind = reader.take(1)[0]
            yield Event(tick, META, kind, reader.take(reader.number()))
            if kind == END_OF_TRACK:
                return
        elif status in (SYSEX, ESCAPE):
            yield Event(tick, status, 0, reader.take(reader.number()))
        else:
            if status < 0x80:
                status, reader.at = running, reader.at - 1
            size = _DATA_BYTES.get(status & 0xF0)
            if size is None:
                raise MidiFileError(f"holds an unknown event at byte {reader.at}")
            running = status
            yield Event(tick, status, 0, reader.take(size))
