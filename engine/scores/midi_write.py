"""Standard MIDI files out: the input's own chunks, byte for byte, and one track more.

Knows nothing of how the notes were made.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

from engine.atomic_file import replacing
from engine.music.grid import ACCOMPANIMENT, LEAD, MeterMap
from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import Note
from engine.scores.midi_events import (
    END_OF_TRACK,
    KEY_SIGNATURE,
    MARKER,
    META,
    NOTE_OFF,
    NOTE_ON,
    PROGRAM,
    SET_TEMPO,
    TIME_SIGNATURE,
    TRACK_NAME,
    Chunk,
    Event,
    MidiFileError,
    Pairing,
    pair_notes,
    read_events,
    write_events,
)
from engine.scores.parts import REPLY_NAME, by_part
from engine.scores.score import DRUM_CHANNEL, MINUTE_US, Score, Track

NEW_FILE_TICKS_PER_BEAT = 480
_CHANNELS = 16
_FAR_TICK = 2**31
_METRONOME = (24, 8)
"""MIDI clocks a click, and thirty-seconds a quarter note."""
_RANK = {NOTE_OFF: 1, NOTE_ON: 2}


@dataclass(frozen=True, slots=True)
class NewTrack:
    """A track to write. Each voice may have a channel (from 0) of its own; default: one channel.

    program: None sends none, so that a channel keeps the sound it has. markers: (step, text). key:
    of the music, for a signature at the file's start.
    """

    name: str
    notes: Sequence[Note]
    program: int | None = 0
    channels: Mapping[int, int] | None = None
    markers: Sequence[tuple[int, str]] = ()
    key: Key | None = None


def reply_track(
    score: Score,
    notes: Sequence[Note],
    melody: Track | None,
    markers: Sequence[tuple[int, str]] = (),
) -> NewTrack:
    """Return the `midi-diffuse` track: channels nothing in the file touches, the melody's own
    sound.

    A new lead gets a channel of its own, so that a unison with its accompaniment stays two notes.
    Where no channel is free the reply shares the melody's, whose sound stays as it is.
    """
    free, key = free_channels(score), _key_beside(score, notes, melody)
    if not free:
        shared = melody.channel if melody else 0
        both = {ACCOMPANIMENT: shared, LEAD: shared}
        return NewTrack(REPLY_NAME, notes, None, both, markers, key)
    return NewTrack(
        REPLY_NAME,
        notes,
        melody.program if melody else 0,
        {ACCOMPANIMENT: free[0], LEAD: free[1] if len(free) > 1 else free[0]},
        markers,
        key,
    )


def _key_beside(score: Score, notes: Sequence[Note], melody: Track | None) -> Key | None:
    """Return the key of melody and reply; None where the file says a key itself."""
    bodies = (body for name, body in score.chunks if name == b"MTrk")
    if any(e.status == META and e.kind == KEY_SIGNATURE for b in bodies for e in read_events(b)):
        return None
    return read_key(class_weights([*notes, *(score.notes_of(melody) if melody else ())]))


def part_tracks(score: Score, track: NewTrack) -> list[NewTrack]:
    """Return a reply track as one for each part of the band, each on a channel nothing else
    touches.

    Where the channels do not suffice the parts that are left share the last one. The first holds
    the markers.
    """
    parts = by_part(track.notes)
    free, shared = free_channels(score), sorted((track.channels or {ACCOMPANIMENT: 0}).values())[0]
    channels = [*free[: len(parts)], *[free[-1] if free else shared] * len(parts)]
    found = [
        replace(
            track,
            name=f"{track.name} {part}",
            notes=notes,
            channels=_one(channel),
            markers=(),
            key=None,
        )
        for (part, notes), channel in zip(parts.items(), channels, strict=False)
    ]
    if not found:
        return [track]
    return [replace(found[0], markers=track.markers, key=track.key), *found[1:]]


def _one(channel: int) -> dict[int, int]:
    """Return that channel, whatever the voice."""
    return {ACCOMPANIMENT: channel, LEAD: channel}


def free_channels(score: Score) -> list[int]:
    """Return the channels no event of the file touches, but for the drums'."""
    used = score.channels | {note.channel for track in score.tracks for note in track.notes}
    return [c for c in range(_CHANNELS) if c not in used and c != DRUM_CHANNEL]


def add_tracks(score: Score, tracks: Iterable[NewTrack]) -> bytes:
    """Return the file with `tracks` behind its own; a type-0 file becomes type 1."""
    chunks = [*score.chunks, *((b"MTrk", _encode(track, score)) for track in tracks)]
    return join(score.ticks_per_beat, chunks)


def put_notes(score: Score, part: Track, notes: Sequence[Note]) -> Score:
    """Return the score with `notes` on the track and channel of `part`; its chunks only, not its
    parts.

    At one tick: new offs, what was there, new ons, so that a note may end where another begins.
    """
    places = [place for place, (name, _) in enumerate(score.chunks) if name == b"MTrk"]
    chunks = list(score.chunks)
    name, body = chunks[places[part.chunk]]
    new = list(_note_events(list(notes), part.channel, score))
    offs = [(event.tick, 0, event) for event in new if event.status & 0xF0 == NOTE_OFF]
    ons = [(event.tick, 2, event) for event in new if event.status & 0xF0 == NOTE_ON]
    there = [(e.tick, 1, e) for e in read_events(body) if not _ends_track(e)]
    merged = sorted([*offs, *there, *ons], key=lambda placed: placed[:2])
    end = max((event.tick for event in read_events(body)), default=0)
    end = max([end, *(event.tick for event in new)])
    events = [event for _, _, event in merged]
    body = write_events([*events, Event(end, META, END_OF_TRACK, b"")])
    chunks[places[part.chunk]] = (name, body)
    return replace(score, chunks=tuple(chunks))


def _ends_track(event: Event) -> bool:
    return event.status == META and event.kind == END_OF_TRACK


def new_file(tracks: Iterable[NewTrack], bpm: float, meters: MeterMap, title: str = "") -> bytes:
    """Return a type-1 file: a first track with title, tempo and meter, then `tracks`; 480 ticks a
    beat.

    Markers of the tracks stand in the first one. Steps before 0 have no place in a file: raises
    MidiFileError.
    """
    tracks = list(tracks)
    blank = Score(NEW_FILE_TICKS_PER_BEAT, ())
    conductor = [text_event(0, TRACK_NAME, title)] if title else []
    conductor.append(Event(0, META, SET_TEMPO, round(MINUTE_US / bpm).to_bytes(3, "big")))
    for step, meter in meters.changes:
        clocks = bytes([meter.beats, meter.unit.bit_length() - 1, *_METRONOME])
        conductor.append(Event(blank.tick_at(step), META, TIME_SIGNATURE, clocks))
    conductor += [_key_signature(track.key) for track in tracks if track.key]
    conductor += [_marker(*marker, blank) for track in tracks for marker in track.markers]
    chunks = [(b"MTrk", track_body(conductor))]
    chunks += [(b"MTrk", _encode(replace(track, markers=(), key=None), blank)) for track in tracks]
    return join(blank.ticks_per_beat, chunks)


def without_notes(score: Score, parts: Sequence[Track], from_step: int, to_step: int) -> Score:
    """Return the score without the notes of `parts` that begin in [from_step, to_step).

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
    """Return one track chunk without the notes on `channels` that begin in the ticks [first,
    end)."""
    events = list(read_events(body))
    notes = [note for note in pair_notes(events) if note.channel in channels]
    gone = {note.on for note in notes if first <= note.onset_tick < end}
    # An onset that ended a note still does: an off in its place.
    ending = {note.cut_by: note for note in notes if note.cut_by in gone and note.on not in gone}
    gone |= {note.off for note in notes if note.on in gone and note.off is not None}
    return write_events(
        _off(event.tick, ending[place]) if place in ending else event
        for place, event in enumerate(events)
        if place in ending or place not in gone
    )


def _off(tick: int, note: Pairing) -> Event:
    return Event(tick, NOTE_OFF | note.channel, 0, bytes([note.pitch, 0]))


def _encode(track: NewTrack, score: Score) -> bytes:
    """Body of a track chunk with name, programs and notes."""
    channels = track.channels or {}
    events = [text_event(0, TRACK_NAME, track.name)]
    events += [_key_signature(track.key)] if track.key else []
    events += [_marker(*marker, score) for marker in track.markers]
    by_channel: dict[int, list[Note]] = {}
    for note in track.notes:
        by_channel.setdefault(channels.get(note.voice, 0), []).append(note)
    for channel, notes in sorted(by_channel.items()):
        if track.program is not None:
            events.append(Event(0, PROGRAM | channel, 0, bytes([track.program])))
        events += _note_events(notes, channel, score)
    return track_body(events)


def track_body(events: Iterable[Event]) -> bytes:
    """Return a track chunk's body of events in any order; at one tick first what is no note, then
    offs."""
    ordered = sorted(events, key=lambda event: (event.tick, _RANK.get(event.status & 0xF0, 0)))
    end = ordered[-1].tick if ordered else 0
    return write_events([*ordered, Event(end, META, END_OF_TRACK, b"")])


def text_event(tick: int, kind: int, text: str) -> Event:
    """Return a meta event of words, in UTF-8."""
    return Event(tick, META, kind, text.encode())


def _key_signature(key: Key) -> Event:
    return Event(0, META, KEY_SIGNATURE, struct.pack(">bB", key.sharps, key.minor))


def _marker(step: int, text: str, score: Score) -> Event:
    return text_event(max(score.tick_at(step), 0), MARKER, text)


def _note_events(notes: list[Note], channel: int, score: Score) -> Iterable[Event]:
    """Offs and ons; a note ends where the next of its pitch begins."""
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
            yield Event(onset, NOTE_ON | channel, 0, bytes([pitch, velocity]))
            yield Event(end, NOTE_OFF | channel, 0, bytes([pitch, 0]))


def join(ticks_per_beat: int, chunks: Sequence[Chunk]) -> bytes:
    """Return a type-1 file of these chunks."""
    tracks = sum(name == b"MTrk" for name, _ in chunks)
    out = [struct.pack(">4sLHHH", b"MThd", 6, 1, tracks, ticks_per_beat)]
    out += [struct.pack(">4sL", name, len(body)) + body for name, body in chunks]
    return b"".join(out)


def write(data: bytes, path: Path) -> None:
    """Replace the file `path`. Raises MidiFileError with one line when the disk says no."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as err:
        raise MidiFileError(f"{path}: cannot be written ({err.strerror or err})") from None
