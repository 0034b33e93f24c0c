"""Note events into the song: on which step a played note begins, and in which voice.

Knows nothing of MIDI bytes or of who plays the reply.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bridge.live.listening.note_gate import Change, NoteEvent
from bridge.live.listening.note_memory import RememberedNote, SongMemory
from bridge.live.listening.quantize import LEGATO_STEPS, quantize_end, quantize_onset
from bridge.midi_messages import ChannelPitch
from bridge.timebase import NS_PER_MS
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, STEPS_PER_BEAT, MeterMap

PREROLL_NS = 150 * NS_PER_MS
"""A DAW's notes lead its clock: those this long before Start belong to the first beat."""

_SETTLED_STEPS = STEPS_PER_BEAT // 2
"""A note that ended so long ago keeps its voice."""

_GRACE_STEPS = STEPS_PER_BEAT // 4
"""A note shorter than a sixteenth does not hide the longer one that begins with it."""
_RECENT = 24
"""Notes looked at when the lead is separated from the rest."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instant lies: fractional step with the input offset added, and what to snap to."""

    step: float
    grid: str
    meters: MeterMap
    bpm: float


@dataclass(slots=True, eq=False)
class _Playing:
    """An entry with what its quantised steps no longer say: when it came, when its key went up."""

    entry: RememberedNote
    on: NoteEvent
    raw_end: float | None = None


@dataclass(slots=True)
class _Early:
    """A note that came while the transport stood still."""

    on: NoteEvent
    off_ns: int | None = None


class InputRecorder:
    """Turns note events into song entries. Owner: the transport thread.

    split: `highest` (top note leads), `all-lead`, or `channel` (MIDI channel 1 leads).
    """

    def __init__(self, song: SongMemory) -> None:
        self.split = "highest"
        self.last_onset_step: int | None = None
        self._song = song
        self._open: dict[ChannelPitch, _Playing] = {}
        self._recent: deque[_Playing] = deque(maxlen=_RECENT)
        self._early: deque[_Early] = deque(maxlen=64)

    @property
    def sounding(self) -> bool:
        """Is an input note held now?"""
        return bool(self._open)

    def record(self, event: NoteEvent, place: Place) -> None:
        """Record one event while the transport plays."""
        key = (event.channel, event.pitch)
        if event.change is Change.ON:
            onset = quantize_onset(place.step, place.grid, place.meters, place.bpm)
            self._begin(key, onset, event)
        elif key in self._open:
            playing = self._open[key]
            if playing.raw_end is None:
                playing.raw_end = place.step
            if event.change is Change.OFF:
                self._finish(key, place)
        self._assign(round(place.step))

    def record_early(self, event: NoteEvent) -> None:
        """Keep one event that comes while the transport stands still."""
        if event.change is Change.ON:
            self._early.append(_Early(event))
            return
        for early in self._early:
            same = (early.on.channel, early.on.pitch) == (event.channel, event.pitch)
            if same and early.off_ns is None and event.change is Change.OFF:
                early.off_ns = event.at_ns

    def start(self, now_ns: int, place: Place) -> None:
        """Start at `place`: what came just before begins on its first step."""
        step = round(place.step)
        for early in self._early:
            if now_ns - early.on.at_ns <= PREROLL_NS:
                key = (early.on.channel, early.on.pitch)
                self._begin(key, step, early.on)
                if early.off_ns is not None:
                    seconds = (early.off_ns - early.on.at_ns) / 1e9
                    length = seconds * place.bpm / 60 * STEPS_PER_BEAT
                    self._finish(key, Place(step + length, place.grid, place.meters, place.bpm))
        self._early.clear()
        self._assign(step)

    def jump(self, from_step: float, to_step: int, start_ns: int | None = None) -> None:
        """Go from `from_step` to `to_step` (tell the song first).

        Held notes end where it left; those ahead of it belong to the new place, and so do, at a
        start, those that came just before it.
        """
        for key, playing in list(self._open.items()):
            entry = playing.entry
            early = start_ns is not None and start_ns - playing.on.at_ns <= PREROLL_NS
            if early or entry.onset_step >= from_step:
                self._song.input.remove(entry)
                entry.onset_step = to_step
                self._song.input.add(entry)
            else:
                entry.end_step = max(round(from_step), entry.onset_step + 1)
                del self._open[key]
        self._recent.clear()
        self._recent.extend(self._open.values())
        self.last_onset_step = to_step if self._open else None

    def stop(self, step: float, now_ns: int) -> list[ChannelPitch]:
        """Stop: held notes end. Returns those that do not: a DAW's loop is a Stop
        and a Continue, and what came just before them may be the first note of the next pass.
        """
        for playing in self._open.values():
            playing.entry.end_step = max(round(step), playing.entry.onset_step + 1)
        self._early.clear()
        for playing in self._recent:
            if now_ns - playing.on.at_ns <= PREROLL_NS:
                self._song.input.remove(playing.entry)
                self._early.append(_Early(playing.on))
        self._open.clear()
        self._recent.clear()
        return [(early.on.channel, early.on.pitch) for early in self._early]

    def refresh(self, now_step: int) -> None:
        """Separate the lead from the rest, as far as is known now."""
        self._assign(now_step)

    def reopen(self) -> None:
        """Put held notes back into a song that was just cleared."""
        for playing in self._open.values():
            self._song.input.add(playing.entry)

    def _begin(self, key: ChannelPitch, onset: int, on: NoteEvent) -> None:
        held = self._open.pop(key, None)
        if held is not None:
            held.entry.end_step = max(onset, held.entry.onset_step + 1)
        for other in self._recent:
            raw, entry = other.raw_end, other.entry
            if raw is not None and entry.onset_step < onset and abs(raw - onset) <= LEGATO_STEPS:
                entry.end_step = onset if entry.end_step is not None else None
        voice = LEAD
        if self.split == "channel" and key[0] != 0:
            voice = ACCOMPANIMENT
        entry = self._song.input.add(
            RememberedNote(onset, None, key[1], on.velocity, voice, key[0])
        )
        playing = _Playing(entry, on)
        self._open[key] = playing
        self._recent.append(playing)
        self.last_onset_step = onset

    def _finish(self, key: ChannelPitch, place: Place) -> None:
        playing = self._open.pop(key)
        entry = playing.entry
        if playing.raw_end is None:
            playing.raw_end = place.step
        later = [p.entry.onset_step for p in self._recent if p.entry.onset_step > entry.onset_step]
        entry.end_step = quantize_end(
            place.step,
            entry.onset_step,
            place.grid,
            place.meters,
            min(later, key=lambda onset: abs(onset - place.step), default=None),
        )

    def _assign(self, now_step: int) -> None:
        """Let top notes lead, but not one under higher ones for more than half its length."""
        if self.split != "highest":
            return
        spans = [(p.entry, _end(p, now_step)) for p in self._recent]
        for entry, end in spans:
            if end < now_step - _SETTLED_STEPS:
                continue
            above = [
                (max(other.onset_step, entry.onset_step), min(other_end, end))
                for other, other_end in spans
                if entry.pitch < other.pitch <= PIANO.high
            ]
            hidden = (
                entry.pitch > PIANO.high
                or self._ornaments(entry)
                or self._under_another(entry)
                or covered_steps(above) * 2 > end - entry.onset_step
            )
            entry.voice = ACCOMPANIMENT if hidden else LEAD

    def _under_another(self, entry: RememberedNote) -> bool:
        """Say whether it is the lower note of a chord; a grace note above it makes none."""
        return any(
            playing.entry.onset_step == entry.onset_step
            and entry.pitch < playing.entry.pitch <= PIANO.high
            and not self._ornaments(playing.entry)
            for playing in self._recent
        )

    def _ornaments(self, entry: RememberedNote) -> bool:
        """Say whether it is a grace note of a longer one that begins with it."""
        return _is_short(entry) and any(
            playing.entry.onset_step == entry.onset_step
            and playing.entry is not entry
            and playing.entry.pitch <= PIANO.high
            and not _is_short(playing.entry)
            for playing in self._recent
        )


def _is_short(entry: RememberedNote) -> bool:
    return entry.end_step is not None and entry.end_step - entry.onset_step < _GRACE_STEPS


def _end(playing: _Playing, now_step: int) -> int:
    """Return where the key went up: a pedal must not turn a melody into chords."""
    entry = playing.entry
    raw = now_step if playing.raw_end is None else round(playing.raw_end)
    return max(entry.onset_step + 1, min(raw, entry.end_at(now_step)))


def covered_steps(spans: list[tuple[int, int]]) -> int:
    """Return steps in the union of the spans [start, end); empty are those that end before they
    start."""
    total, reach = 0, -(10**9)
    for start, end in sorted(spans):
        total += max(0, end - max(start, reach))
        reach = max(reach, end)
    return total
