"""When to ask the engine, for what, and what to make of its answer.

Knows nothing of MIDI or of sending. Owner: the transport thread.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace

from bridge.commands import Effect, LogLine, OscOut
from bridge.live.clock.time_map import steps_in
from bridge.live.listening.note_memory import LoopRegion, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.given_chords import GivenChords
from bridge.live.planning.last_resort import repeated
from bridge.live.planning.plan_book import Answer, PlanBook
from bridge.live.planning.policies import Policy, Scene, Triggered
from bridge.live.planning.request_window import Turn, ahead_steps, plan_request, task_request
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS
from engine.music.chord_names import Chord
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT
from engine.music.keys import Key
from engine.music.roll import Note
from engine.requests.request import ChordCell, Plan, PlanRequest, SampleSettings

_SIXTEENTH = STEPS_PER_BEAT // 4
_COMMIT_LEAD_STEPS = 1.5
"""How long before its step a note is taken from the plan, where nothing is played early."""
_PLANNED_WITHIN_STEPS = 4 * STEPS_PER_BEAT
"""So soon after a jump there is a plan, where the engine is well."""
NEVER = 1 << 60
_UNKNOWN_LEAD_STEPS = 4 * STEPS_PER_BEAT


class Replanner:
    """One decision for every beat, as late as the engine's pace allows.

    target: the beat line the next decision is for. horizon_steps: how long before it is made.
    given: chords the musician gave. heard_key: the key that was read, for `key` `auto`.
    last_trigger: the steps asked for by the last trigger.
    """

    def __init__(
        self,
        knobs: Knobs,
        song: SongMemory,
        bars: BeatLines,
        plan_book: PlanBook,
        timing: EngineTiming,
    ) -> None:
        self.engine_up = True
        self.target = NEVER
        self.horizon_steps = _SIXTEENTH
        self.calls = knobs.integer("steps")
        self.given = GivenChords()
        self.heard_key: Key | None = None
        self._held: Chord | None = None
        self.last_trigger: tuple[int, int] | None = None
        self._came: tuple[Answer, int, int, int] | None = None
        self._knobs, self._song, self._bars = knobs, song, bars
        self._plan_book, self._timing = plan_book, timing
        self._at_once = False
        self._wanted = False
        self._said_out_of_plans = False
        self._triggers: dict[int, tuple[int, int, int | None, int]] = {}

    @property
    def next_step(self) -> float:
        """Where the next decision is due."""
        return float("-inf") if self._at_once else self.target - self.horizon_steps

    def aim(self, step: int, policy: Policy, bpm: float) -> None:
        """Decide from the next beat line after `step` on, where the song is now."""
        self.fit_to_engine(bpm)
        self.target = NEVER if isinstance(policy, Triggered) else self._bars.next_beat(step)

    def rest(self) -> None:
        """Decide nothing: the song stands still."""
        self.target, self._at_once = NEVER, False

    def hurry(self) -> None:
        """Decide as soon as possible, not only for the next beat line."""
        self._at_once = self.target != NEVER

    def forget(self, to_step: int) -> None:
        """Forget plans and requests: they are for elsewhere."""
        self._plan_book.reset(to_step)
        self._triggers.clear()
        self._at_once = self._wanted = False

    def fit_to_engine(self, bpm: float) -> None:
        """Fit the number of sampler calls and the horizon to what was measured."""
        self.calls = self._timing.calls_within(self._knobs.integer("steps"), bpm)
        self.horizon_steps = self._timing.horizon_steps(
            self.calls, bpm, self.commit_lead_steps(bpm)
        )

    def commit_lead_steps(self, bpm: float) -> float:
        """Return how long before its step a note is taken from the plan at the latest.

        What is played early is taken so much earlier.
        """
        early_ns = max(0.0, -self._knobs.number("output_offset_ms")) * NS_PER_MS
        return _COMMIT_LEAD_STEPS + steps_in(early_ns, bpm)

    def engine(self, state: str, plan_ns: int = 0, calls: int = 0) -> None:
        """Take the engine's state: `ready`, `starting`, `down`, or one failed request (`error`).

        `loading` changes nothing: the one that serves is asked until another is ready.
        plan_ns, calls: as in EngineState.
        """
        if state == "loading":
            return
        self._plan_book.outstanding = None
        if state == "error":
            return
        self._plan_book.orphaned |= state == "down"
        if state == "starting" or (state == "ready" and self.engine_up):
            self._timing.forget()
        if state == "ready":
            self._timing.expect(plan_ns, calls)
            self.hurry()
        self.engine_up = state == "ready"

    def decide(
        self,
        now_ns: int,
        position: float,
        bpm: float,
        policy: Policy,
        scene: Scene,
        replays: Callable[[int], bool],
    ) -> int | None:
        """Make the decision that is due: the step from which on a plan is wanted, or None.

        Everything before it is then to be committed, and `ask` called.
        """
        self.fit_to_engine(bpm)
        soonest = -int(-(position + self.horizon_steps - 1) // _SIXTEENTH) * _SIXTEENTH
        horizon = soonest if self._at_once else max(soonest, self.target)
        horizon = max(horizon, self._plan_book.committed_to)
        self._at_once = self._wanted = False
        self.target = self._bars.next_beat(max(horizon, math.floor(position) + self.horizon_steps))
        self._plan_book.gave_up(now_ns, self.calls)
        if self._plan_book.outstanding is not None:
            # Asked when it has answered; until then the older plan goes on.
            self._wanted = True
            return None
        policy.consider(math.floor(position), horizon, scene)
        turn = policy.turn
        if turn is None or not self.engine_up or horizon < turn.start_step - self._lead_steps:
            return None
        over = turn.end_step is not None and horizon >= turn.end_step
        return None if over or replays(horizon) else horizon

    @property
    def _lead_steps(self) -> int:
        """How long before its turn the first plan is asked for; an unknown engine may be slow."""
        return STEPS_PER_BEAT if self._timing.known else _UNKNOWN_LEAD_STEPS

    def ask(
        self, now_ns: int, position: float, bpm: float, horizon: int, policy: Policy
    ) -> PlanRequest:
        """Make the request for what follows `horizon`."""
        turn = policy.turn
        assert turn is not None
        now_step = math.floor(position)
        known = policy.known(now_step, horizon)
        request = plan_request(
            horizon - turn.shift_steps,
            ahead_steps(horizon - now_step, bpm),
            self._knobs.integer("context_bars"),
            self._knobs.integer("memory_beats"),
            known,
            self._song,
            self._bars,
            self._settings(self.calls),
        )
        request = self._with_chords(request, known.base_steps, policy.region)
        offset = turn.shift_steps + known.base_steps
        request = self._with_held(request, horizon - offset)
        return self._plan_book.ask(now_ns, request, turn, now_step, offset)

    def hold(self, chord: Chord | None) -> None:
        """Keep the reply to this chord from the next plan on; None: to none."""
        if chord != self._held:
            self._held = chord
            self.hurry()

    def _settings(self, calls: int) -> SampleSettings:
        """Return what the knobs say; a held chord wins over a key, and one set over both."""
        settings = self._knobs.sample_settings(calls, self.heard_key)
        if self._held is None or self._knobs.text("chord"):
            return settings
        return replace(settings, pitch_classes=self._held.classes)

    def _with_held(self, request: PlanRequest, from_step: int) -> PlanRequest:
        """Add the chord that is held, from a step of the request on."""
        if self._held is None:
            return request
        cell = ChordCell(from_step, request.end_step, self._held.classes, self._held.bass)
        return replace(request, chords=(*request.chords, cell))

    def _with_chords(
        self, request: PlanRequest, base_steps: int, region: LoopRegion | None
    ) -> PlanRequest:
        """Add the chords given for its bars; request step + base = song step."""
        first, end = request.first_step + base_steps, request.end_step + base_steps
        cells = self.given.cells(first, end, self._bars, region)
        if not cells:
            return request
        moved = (
            replace(
                cell,
                first_step=cell.first_step - base_steps,
                end_step=cell.end_step - base_steps,
            )
            for cell in cells
        )
        return replace(request, chords=tuple(moved))

    def spare(self, first: int, stop: int, turn: Turn) -> list[Note]:
        """Return what a reply plays between two steps that no plan reaches."""
        if self._plan_book.in_force is None and not self._overdue(first, turn):
            return []
        settings = self._settings(1)
        return repeated(first, stop, turn, self._song, self._bars, settings)

    def _overdue(self, step: int, turn: Turn) -> bool:
        """Say whether there would be a plan by now, were all well: not right after a jump."""
        since = max(self._plan_book.begun_at, turn.start_step)
        return not self.engine_up or step >= since + _PLANNED_WITHIN_STEPS

    def say_out_of_plans(self) -> list[Effect]:
        """Say that the reply has run out of plans: once, until there is one again."""
        said, self._said_out_of_plans = self._said_out_of_plans, self._plan_book.out_of_plans
        if said or not self._plan_book.out_of_plans:
            return []
        text = "no plan in time: the last bars are played again"
        return [OscOut("/diffuse/out/error", ("engine", text)), LogLine(logging.WARNING, text)]

    def trigger(self, now_ns: int, from_step: int, to_step: int, given: int | None) -> PlanRequest:
        """Make the request for the task of `mode` over [from_step, to_step)."""
        mode = self._knobs.text("mode")
        quarter = (to_step - from_step) // 4 // _SIXTEENTH * _SIXTEENTH
        request = task_request(
            from_step,
            to_step,
            (from_step + quarter, to_step - quarter) if mode == "infill" else None,
            mode != "generate",
            self._song,
            self._bars,
            self._settings(self._knobs.integer("steps")),
        )
        request = self._with_held(self._with_chords(request, 0, None), from_step)
        turn = Turn(from_step, to_step, 0, (LEAD, ACCOMPANIMENT))
        request = self._plan_book.ask(now_ns, request, turn, from_step, 0)
        self.last_trigger = from_step, to_step
        self._triggers = {request.id: (from_step, to_step, given, request.settings.seed)}
        return request

    def arrived(
        self, plan: Plan, now_ns: int, position: float, bpm: float, policy: Policy
    ) -> tuple[Answer, int] | None:
        """Take the engine's answer: the plan now in force and its id for reports, if of use."""
        answer = self._plan_book.arrived(plan, now_ns)
        # The next decision goes by what this plan took, not only the one after it: where the engine
        # is slower than its warm-up was, the second plan of a song would come too late.
        self.fit_to_engine(bpm)
        if self._wanted:
            self.hurry()
        if answer is None or plan.id not in self._triggers:
            return None if answer is None else (answer, plan.id)
        from_step, to_step, given, seed = self._triggers.pop(plan.id)
        self._came = answer, from_step, to_step, seed
        answer = self.place(answer, from_step, to_step, position, policy)
        return answer, plan.id if given is None else given

    def take_came(self) -> tuple[Answer, int, int, int] | None:
        """Return the answer to a trigger that came since the last call, the steps asked for, its
        seed."""
        came, self._came = self._came, None
        return came

    def place(
        self, answer: Answer, from_step: int, to_step: int, position: float, policy: Policy
    ) -> Answer:
        """Put an answer for [from_step, to_step) in force, from the next bar line on."""
        first = self._bars.bar_line(max(self._plan_book.committed_to, math.ceil(position) + 1))
        policy.turn = Turn(first, first + to_step - from_step, 0, (LEAD, ACCOMPANIMENT))
        answer = answer.moved(first - from_step, policy.turn)
        self._plan_book.in_force = answer
        return answer
