"""Requests to the engine, the plan in force, and how far onsets are decided for good.

Knows nothing of MIDI, nor of time but to measure the engine. Steps are output steps: where the
reply sounds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.request_window import Turn
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.music.chord_names import Chord
from engine.music.grid import ACCOMPANIMENT
from engine.music.heard_chords import heard_chords
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest

_PATIENCE_NS = 4 * NS_PER_S
"""A request unanswered for so long (or four times the usual) is given up."""
MOST_ASKS = 16
"""Requests whose answers are still of use."""
_DETOUR_NS = 100 * NS_PER_MS
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
        """Return notes that begin in [first_step, end_step)."""
        low = bisect_left(self.notes, first_step, key=lambda n: n.onset_step)
        return self.notes[low : bisect_left(self.notes, end_step, key=lambda n: n.onset_step)]

    def moved(self, by_steps: int, turn: Turn) -> Answer:
        """Return the same music elsewhere, for a turn that is all its own: it does not grow
        stale."""
        notes = (replace(n, onset_step=n.onset_step + by_steps) for n in self.notes)
        return Answer(
            self.id,
            turn,
            self.end_step + by_steps,
            self.end_step + by_steps,
            tuple(notes),
            tuple((step + by_steps, chord) for step, chord in self.chords),
        )


class PlanBook:
    """Requests out, answers in, onsets committed once. Owner: the transport thread.

    committed_to: every onset before this output step is decided for good. out_of_plans: the reply
    has gone beyond the last plan, and plays what `spare` gave. begun_at: the output step from
    which on plans are made, since a start or a jump. orphaned: the engine has gone since the plan
    in force was made, and none has come from another.
    """

    def __init__(self, timing: EngineTiming) -> None:
        """Begin empty. timing: of the engine that is asked; each answer is measured."""
        self.committed_to = self.begun_at = 0
        self.out_of_plans = self.orphaned = False
        self.in_force: Answer | None = None
        self.outstanding: Ask | None = None
        self._timing = timing
        self._asks: dict[int, Ask] = {}
        self._last_id = 0

    def reset(self, to_step: int) -> None:
        """Forget plans and open requests: their answers will not be used. Go on at `to_step`."""
        self.committed_to = self.begun_at = to_step
        self.in_force = None
        self._asks.clear()
        self.outstanding = None

    def rebase(self, by_steps: int, to_step: int) -> None:
        """Renumber: the same place of a loop is `by_steps` on; plans and requests hold."""
        self.committed_to = to_step
        self.begun_at += by_steps
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
        patience = max(_PATIENCE_NS, 4 * self._timing.p95_ns(calls))
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
        """Give a request its number and await its answer. Request step + offset = output step."""
        self._last_id += 1
        request = replace(request, id=self._last_id)
        ask = Ask(request, turn, decided_step, offset_steps, now_ns)
        self._asks[request.id] = ask
        if len(self._asks) > MOST_ASKS:
            del self._asks[next(iter(self._asks))]
        self.outstanding = ask
        return request

    def arrived(self, plan: Plan, now_ns: int) -> Answer | None:
        """Take the engine's answer. None for one that is out of date or was not asked for."""
        ask = self._asks.get(plan.id)
        if self.outstanding is not None and plan.id >= self.outstanding.request.id:
            self.outstanding = None
        if ask is None:
            return None
        for old in [asked for asked in self._asks if asked <= plan.id]:
            del self._asks[old]
        detour = min(_DETOUR_NS, max(0, now_ns - ask.asked_ns - plan.elapsed_ns))
        self._timing.measured(plan.elapsed_ns + detour, plan.calls)
        if self.in_force is not None and plan.id <= self.in_force.id:
            return None
        notes = [
            replace(note, onset_step=note.onset_step + ask.offset_steps)
            if ask.offset_steps
            else note
            for note in plan.notes
            if note.voice in ask.turn.voices
        ]
        self.out_of_plans = self.orphaned = False
        self.in_force = Answer(
            plan.id,
            ask.turn,
            ask.decided_step,
            plan.end_step + ask.offset_steps,
            tuple(sorted(notes)),
            tuple((step + ask.offset_steps, chord) for step, chord in _chords(plan)),
        )
        return self.in_force

    def commit(self, to_step: int) -> int:
        """Decide every onset before `to_step` for good; return the step where that begins."""
        start, self.committed_to = self.committed_to, max(self.committed_to, to_step)
        return start

    def planned(self, stop: int, turn: Turn) -> Answer | None:
        """Return the plan in force, if it reaches to `stop` and was made for such a turn."""
        plan = self.in_force
        if plan is None or stop > plan.end_step or plan.turn.shift_steps != turn.shift_steps:
            return None
        return plan


def _chords(plan: Plan) -> list[tuple[int, Chord]]:
    """Return the harmony plan, or, from a model without a planner, what the accompaniment makes."""
    if plan.chords:
        return [(cell.first_step, Chord(cell.classes, cell.bass)) for cell in plan.chords]
    notes = [note for note in plan.notes if note.voice == ACCOMPANIMENT]
    return heard_chords(notes, plan.first_step, plan.end_step)
