"""The bytes of a standard MIDI file as chunks and events. Knows nothing of notes or music.

A reader of our own, because mido refuses whole files over a text or key signature it cannot
decode; here only what a musician would miss is an error, and every chunk is kept for writing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7
NOTE_OFF, NOTE_ON, _CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0
TRACK_NAME, MARKER, END_OF_TRACK, SET_TEMPO, TIME_SIGNATURE = 0x03, 0x06, 0x2F, 0x51, 0x58
KEY_SIGNATURE = 0x59
_ENDS_ALL = frozenset({120, 123, 124, 125, 126, 127})
"""Controllers that end every note of their channel: sounds off, notes off, the four modes."""
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}

MOST_TRACKS = 0xFFFE
"""A header can count one more, which is ours."""

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
    data = _unwrapped(data)
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
    if found > MOST_TRACKS:
        raise MidiFileError(f"holds {found:,} tracks; want at most {MOST_TRACKS:,}")
    return kind, division, chunks


def _unwrapped(data: bytes) -> bytes:
    """Return the MIDI file inside a RIFF file of the kind RMID; anything else as it is."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    offset = 12
    while offset + 8 <= len(data):
        name, size = struct.unpack("<4sL", data[offset : offset + 8])
        offset += 8
        if name == b"data":
            return data[offset : offset + size]
        offset += size + size % 2
    raise MidiFileError("is a RIFF file without MIDI in it")


def _chunks(data: bytes, offset: int, tracks: int) -> Iterator[Chunk]:
    """Yield all chunks, known or not. Behind the last of `tracks` tracks what is no chunk is
    junk."""
    found = 0
    while offset + 8 <= len(data):
        name, size = struct.unpack(">4sL", data[offset : offset + 8])
        offset += 8
        whole = offset + size <= len(data)
        if found >= tracks and name != b"MTrk" and not (whole and _is_name(name)):
            return
        if not whole:
            raise MidiFileError(f"is cut off in track {found + 1} of {max(tracks, found + 1)}")
        found += name == b"MTrk"
        yield name, data[offset : offset + size]
        offset += size


def _is_name(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in name)


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
        """Return a variable-length quantity of at most four bytes."""
        value = 0
        for _ in range(4):
            byte = self.take(1)[0]
            value = (value << 7) | (byte & 0x7F)
            if byte < 0x80:
                return value
        raise MidiFileError(f"holds a damaged length at byte {self.at}")


def read_events(body: bytes) -> Iterator[Event]:
    """Yield events of one track chunk, up to its End of Track. Raises MidiFileError if damaged."""
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


def write_events(events: Iterable[Event]) -> bytes:
    """Body of a track chunk, each event with its own status byte: the inverse of `read_events`."""
    out, now = bytearray(), 0
    for event in events:
        out += _quantity(event.tick - now) + bytes([event.status])
        now = event.tick
        if event.status == META:
            out.append(event.kind)
        if event.status >= SYSEX:
            out += _quantity(len(event.data))
        out += event.data
    return bytes(out)


def channel_event(tick: int, message: Sequence[int]) -> Event | None:
    """Return the event of one channel message; None for a system message or what is not MIDI."""
    status, data = message[0] if message else 0, message[1:]
    if len(data) != _DATA_BYTES.get(status & 0xF0) or not all(0 <= byte < 0x80 for byte in data):
        return None
    return Event(tick, status, 0, bytes(data))


def _quantity(value: int) -> bytes:
    """Return a variable-length quantity."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.insert(0, 0x80 | value & 0x7F)
    return bytes(out)


# -- Which off ends which on ---------------------------------------------------------------------


@dataclass(slots=True)
class Pairing:
    """One note as its events: `on` and `off` are their places in the track's events.

    off: None where no off of its own ends it. cut_by: the onset that ends it instead, if any.
    """

    channel: int
    pitch: int
    velocity: int
    onset_tick: int
    on: int
    end_tick: int = 0
    off: int | None = None
    cut_by: int | None = None


_Stroke = tuple[int, int, int]
"""(tick, place, velocity) of an on; velocity 0 is an off."""


def pair_notes(events: Iterable[Event]) -> Iterator[Pairing]:
    """Yield the notes of a track. An off ends the oldest open note of its key and channel.

    Where an off is missing that rule would shift all that follows: there a new onset of the key
    ends the note before it. "All notes off" and the end of the track end what is open.
    """
    # Of each channel its open keys: the strokes since the key was last silent.
    channels: list[dict[int, list[_Stroke]]] = [{} for _ in range(16)]
    balance: dict[tuple[int, int], int] = {}
    tick = 0
    for place, event in enumerate(events):
        tick = event.tick
        kind, channel = event.status & 0xF0, event.status & 0x0F
        opened = channels[channel]
        if kind == _CONTROL and event.data[0] & 0x7F in _ENDS_ALL:
            for pitch, strokes in opened.items():
                yield from _pair((channel, pitch), strokes, tick)
                del balance[channel, pitch]
            opened.clear()
        if kind not in (NOTE_ON, NOTE_OFF):
            continue
        pitch = event.data[0] & 0x7F
        # A velocity byte above 127 is damage, but a note all the same.
        velocity = min(event.data[1], 127) if kind == NOTE_ON else 0
        if not velocity and pitch not in opened:
            continue
        opened.setdefault(pitch, []).append((tick, place, velocity))
        left = balance.get((channel, pitch), 0) + (1 if velocity else -1)
        balance[channel, pitch] = left
        if left == 0:
            yield from _pair((channel, pitch), opened.pop(pitch), tick)
            del balance[channel, pitch]
    for channel, opened in enumerate(channels):
        for pitch, strokes in opened.items():
            yield from _pair((channel, pitch), strokes, tick)


def _pair(key: tuple[int, int], strokes: list[_Stroke], end_tick: int) -> Iterator[Pairing]:
    """Yield the notes of one key from a silence to the next; `end_tick` ends what is left open."""
    ons = sum(velocity > 0 for _, _, velocity in strokes)
    if ons * 2 > len(strokes):
        yield from _pair_hung(key, strokes, end_tick)
        return
    offs = (stroke for stroke in strokes if not stroke[2])
    for tick, on, velocity in (stroke for stroke in strokes if stroke[2]):
        end, off, _ = next(offs)
        yield Pairing(*key, velocity, tick, on, end, off)


def _pair_hung(key: tuple[int, int], strokes: list[_Stroke], end_tick: int) -> Iterator[Pairing]:
    """Pair as `_pair`, where some off is missing: a new onset ends the note before it."""
    note: Pairing | None = None
    cut: Pairing | None = None
    for tick, place, velocity in strokes:
        if velocity:
            if cut:
                yield cut
            cut = note
            if cut:
                cut.end_tick, cut.cut_by = tick, place
            note = Pairing(*key, velocity, tick, place)
        elif cut and cut.end_tick == tick and cut.off is None:
            cut.off, cut.cut_by = place, None  # its own off, written behind the next on
        elif note:
            note.end_tick, note.off = tick, place
            if cut:
                yield cut
            yield note
            note = cut = None
    if cut:
        yield cut
    if note:
        note.end_tick = end_tick
        yield note
