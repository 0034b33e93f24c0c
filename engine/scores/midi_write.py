"""Standard MIDI files out: the input's own chunks, byte for byte, and one track more.

Knows nothing of how the notes were made.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import groupby, pairwise
from pathlib import Path

import mido

from engine.music.grid import ACCOMPANIMENT, LEAD, MeterMap
from engine.music.roll import Note
from engine.scores.midi_events import (
    META,
    NOTE_OFF,
    SYSEX,
    Chunk,
    MidiFileError,
    Pairing,
    pair_notes,
    read_events,
)
from engine.scores.midi_file import DRUM_CHANNEL, MINUTE_US, Score, Track
from engine.scores.midi_file import REPLY_NAME as REPLY_NAME

NEW_FILE_TICKS_PER_BEAT = 480
_CHANNELS = 16
_FAR_TICK = 2**31


@dataclass(frozen=True, slots=True)
class NewTrack:
    """A track to write. Each voice may have a channel (from 0) of its own; default: one channel.

    program: None sends none, so that a channel keeps the sound it has. markers: (step, text).
    """

    name: str
    notes: Sequence[Note]
    program: int | None = 0
    channels: Mapping[int, int] | None = None
    markers: Sequence[tuple[int, str]] = ()


def reply_track(
    score: Score,
    notes: Sequence[Note],
    melody: Track | None,
    markers: Sequence[tuple[int, str]] = (),
) -> NewTrack:
    """The `midi-diffuse` track: channels nothing in the file touches, the melody's own sound.

    A new lead gets a channel of its own, so that a unison with its accompaniment stays two notes.
    Where no channel is free the reply shares the melody's, whose sound stays as it is.
    """
    free = free_channels(score)
    if not free:
        shared = melody.channel if melody else 0
        return NewTrack(REPLY_NAME, notes, None, {ACCOMPANIMENT: shared, LEAD: shared}, markers)
    return NewTrack(
        REPLY_NAME,
        notes,
        melody.program if melody else 0,
        {ACCOMPANIMENT: free[0], LEAD: free[1] if len(free) > 1 else free[0]},
        markers,
    )


def free_channels(score: Score) -> list[int]:
    """The channels no event of the file touches, but for the drums'."""
    used = score.channels | {note.channel for track in score.tracks for note in track.notes}
    return [c for c in range(_CHANNELS) if c not in used and c != DRUM_CHANNEL]


def add_track(score: Score, track: NewTrack) -> bytes:
    """The file with `track` behind its own tracks; a type-0 file becomes type 1."""
    chunks = [*score.chunks, (b"MTrk", _encode(track, score))]
    return _join(score.ticks_per_beat, chunks)


def new_file(tracks: Iterable[NewTrack], bpm: float, meters: MeterMap, title: str = "") -> bytes:
    """A type-1 file: a first track with title, tempo and meter, then `tracks`; 480 ticks a beat.

    Markers of the tracks stand in the first one. Steps before 0 have no place in a file: raises
    MidiFileError.
    """
    tracks = list(tracks)
    blank = Score(NEW_FILE_TICKS_PER_BEAT, ())
    conductor = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(MINUTE_US / bpm))])
    if title:
        conductor.insert(0, _name(title))
    now = 0
    for step, meter in meters.changes:
        tick = blank.tick_at(step)
        conductor.append(
            mido.MetaMessage(
                "time_signature", numerator=meter.beats, denominator=meter.unit, time=tick - now
            )
        )
        now = tick
    marked = [_marker_event(*marker, blank) for track in tracks for marker in track.markers]
    chunks = [(b"MTrk", _body(_merged(conductor, marked)))]
    chunks += [(b"MTrk", _encode(replace(track, markers=()), blank)) for track in tracks]
    return _join(blank.ticks_per_beat, chunks)


def without_notes(score: Score, parts: Sequence[Track], from_step: int, to_step: int) -> Score:
    """The score without the notes of `parts` that begin in [from_step, to_step).

    All other events stay where they were; notes held into the span stay as long as they were.
    """
    first, end = score.tick_at(from_step), score.tick_at(to_step)
    cut: dict[int, set[int]] = {}
    for part in parts:
        cut.setdefault(part.chunk, set()).update(note.channel for note in part.notes)
    chunks, index = list[Chunk](), -1
    for name, body in score.chunks:
        index += name == b"MTrk"
        if name == b"MTrk" and index in cut:
            body = _cut(body, first, end, cut[index])
        chunks.append((name, body))
    return replace(score, chunks=tuple(chunks), tracks=tuple(_cut_tracks(score, parts, first, end)))


def _cut_tracks(score: Score, parts: Sequence[Track], first: int, end: int) -> Iterable[Track]:
    for track in score.tracks:
        kept = tuple(n for n in track.notes if not first <= n.onset_tick < end)
        if track not in parts:
            yield track
        elif kept:
            yield replace(track, notes=kept)


def _cut(body: bytes, first: int, end: int, channels: Container[int]) -> bytes:
    """One track chunk without the notes on `channels` that begin in the ticks [first, end)."""
    events = list(read_events(body))
    notes = [note for note in pair_notes(events) if note.channel in channels]
    gone = {note.on for note in notes if first <= note.onset_tick < end}
    # An onset that ended a note still does: an off in its place.
    ending = {note.cut_by: note for note in notes if note.cut_by in gone and note.on not in gone}
    gone |= {note.off for note in notes if note.on in gone and note.off is not None}
    out, now = bytearray(), 0
    for place, event in enumerate(events):
        status, data = event.status, event.data
        if place in ending:
            status, data = _off(ending[place])
        elif place in gone:
            continue
        out += _number(event.tick - now) + bytes([status])
        now = event.tick
        if status == META:
            out.append(event.kind)
        if status >= SYSEX:
            out += _number(len(data))
        out += data
    return bytes(out)


def _off(note: Pairing) -> tuple[int, bytes]:
    """Status and data of the note's off."""
    return NOTE_OFF | note.channel, bytes([note.pitch, 0])


def _number(value: int) -> bytes:
    """A variable-length quantity."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.insert(0, 0x80 | value & 0x7F)
    return bytes(out)


def _encode(track: NewTrack, score: Score) -> bytes:
    """Body of a track chunk with name, programs and notes."""
    channels = track.channels or {}
    messages = mido.MidiTrack([_name(track.name)])
    by_channel: dict[int, list[Note]] = {}
    for note in track.notes:
        by_channel.setdefault(channels.get(note.voice, 0), []).append(note)
    events = [_marker_event(*marker, score) for marker in track.markers]
    for channel, notes in sorted(by_channel.items()):
        if track.program is not None:
            program = mido.Message("program_change", channel=channel, program=track.program)
            messages.append(program)
        events += _note_events(notes, channel, score)
    return _body(_merged(messages, events))


_Event = tuple[int, int, mido.Message | mido.MetaMessage]
"""(tick, order at that tick, message)."""


def _marker_event(step: int, text: str, score: Score) -> _Event:
    return max(score.tick_at(step), 0), -1, mido.MetaMessage("marker", text=text)


def _merged(track: mido.MidiTrack, events: Iterable[_Event]) -> mido.MidiTrack:
    """The track with `events` among its own messages, in order of time."""
    found: list[_Event] = []
    now = 0
    for message in track:
        now += message.time
        found.append((now, -2, message))
    found += events
    merged, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(found, key=lambda event: event[:2]):
        merged.append(message.copy(time=tick - now))
        now = tick
    return merged


def _name(text: str) -> mido.MetaMessage:
    # mido writes Latin-1, most programs read UTF-8: so the bytes are UTF-8.
    return mido.MetaMessage("track_name", name=text.encode("utf-8").decode("latin-1"))


def _note_events(notes: list[Note], channel: int, score: Score) -> Iterable[_Event]:
    """(tick, order, message), offs before ons; a note ends where the next of its pitch begins."""
    for pitch, group in groupby(sorted(notes, key=lambda n: (n.pitch, n)), lambda n: n.pitch):
        ticks = {}
        for note in group:
            onset = score.tick_at(note.onset_step)
            if onset < 0:
                raise MidiFileError("a note before the start of the song cannot be written")
            ticks[onset] = (max(score.tick_at(note.end_step), onset + 1), note.velocity)
        for onset, following in pairwise([*sorted(ticks), _FAR_TICK]):
            end, velocity = ticks[onset]
            end = min(end, following)
            on = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
            yield onset, 1, on
            yield end, 0, mido.Message("note_off", channel=channel, note=pitch, velocity=0)


def _body(track: mido.MidiTrack) -> bytes:
    """The bytes of one track, without its chunk header."""
    buffer = BytesIO()
    mido.MidiFile(tracks=[track]).save(file=buffer)
    return buffer.getvalue()[22:]


def _join(ticks_per_beat: int, chunks: Sequence[Chunk]) -> bytes:
    tracks = sum(name == b"MTrk" for name, _ in chunks)
    out = [struct.pack(">4sLHHH", b"MThd", 6, 1, tracks, ticks_per_beat)]
    out += [struct.pack(">4sL", name, len(body)) + body for name, body in chunks]
    return b"".join(out)


def write(data: bytes, path: Path) -> None:
    """Write beside `path`, then rename: a kill leaves the old file or the new one, never half.

    Makes missing folders. Raises MidiFileError with one line when the disk says no.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as err:
        raise MidiFileError(f"{path}: cannot be written ({err.strerror or err})") from None
