"""What to ask the engine, what to take from its answers, and what is decided for good.

Knows nothing of MIDI, nor of time but to measure the engine. Steps are output steps: where the
reply sounds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bridge.live.listening.note_memory import RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.beat_tally import BeatTally, Origin
from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.request_window import Turn
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.music.chord_names import Chord
from engine.music.grid import ACCOMPANIMENT
from engine.music.heard_chords import heard_chords
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest

PATIENCE_NS = 4 * NS_PER_S
"""A request unanswered for so long (or four times the usual) is given up."""
MOST_ASKS = 16
"""Requests whose answers are still of use."""
DETOUR_NS = 100 * NS_PER_MS
"""The most that the way to the engine and back may add to the engine's own time."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request was made for, in output steps."""

    request: PlanRequest
    turn: Turn
    decided_step: int
    offset_steps: int
    asked_ns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A plan in output steps, notes in order. What it has before `committed_to` is too late.

    chords: (first step, chord) of each beat, as planned, or else as its notes sound.
    """

    id: int
    turn: Turn
    decided_step: int
    end_step: int
    notes: tuple[Note, ...]
    chords: tuple[tuple[int, Chord], ...] = ()

    def onsets(self, first_step: int, end_step: int) -> Sequence[Note]:
        """Notes that begin in [first_step, end_step)."""
        low = bisect_left(self.notes, first_step, key=lambda n: n.onset_step)
        return self.notes[low : bisect_left(self.notes, end_step, key=lambda n: n.onset_step)]

    def moved(self, by_steps: int, turn: Turn) -> Answer:
        """The same music elsewhere, for a turn that is all its own: it does not grow stale."""
        notes = (replace(n, onset_step=n.onset_step + by_steps) for n in self.notes)
        return Answer(
            self.id,
            turn,
            self.end_step + by_steps,
            self.end_step + by_steps,
            tuple(notes),
            tuple((step + by_steps, chord) for step, chord in self.chords),
        )


@dataclass(frozen=True, slots=True)
class Committed:
    """A note that will be played, in output steps, and its place in memory."""

    note: Note
    entry: RememberedNote


class PlanBook:
    """Requests out, answers in, onsets committed once. Owner: the transport thread.

    committed_to: every onset before this output step is decided for good.
    """

    def __init__(self) -> None:
        self.timing = EngineTiming()
        self.committed_to = 0
        self.in_force: Answer | None = None
        self.outstanding: Ask | None = None
        self._asks: dict[int, Ask] = {}
        self._last_id = 0

    def reset(self, to_step: int) -> None:
        """Forget plans and open requests: their answers will not be used. Go on at `to_step`."""
        self.committed_to = to_step
        self.in_force = None
        self._asks.clear()
        self.outstanding = None

    def rebase(self, by_steps: int, to_step: int) -> None:
        """The same place of a loop has another number now: plans and requests hold on."""
        self.committed_to = to_step
        if self.in_force is not None:
            plan = self.in_force
            self.in_force = replace(
                plan,
                decided_step=plan.decided_step + by_steps,
                end_step=plan.end_step + by_steps,
                notes=tuple(replace(n, onset_step=n.onset_step + by_steps) for n in plan.notes),
                chords=tuple((step + by_steps, chord) for step, chord in plan.chords),
            )
        for number, ask in self._asks.items():
            self._asks[number] = replace(
                ask,
                decided_step=ask.decided_step + by_steps,
                offset_steps=ask.offset_steps + by_steps,
            )

    def gave_up(self, now_ns: int, calls: int) -> bool:
        """Free the slot of a request that was never answered; True if it was."""
        patience = max(PATIENCE_NS, 4 * self.timing.p95_ns(calls))
        if self.outstanding is None or now_ns - self.outstanding.asked_ns < patience:
            return False
        self.outstanding = None
        return True

    def ask(
        self,
        now_ns: int,
        request: PlanRequest,
        turn: Turn,
        decided_step: int,
        offset_steps: int,
    ) -> PlanRequest:
        """Number a request and wait for its answer. Request step + offset = output step."""
        self._last_id += 1
        request = replace(request, id=self._last_id)
        ask = Ask(request, turn, decided_step, offset_steps, now_ns)
        self._asks[request.id] = ask
        if len(self._asks) > MOST_ASKS:
            del self._asks[next(iter(self._asks))]
        self.outstanding = ask
        return request

    def arrived(self, plan: Plan, now_ns: int) -> Answer | None:
        """The engine answered. None for an answer that is out of date or was not asked for."""
        ask = self._asks.get(plan.id)
        if self.outstanding is not None and plan.id >= self.outstanding.request.id:
            self.outstanding = None
        if ask is None:
            return None
        for old in [asked for asked in self._asks if asked <= plan.id]:
            del self._asks[old]
        detour = min(DETOUR_NS, max(0, now_ns - ask.asked_ns - plan.elapsed_ns))
        self.timing.measured(plan.elapsed_ns + detour, plan.calls)
        if self.in_force is not None and plan.id <= self.in_force.id:
            return None
        notes = [
            replace(note, onset_step=note.onset_step + ask.offset_steps)
            if ask.offset_steps
            else note
            for note in plan.notes
            if note.voice in ask.turn.voices
        ]
        self.in_force = Answer(
            plan.id,
            ask.turn,
            ask.decided_step,
            plan.end_step + ask.offset_steps,
            tuple(sorted(notes)),
            tuple((step + ask.offset_steps, chord) for step, chord in _chords(plan)),
        )
        return self.in_force

    def commit(
        self,
        to_step: int,
        turn: Turn | None,
        song: SongMemory,
        bars: BeatLines,
        beat_tally: BeatTally,
        replay: Callable[[int], bool] | None = None,
    ) -> list[Committed]:
        """Decide, for good, the onsets before `to_step`.

        From the plan in force; where it does not reach, from what we played here before. At beats
        for which `replay` (a frozen loop) is true, from the latter only.
        """
        shift = turn.shift_steps if turn else 0
        start, self.committed_to = self.committed_to, max(self.committed_to, to_step)
        found: list[Committed] = []
        while start < to_step:
            beat, stop = bars.beat(start), min(to_step, bars.next_beat(start))
            notes: Sequence[Note] = ()
            if turn is not None and _overlap(turn, start, stop):
                again = replay is not None and replay(beat)
                first = max(start, turn.start_step)
                last = stop if turn.end_step is None else min(stop, turn.end_step)
                notes, origin, decided = self._source(first, last, turn, song, again)
                beat_tally.covered(beat, origin, decided)
            song.reply.advance(stop - shift)
            found += [_remember(note, turn, song) for note in notes if turn is not None]
            start = stop
        return found

    def _source(
        self, start: int, stop: int, turn: Turn, song: SongMemory, replay: bool
    ) -> tuple[Sequence[Note], Origin, int]:
        """Notes that begin in [start, stop), where they come from, and when that was decided."""
        memory = _memory(start, stop, turn, song)
        if replay:
            return memory, Origin.PLAN, start
        plan = self.in_force
        if plan is not None and plan.turn.shift_steps == turn.shift_steps and stop <= plan.end_step:
            return plan.onsets(start, stop), Origin.PLAN, plan.decided_step
        return memory, Origin.MEMORY if memory else Origin.NOTHING, start


def _chords(plan: Plan) -> list[tuple[int, Chord]]:
    """The harmony plan, or, from a model without a planner, what the accompaniment makes."""
    if plan.chords:
        return [(cell.first_step, Chord(cell.classes, cell.bass)) for cell in plan.chords]
    notes = [note for note in plan.notes if note.voice == ACCOMPANIMENT]
    return heard_chords(notes, plan.first_step, plan.end_step)


def _overlap(turn: Turn, start: int, stop: int) -> bool:
    return turn.start_step < stop and (turn.end_step is None or start < turn.end_step)


def _memory(start: int, stop: int, turn: Turn, song: SongMemory) -> list[Note]:
    first = start - turn.shift_steps
    return [
        replace(note, onset_step=note.onset_step + turn.shift_steps)
        for note in song.reply.notes(first, stop - turn.shift_steps, stop)
        if note.onset_step >= first and note.voice in turn.voices
    ]


def _remember(note: Note, turn: Turn, song: SongMemory) -> Committed:
    if turn.end_step is not None and note.end_step > turn.end_step:
        note = replace(note, length_steps=turn.end_step - note.onset_step)
    onset = note.onset_step - turn.shift_steps
    entry = RememberedNote(onset, onset + note.length_steps, note.pitch, note.velocity, note.voice)
    return Committed(note, song.reply.add(entry))
