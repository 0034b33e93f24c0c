"""A live session without ports or engine: a manual clock, an engine of known speed, a recorder."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bridge.commands import (
    Command,
    Effect,
    MidiIn,
    OscOut,
    PlanArrived,
    RequestPlan,
    SendMidi,
    Tick,
    Value,
)
from bridge.live.session import Session
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest

MS = 1_000_000
S = 1000 * MS
CHORD = (48, 52, 55)
TUNE = 74


def chords(request: PlanRequest) -> tuple[Note, ...]:
    """What is known, and then on every beat a triad of quarter notes below a quarter note."""
    free_from = {LEAD: request.first_step, ACCOMPANIMENT: request.first_step}
    for span in request.known:
        free_from[span.voice] = max(free_from[span.voice], span.to_step)
    notes = list(request.notes)
    for step in range(-(-request.first_step // 24) * 24, request.end_step, STEPS_PER_BEAT):
        for pitch, voice in (*((p, ACCOMPANIMENT) for p in CHORD), (TUNE, LEAD)):
            if step >= free_from[voice]:
                notes.append(Note(step, pitch, STEPS_PER_BEAT, voice))
    return tuple(sorted(notes))


@dataclass
class Rig:
    """Steps a Session through time. `delay_ns` is the engine's time for request `id`, None = dead.

    sent: (when, due, bytes). requests: (when, request). effects: (when, effect).
    """

    session: Session
    delay_ns: Callable[[PlanRequest], int | None] = lambda request: 50 * MS
    answer: Callable[[PlanRequest], tuple[Note, ...]] = chords
    now_ns: int = 0
    effects: list[tuple[int, Effect]] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    _inbox: list[tuple[int, int, Command]] = field(default_factory=list)
    _serial: int = 0

    def add(self, commands: Iterable[Command]) -> Rig:
        """Commands for the times they carry."""
        for command in commands:
            self._serial += 1
            heapq.heappush(self._inbox, (command.at_ns, self._serial, command))
        return self

    def run(self, until_ns: int) -> Rig:
        """Let time pass as the player does: commands, a Tick, then wait for whichever is next."""
        while self.now_ns <= until_ns:
            while self._inbox and self._inbox[0][0] <= self.now_ns:
                self._step(heapq.heappop(self._inbox)[2])
            self._step(Tick(self.now_ns))
            wake_ns = self.session.wake_ns(self.now_ns)
            assert wake_ns is not None
            later = min([wake_ns, *(entry[0] for entry in self._inbox[:1])])
            self.now_ns = later if later > self.now_ns else self.now_ns + 1000
        return self

    def _step(self, command: Command) -> None:
        self.commands.append(command)
        for effect in self.session.step(command):
            self.effects.append((self.now_ns, effect))
            if isinstance(effect, RequestPlan):
                self._ask(effect.request)

    def _ask(self, request: PlanRequest) -> None:
        delay_ns = self.delay_ns(request)
        if delay_ns is None:
            return
        plan = Plan(
            request.id,
            request.first_step,
            request.end_step,
            self.answer(request),
            delay_ns,
            request.settings.steps,
        )
        self.add([PlanArrived(self.now_ns + delay_ns, plan)])

    @property
    def sent(self) -> list[tuple[int, int, tuple[int, ...]]]:
        return [(now, e.due_ns, e.data) for now, e in self.effects if isinstance(e, SendMidi)]

    @property
    def ons(self) -> list[tuple[float, int]]:
        """(due in s, pitch) of the note-ons."""
        return [(due / S, data[1]) for _, due, data in self.sent if data[0] & 0xF0 == 0x90]

    @property
    def offs(self) -> list[tuple[float, int]]:
        """(due in s, pitch) of the note-offs."""
        return [(due / S, data[1]) for _, due, data in self.sent if data[0] & 0xF0 == 0x80]

    @property
    def requests(self) -> list[tuple[float, PlanRequest]]:
        """(when in s, request)."""
        return [(now / S, e.request) for now, e in self.effects if isinstance(e, RequestPlan)]

    @property
    def stuck(self) -> dict[int, int]:
        """Pitches with more ons than offs (or fewer)."""
        count: Counter[int] = Counter()
        for _, _, data in self.sent:
            if data[0] & 0xF0 in (0x80, 0x90):
                count[data[1]] += 1 if data[0] & 0xF0 == 0x90 else -1
        return {pitch: n for pitch, n in count.items() if n}

    def osc(self, address: str) -> list[tuple[float, tuple[Value, ...]]]:
        """(when in s, arguments) of the messages to /diffuse/`address`."""
        return [
            (now / S, e.arguments)
            for now, e in self.effects
            if isinstance(e, OscOut) and e.address == f"/diffuse/{address}"
        ]

    @property
    def counts(self) -> dict[str, int]:
        """Beats by how they went, those that occurred."""
        counts = self.session.counts
        names = ("fresh", "stale", "rest", "late", "silent")
        return {name: getattr(counts, name) for name in names if getattr(counts, name)}


def rig(settings: Mapping[str, Value] | None = None, **more: object) -> Rig:
    """A Rig around a new Session."""
    return replace(Rig(Session(settings or {})), **more)  # type: ignore[arg-type]


def clock(beats: float, start_ns: int = 0, bpm: float = 120.0, start: bool = True) -> list[Command]:
    """MIDI clock for `beats` beats; the first pulse comes with Start and is step 0."""
    pulse_ns = 60 * S / bpm / STEPS_PER_BEAT
    pulses = [MidiIn(start_ns + round(i * pulse_ns), (0xF8,)) for i in range(round(beats * 24))]
    return [*([MidiIn(start_ns, (0xFA,))] if start else []), *pulses]


def play(pitch: int, at_ns: int, length_ns: int, velocity: int = 100) -> list[Command]:
    """One note on channel 1."""
    return [
        MidiIn(at_ns, (0x90, pitch, velocity)),
        MidiIn(at_ns + length_ns, (0x80, pitch, 0)),
    ]


def melody(beats: int, start_ns: int = 0, beat_ns: int = 500 * MS) -> list[Command]:
    """A scale in quarter notes."""
    scale = (72, 74, 76, 77, 79, 81, 83, 84)
    notes = (play(scale[i % 8], start_ns + i * beat_ns, beat_ns - 20 * MS) for i in range(beats))
    return [command for note in notes for command in note]
