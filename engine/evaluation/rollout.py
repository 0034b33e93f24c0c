"""Causal rollout: held-out leads revealed beat by beat, answered as `live` answers them.

At each beat line the engine is asked for what follows it, a commit horizon ahead of time. It knows
the lead up to now and its own part, as it really played it, up to that line (live_window.py:
the rule the bridge plays by). The notes of one beat are taken from each answer, for good; the ends
of notes still sounding stay open. What an engine with no time to lose would play live.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

from engine.music.grid import ACCOMPANIMENT, STEPS_PER_BEAT, MeterMap
from engine.music.roll import Note
from engine.requests.live_window import Known, ahead_steps, end_under, known_cells, window_steps
from engine.requests.request import Plan, PlanRequest, SampleSettings


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How `live` is played: its parameters' defaults at 120 bpm. listen_bars: at least 1."""

    listen_bars: int = 1
    context_bars: int = 2
    memory_beats: int = 2
    bpm: float = 120.0


class FillsRequests(Protocol):
    """What answers: a Generator."""

    def plan(self, request: PlanRequest) -> Plan:
        """Return all notes of the request's window, the known ones too."""
        ...


@dataclass(frozen=True, slots=True)
class Performance:
    """Our part of one window.

    planned: notes that lay beyond what was committed when the next plan came, and within its
    reach. taken_back: those of them that the next plan did not have (pitch and onset).
    """

    notes: tuple[Note, ...]
    planned: int
    taken_back: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """One lead that will be played, from step 0 to `steps`, and how it is to be answered.

    lead: at least one note. meters: its bar lines.
    """

    lead: tuple[Note, ...]
    meters: MeterMap
    steps: int
    live: LiveSettings = field(default_factory=LiveSettings)
    settings: SampleSettings = field(default_factory=SampleSettings)

    def places(self, horizon_steps: int) -> list[int]:
        """Beat lines from which on we answer.

        Listens to whole bars first, counted from the bar line nearest to the first note. Before
        that note nobody plays to us; the first answer comes a horizon after it.
        """
        onset = min(note.onset_step for note in self.lead)
        lines = self.meters.bar_lines(0, self.steps)
        bar = bisect_right(lines, onset) - 1
        pickup = 2 * (onset - lines[bar]) >= lines[bar + 1] - lines[bar]
        bar = min(bar + pickup + self.live.listen_bars, len(lines) - 1)
        first = max(lines[bar], onset + horizon_steps)
        beats = (range(low, high, STEPS_PER_BEAT) for low, high in pairwise(lines))
        return [beat for bar_beats in beats for beat in bar_beats if first <= beat < self.steps]

    def request(self, place: int, horizon_steps: int, ours: Iterable[Note]) -> PlanRequest:
        """Return what `live` asks for the music from beat line `place` on; `ours` was played before
        it."""
        now = place - horizon_steps
        heard_from, *_ = self.meters.bar_lines(0, 1)
        known = Known(now, heard_from, ((heard_from, now),))
        low, high = self.meters.bar_lines(place, place + 1)
        ahead = ahead_steps(horizon_steps, self.live.bpm)
        first, end = window_steps(place, high - low, ahead, self.live.context_bars, heard_from)
        came_in, played = ([n for n in notes if n.end_step > first] for notes in (self.lead, ours))
        memory = self.live.memory_beats * STEPS_PER_BEAT
        notes, spans = known_cells(first, end, place, known, came_in, played, memory)
        settings = replace(self.settings, chords_from="melody")  # as the bridge asks in `live`
        return PlanRequest(0, first, end, tuple(notes), tuple(spans), self.meters, settings)

    def perform(self, planner: FillsRequests, horizon_steps: int) -> Performance:
        """Answer beat by beat, each plan knowing what came of those before it."""
        ours: list[Note] = []
        before: Plan | None = None
        planned = taken_back = 0
        for place, following in pairwise([*self.places(horizon_steps), self.steps]):
            plan = planner.plan(self.request(place, horizon_steps, ours))
            fresh = [n for n in plan.notes if n.voice == ACCOMPANIMENT and n.onset_step >= place]
            if before is not None:
                reach = min(before.end_step, plan.end_step)
                wanted = {(n.onset_step, n.pitch) for n in fresh}
                promised = _onsets(before, place, reach)
                planned += len(promised)
                taken_back += len(promised - wanted)
            ours = _reshaped(ours, plan, place, min((n.onset_step for n in fresh), default=None))
            ours += [note for note in fresh if note.onset_step < following]
            before = plan
        return Performance(tuple(sorted(ours)), planned, taken_back)


def _onsets(plan: Plan, first_step: int, end_step: int) -> set[tuple[int, int]]:
    """(onset, pitch) of our notes of a plan that begin in [first_step, end_step)."""
    return {
        (note.onset_step, note.pitch)
        for note in plan.notes
        if note.voice == ACCOMPANIMENT and first_step <= note.onset_step < end_step
    }


def _reshaped(ours: list[Note], plan: Plan, place: int, first_own: int | None) -> list[Note]:
    """Return our notes with the ends that a new plan, in force from `place` on, gives those under
    way."""
    theirs = {(n.onset_step, n.pitch): n.end_step for n in plan.notes if n.voice == ACCOMPANIMENT}
    shaped = []
    for note in ours:
        if note.end_step >= place:
            planned = theirs.get((note.onset_step, note.pitch))
            end = end_under(note.end_step, planned, first_own, place)
            note = replace(note, length_steps=end - note.onset_step)
        shaped.append(note)
    return shaped
