"""Standard MIDI files in: scores, with the file's untouched chunks.

The chunks are kept so that `engine.scores.midi_write` can give back the input's own tracks byte for
byte. Knows nothing of melodies or models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from engine.bounded_file import read_bounded
from engine.music.grid import GridError, Meter
from engine.scores.midi_events import (
    MARKER,
    META,
    PROGRAM,
    SET_TEMPO,
    SYSEX,
    TIME_SIGNATURE,
    TRACK_NAME,
    Event,
    pair_notes,
    read_events,
    split_chunks,
)
from engine.scores.midi_events import MidiFileError as MidiFileError
from engine.scores.parts import is_reply
from engine.scores.score import (
    DEFAULT_TEMPO_US,
    DRUM_CHANNEL,
    MINUTE_US,
    Score,
    TickNote,
    Track,
)
from engine.scores.stray_offs import hung_onsets, stray_offs

_SLOWEST_BPM, _FASTEST_BPM = 5.0, 1000.0
LONGEST_BEATS = 20_000
_LONGEST_SECONDS = 4 * 3600.0
LARGEST_FILE_BYTES = 16_000_000
MOST_EVENTS = 1_000_000
"""An event may be three bytes in the file; it is up to 360 while it is read."""


def read(path: Path) -> Score:
    """Read a MIDI file of type 0 or 1. Raises MidiFileError with one line that names the file."""
    try:
        if path.is_dir():
            raise MidiFileError("is a folder, not a MIDI file")
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise MidiFileError(f"is larger than {LARGEST_FILE_BYTES // 1_000_000} MB")
        return parse(read_bounded(path, LARGEST_FILE_BYTES))
    except FileNotFoundError:
        raise MidiFileError(f"{path}: no such file") from None
    except OSError as err:
        raise MidiFileError(f"{path}: cannot be read ({err.strerror or err})") from None
    except MidiFileError as err:
        raise MidiFileError(f"{path}: {err}") from None


def parse(data: bytes) -> Score:
    """Read the bytes of a MIDI file. Raises MidiFileError (without a file name)."""
    _, ticks_per_beat, chunks = split_chunks(data)
    tempos: dict[int, int] = {}
    meters: dict[int, Meter] = {}
    tracks: list[Track] = []
    programs: dict[int, tuple[int, int]] = {}
    channels: set[int] = set()
    warnings: list[str] = []
    markers: list[tuple[int, str]] = []
    bodies = [body for name, body in chunks if name == b"MTrk"]
    hung: dict[int, set[tuple[int, int, int]]] = {}
    for index, events in enumerate(_events(bodies)):
        warnings += _read_maps(events, ticks_per_beat, tempos, meters)
        markers += _markers(events)
        own = _programs(events)
        for channel, change in own.items():
            programs[channel] = min(programs.get(channel, change), change)
        channels.update(event.status & 0x0F for event in events if event.status < SYSEX)
        parts = list(_parts(events, index, own))
        if any(note.end_tick == events[-1].tick for part in parts for note in part.notes):
            hung[index] = hung_onsets(events)
        tracks += parts
    if not tracks:
        raise MidiFileError("holds no notes")
    if any(hung.values()) and len(bodies) > 1:
        offs = stray_offs(_events(bodies))
        tracks = [_ended(track, hung.get(track.chunk, set()), offs) for track in tracks]
    score = Score(
        ticks_per_beat,
        tuple(_with_program(track, programs) for track in tracks),
        tuple(sorted({0: DEFAULT_TEMPO_US, **tempos}.items())),
        tuple(sorted({0: Meter(4, 4), **meters}.items())),
        chunks,
        frozenset(channels),
        tuple(warnings),
        tuple(sorted(markers)),
    )
    _check_length(score)
    return score


def _events(bodies: Sequence[bytes]) -> Iterator[list[Event]]:
    """Yield the events of each track; MidiFileError when one is damaged or they are too many in
    all."""
    room = MOST_EVENTS
    for index, body in enumerate(bodies):
        try:
            events = list(islice(read_events(body), room + 1))
        except MidiFileError as err:
            raise MidiFileError(f"is damaged: track {index + 1} of {len(bodies)} {err}") from None
        room -= len(events)
        if room < 0:
            raise MidiFileError(f"holds more than {MOST_EVENTS:,} events, in {len(bodies)} tracks")
        yield events


def _read_maps(
    events: list[Event], ticks_per_beat: int, tempos: dict[int, int], meters: dict[int, Meter]
) -> list[str]:
    """Collect tempo and meter; returns what to tell of meters there are not.

    Raises MidiFileError on absurd tempi: they would move all that follows.
    """
    absurd: list[str] = []
    for event in events:
        where = f"at beat {event.tick / ticks_per_beat + 1:g}"
        if event.status != META:
            continue
        if event.kind == SET_TEMPO and len(event.data) >= 3:
            tempo = int.from_bytes(event.data[:3], "big")
            bpm = MINUTE_US / tempo if tempo else float("inf")
            if not _SLOWEST_BPM <= bpm <= _FASTEST_BPM:
                wanted = f"want {_SLOWEST_BPM:g} to {_FASTEST_BPM:g}"
                raise MidiFileError(f"has an absurd tempo of {bpm:.6g} bpm {where}; {wanted}")
            tempos[event.tick] = tempo
        elif event.kind == TIME_SIGNATURE and len(event.data) >= 2:
            try:
                meters[event.tick] = Meter(event.data[0], 2 ** min(event.data[1], 10))
            except GridError:
                unit = 2 ** event.data[1] if event.data[1] < 10 else f"2^{event.data[1]}"
                absurd.append(f"an absurd meter of {event.data[0]}/{unit} {where}")
    if not absurd:
        return []
    more = f", and {len(absurd) - 1} more" if len(absurd) > 1 else ""
    return [f"{absurd[0]} is skipped{more}"]


def _markers(events: list[Event]) -> list[tuple[int, str]]:
    """(tick, text) of each marker."""
    return [
        (event.tick, _decode(event.data).strip())
        for event in events
        if event.status == META and event.kind == MARKER
    ]


def _programs(events: list[Event]) -> dict[int, tuple[int, int]]:
    """(tick, program) that comes first on each channel."""
    programs: dict[int, tuple[int, int]] = {}
    for event in events:
        if event.status & 0xF0 == PROGRAM:
            programs.setdefault(event.status & 0x0F, (event.tick, event.data[0] & 0x7F))
    return programs


def _with_program(track: Track, programs: dict[int, tuple[int, int]]) -> Track:
    """Return the part with its channel's program, where its own track has none."""
    if track.program >= 0:
        return track
    return replace(track, program=programs.get(track.channel, (0, 0))[1])


def _parts(
    events: list[Event], chunk: int, programs: dict[int, tuple[int, int]]
) -> Iterator[Track]:
    """Yield the track's notes as parts, one a channel; program -1 where `programs` has none."""
    names = [e.data for e in events if e.status == META and e.kind == TRACK_NAME]
    name = _decode(names[0]) if names else ""
    parts: dict[int, list[TickNote]] = {}
    for note in _notes(events):
        drums = note.channel == DRUM_CHANNEL
        parts.setdefault(-1 if is_reply(name) and not drums else note.channel, []).append(note)
    for _, notes in sorted(parts.items()):
        channel = notes[0].channel
        program = programs.get(channel, (0, -1))[1]
        yield Track(name, channel, program, tuple(notes), chunk)


def _notes(events: list[Event]) -> list[TickNote]:
    """Return the notes, sorted. Two onsets on one tick (a unison written twice) are one note, the
    longer.

    See `engine.scores.midi_events.pair_notes` for what ends a note.
    """
    found: dict[tuple[int, int, int], TickNote] = {}
    for note in pair_notes(events):
        length = max(note.end_tick - note.onset_tick, 1)
        key = (note.channel, note.pitch, note.onset_tick)
        if key not in found or found[key].length_ticks < length:
            found[key] = TickNote(note.onset_tick, note.pitch, length, note.channel, note.velocity)
    return sorted(found.values())


def _ended(
    track: Track, hung: set[tuple[int, int, int]], offs: dict[tuple[int, int], list[int]]
) -> Track:
    """Return the track, its hung notes ended by the next off that another track has for their
    key."""
    notes = list(track.notes)
    for place, note in enumerate(notes):
        if (note.channel, note.pitch, note.onset_tick) in hung:
            later = (t for t in offs.get((note.channel, note.pitch), ()) if t > note.onset_tick)
            end = min(next(later, note.end_tick), note.end_tick)
            notes[place] = replace(note, length_ticks=end - note.onset_tick)
    return replace(track, notes=tuple(notes))


def _decode(name: bytes) -> str:
    """Most programs write UTF-8, old ones Latin-1; what a terminal cannot show is dropped."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        text = name.decode("latin-1")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _check_length(score: Score) -> None:
    last = max(note.end_tick for track in score.tracks for note in track.notes)
    beats, seconds = last / score.ticks_per_beat, score.seconds_at(last)
    if beats > LONGEST_BEATS or seconds > _LONGEST_SECONDS:
        raise MidiFileError(
            f"is absurdly long: {beats:,.0f} beats, {seconds / 3600:.1f} hours; "
            f"want at most {LONGEST_BEATS:,} beats and {_LONGEST_SECONDS / 3600:g} hours"
        )
