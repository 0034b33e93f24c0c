"""A score as a MIDI file has it: parts with exact ticks, tempo and meter, and the untouched chunks.

Knows nothing of bytes and files, nor of melodies or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from engine.music.grid import ACCOMPANIMENT, STEPS_PER_BEAT, Meter, MeterMap
from engine.music.roll import Note
from engine.scores.midi_events import Chunk

DRUM_CHANNEL = 9
MINUTE_US = 60_000_000
DEFAULT_TEMPO_US = 500_000
"""Microseconds a beat where a file has no tempo: 120 bpm."""


@dataclass(frozen=True, slots=True, order=True)
class TickNote:
    """One note as the file has it; `length_ticks` is at least 1, channels count from 0."""

    onset_tick: int
    pitch: int
    length_ticks: int
    channel: int
    velocity: int

    @property
    def end_tick(self) -> int:
        """The tick at which the note is over."""
        return self.onset_tick + self.length_ticks


@dataclass(frozen=True, slots=True)
class Track:
    """A part that holds notes: one channel of one track of the file.

    `chunk` is the place of its track in the file, from 0. A reply of ours is one part, whatever
    channels it has. `program` may stand in another track: programs belong to channels.
    """

    name: str
    channel: int
    program: int
    notes: tuple[TickNote, ...]
    chunk: int

    @property
    def is_drums(self) -> bool:
        """Channel 10: no pitches to harmonize."""
        return self.channel == DRUM_CHANNEL


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A MIDI file: parts with notes in exact ticks, tempo map, meter map, and its raw chunks.

    tempos: (tick, microseconds per beat); meters: (tick, Meter); both start at tick 0.
    chunks: (name, data) of all chunks after the header, in order, untouched.
    channels: all that some event touches, with notes or without.
    warnings: one line each of what was skipped. markers: (tick, text).
    """

    ticks_per_beat: int
    tracks: tuple[Track, ...]
    tempos: tuple[tuple[int, int], ...] = ((0, DEFAULT_TEMPO_US),)
    meters: tuple[tuple[int, Meter], ...] = ((0, Meter(4, 4)),)
    chunks: tuple[Chunk, ...] = ()
    channels: frozenset[int] = frozenset()
    warnings: tuple[str, ...] = ()
    markers: tuple[tuple[int, str], ...] = ()

    @property
    def pitched(self) -> tuple[Track, ...]:
        """Every part but the drums, in the order of the file: how `--melody-track` counts them."""
        return tuple(track for track in self.tracks if not track.is_drums)

    @property
    def end_step(self) -> int:
        """The absolute step at which the last pitched note is over; 0 if there is none."""
        ends = (note.end_step for track in self.pitched for note in self.notes_of(track))
        return max(ends, default=0)

    @property
    def bpm(self) -> float:
        """The tempo the file starts with."""
        return MINUTE_US / self.tempos[0][1]

    def step_at(self, tick: int) -> int:
        """Return the nearest step of 1/24 beat."""
        return (2 * tick * STEPS_PER_BEAT + self.ticks_per_beat) // (2 * self.ticks_per_beat)

    def tick_at(self, step: int) -> int:
        """Return the nearest tick; exact when the file has a multiple of 24 ticks per beat."""
        return (2 * step * self.ticks_per_beat + STEPS_PER_BEAT) // (2 * STEPS_PER_BEAT)

    def notes_of(self, track: Track, voice: int = ACCOMPANIMENT) -> list[Note]:
        """Return the part's notes on the grid, sorted; none is shorter than one step."""
        return sorted(
            Note(
                onset_step=(onset := self.step_at(note.onset_tick)),
                pitch=note.pitch,
                length_steps=max(self.step_at(note.end_tick) - onset, 1),
                voice=voice,
                velocity=note.velocity,
            )
            for note in track.notes
        )

    def meter_map(self) -> MeterMap:
        """Return bar lines in absolute steps. A repeated meter counts only where it moves a bar
        line."""
        changes = {self.step_at(tick): meter for tick, meter in self.meters}
        kept: list[tuple[int, Meter]] = []
        for step, meter in sorted(changes.items()):
            start, current = kept[-1] if kept else (0, None)
            if current != meter or (step - start) % meter.bar_steps:
                kept.append((step, meter))
        return MeterMap(tuple(kept))

    def seconds_at(self, tick: int) -> float:
        """Return when `tick` comes, by the tempo map."""
        microseconds = 0.0
        for (start, tempo), (end, _) in pairwise([*self.tempos, (tick, 0)]):
            if start < tick:
                microseconds += (min(end, tick) - start) * tempo / self.ticks_per_beat
        return microseconds / 1e6
