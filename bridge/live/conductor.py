"""The musical state of the live session: song position in, notes and requests out.

Knows nothing of OSC arguments, parameters' names in answers, or ports. Owner: transport thread.
"""

from __future__ import annotations

import logging
import math

from bridge.commands import Effect, LogLine, OscOut, RequestPlan
from bridge.live.clock.link_transport import LinkTransport
from bridge.live.clock.transport import TransportEvent, TransportState
from bridge.live.listening.input_recorder import PREROLL_NS, InputRecorder, Place
from bridge.live.listening.note_gate import Change, NoteEvent, NoteGate
from bridge.live.listening.note_memory import SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.choose_policy import make_policy
from bridge.live.planning.plan_book import Answer
from bridge.live.planning.policies import Accompany, Policy, Scene
from bridge.live.planning.replanner import Replanner
from bridge.live.planning.request_window import Turn
from bridge.live.playing.delivery import Delivery
from bridge.live.playing.performer import LATE_NS, Performer, steps_in
from bridge.live.telling import Teller
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS
from engine.music.grid import STEPS_PER_BEAT
from engine.requests.request import Plan

SIXTEENTH = STEPS_PER_BEAT // 4
COMMIT_LEAD = 1.5
"""Steps before its time at which a note is taken from the plan at the latest."""
LOOK_NS = 100 * NS_PER_MS
"""Wake at least this often: clocks stop coming without saying so."""
_HAIR = 1e-6
"""Steps (20 ns): a wake-up at the very instant of a beat must find it reached."""


class Conductor:
    """Listens, asks, commits, plays and counts."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.transport = LinkTransport(knobs.number("tempo"), knobs.meter, knobs.text("clock"))
        self.song = SongMemory()
        self.gate = NoteGate()
        self.recorder = InputRecorder(self.song)
        self.performer = Performer(self.gate.sent)
        self.bars = BeatLines(self.transport.meters)
        self.replanner = Replanner(knobs, self.song, self.bars)
        self.delivery = Delivery(knobs, self.song, self.bars, self.performer)
        self.teller = Teller(self.song, self.bars)
        self.policy: Policy = make_policy(knobs)
        self.fresh_start = True
        self.position = 0.0
        self._begun = False
        self._began_itself_ns = -PREROLL_NS - 1
        self._silent_since: int | None = None
        self._halted: tuple[int, Answer | None] | None = None  # when, and the plan in force then

    # -- What comes in -----------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """Does the song position move?"""
        return self.transport.state is TransportState.PLAYING

    def follow(self, events: list[TransportEvent], now_ns: int) -> list[Effect]:
        """What a call to the transport brought about."""
        effects: list[Effect] = []
        for event in events:
            jumped = event is TransportEvent.JUMPED and self.playing
            if jumped or event is TransportEvent.STARTED:
                effects += self._go(now_ns, self.fresh_start)
                self.fresh_start = False
            elif event is TransportEvent.STOPPED:
                effects += self._halt(now_ns)
            elif event is TransportEvent.REANCHORED:
                self._reanchor()
            elif event is TransportEvent.FREEWHEEL:
                text = (
                    f"{self._clock_name} stopped coming; going on at {self.transport.bpm:.1f} bpm"
                )
                effects.append(LogLine(logging.WARNING, text))
            elif event is TransportEvent.CLOCK_BACK:
                effects.append(LogLine(logging.INFO, f"{self._clock_name} is back"))
        return effects

    def note(self, event: NoteEvent) -> list[Effect]:
        """A note of the player's began or ended."""
        if not self.playing:
            self.recorder.record_early(event)
            self.teller.early(event)
            if event.change is Change.ON and self.transport.may_start_on_note(event.at_ns):
                self.fresh_start = True
                pickup = self.knobs.number("pickup_beats")
                effects = self.follow(
                    self.transport.start_internal(event.at_ns, pickup), event.at_ns
                )
                self._began_itself_ns = event.at_ns
                return effects
            return []
        place = self._place(event.at_ns, self.knobs.number("input_offset_ms"))
        self.recorder.record(event, place)
        if event.change is Change.ON:
            self._heard()
        held = self.recorder.sounding
        self._silent_since = None if held else math.floor(self.position)
        return self.teller.played(event, place.step)

    def plan(self, plan: Plan, now_ns: int) -> list[Effect]:
        """The engine answered."""
        found = self.replanner.arrived(plan, now_ns, self.position, self.policy)
        if found is None or not self.playing:
            return []
        answer, name = found
        first = max(self.replanner.plan_book.committed_to, answer.turn.start_step)
        self.performer.reshape(answer, first)
        notes = sum(note.onset_step >= first for note in answer.notes)
        head = OscOut("/diffuse/out/plan", (name, first / STEPS_PER_BEAT, notes))
        return [head, *self.teller.plan(name, answer, first)]

    def switch(self, now_ns: int) -> list[Effect]:
        """`mode`, `reply` or the loop changed: every note off, and go on in the new way."""
        effects = self._catch_up(now_ns) + self.performer.silence(now_ns)
        before, self.policy = self.policy.region, make_policy(self.knobs)
        self.delivery.frozen = False
        self._forget_plans()
        self._begun = self.playing
        if not self.playing:
            return effects
        step, scene = math.floor(self.position), self._scene()
        self.policy.begin(step, scene)
        if self.policy.region is not None or before is not None:
            self._clear_song(step)
        elif self.recorder.last_onset_step is not None and isinstance(self.policy, Accompany):
            # What was played before counts as listened to.
            back = -max(self.policy.lag_bars, self.knobs.integer("listen_bars"), 1)
            self.policy.note_began(self.bars.plus(step, back + 1), scene)
        self._aim(step)
        return effects

    def panic(self, now_ns: int) -> list[Effect]:
        """Every note off now, plans forgotten; then go on."""
        effects = self._catch_up(now_ns) + self.performer.silence(now_ns)
        effects += self.performer.end_through(now_ns)
        for event in self.gate.flush(now_ns):
            effects += self.note(event)
        self._forget_plans()
        if self.playing:
            self._aim(math.floor(self.position))
            self.replanner.hurry()
        return effects

    # -- Time passes -------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> list[Effect]:
        """Cross beats, decide, commit, send what is due at `now_ns`."""
        effects = self.follow(self.transport.tick(now_ns), now_ns)
        if not self.playing:
            return effects
        self.position = position = self.transport.position_steps(now_ns) + _HAIR
        self.bars.use(self.transport.meters)
        if position >= self.replanner.next_step:
            effects += self._decide(now_ns)
        ready = position + COMMIT_LEAD + max(0.0, -self._offset_steps) + _HAIR
        if ready >= self.replanner.plan_book.committed_to:
            self._commit((math.floor(ready) // SIXTEENTH + 1) * SIXTEENTH)
        effects += self._send(now_ns)
        if position >= self.delivery.next_line:
            effects += self._cross()
        return effects

    def send_due(self, now_ns: int) -> list[Effect]:
        """Send what is due at `now_ns`, before anything is decided that takes time."""
        if not self.playing:
            return []
        self.position = self.transport.reach(now_ns) + _HAIR
        return self._send(now_ns)

    def due_ns(self) -> int | None:
        """When the next note-on or note-off falls due, or None."""
        step = self.performer.scheduler.next_step() if self.playing else None
        return None if step is None else self.transport.ns_at(step + self._offset_steps)

    def wake_ns(self, now_ns: int) -> int:
        """When `advance` has something to do next."""
        latest = now_ns + LOOK_NS
        if not self.playing:
            return latest
        offset = self._offset_steps
        step = min(
            self.delivery.next_line,
            self.replanner.plan_book.committed_to - COMMIT_LEAD + min(0.0, offset),
            self.replanner.next_step,
        )
        due = self.performer.scheduler.next_step()
        if due is not None:
            step = min(step, due + offset)
        if step <= self.position:
            return now_ns
        return max(now_ns, min(latest, self.transport.ns_at(step)))

    @property
    def lag_bars(self) -> int:
        """How many bars behind the melody the reply is."""
        return self.policy.lag_bars if isinstance(self.policy, Accompany) else 0

    # -- Starting, jumping, stopping ---------------------------------------------------------------

    def _go(self, now_ns: int, fresh: bool) -> list[Effect]:
        """The song is now somewhere, out of order; `fresh` forgets what it was."""
        effects = self.performer.silence(now_ns)
        left, self.position = self.position, self.transport.position_steps(now_ns)
        step = round(self.position)
        self.bars.use(self.transport.meters)
        scene = self._scene()
        # The mode may have been changed while the song stood still.
        # A DAW's first note leads its clock, and has just made us start by ourselves.
        overtaken = now_ns - self._began_itself_ns <= PREROLL_NS
        anew = fresh or overtaken or not self._begun
        if anew:
            self._begun = True
            self.policy.begin(step, scene)
            if fresh or self.policy.region is not self.song.input.region:
                self.song.clear(self.policy.region)
                self.delivery.filled.clear()
        self.song.jump(step)
        self.recorder.jump(left, step, now_ns if fresh or overtaken else None)
        again = None if anew else self._goes_on(left, step, now_ns)
        self._halted = None
        if not anew:
            self.policy.jump(step, left, scene)
        if again is None:
            self._forget_plans()
        else:
            self.delivery.forget()
            self.teller.forget()
            self.replanner.plan_book.rebase(step - again, step)
        self._aim(step)
        self.recorder.start(now_ns, self._place(now_ns, 0.0))
        if self.recorder.sounding:
            self._heard()
        if self.policy.turn is not None:
            self.replanner.hurry()
        offset_ms = self.knobs.number("input_offset_ms")
        early = self.teller.tell_early(now_ns, lambda at_ns: self._place(at_ns, offset_ms).step)
        return [*effects, *self._bar_begins(step), *self._beat_begins(step), *early]

    def _goes_on(self, left: float, step: int, now_ns: int) -> int | None:
        """The place near `left` that is `step` now, where a loop goes round and music goes on."""
        bars, region, lag, halted = self.bars, self.policy.region, self.lag_bars, self._halted
        if region is not None:
            return region.same_place(left, step)
        # A DAW's loop is a jump, or a Stop and at once a Continue.
        paused = halted is not None and now_ns - halted[0] > PREROLL_NS
        again = bars.same_place(left, step)
        if paused or again is None or not lag or self.policy.turn is None:
            return None
        if halted is not None:
            self.replanner.plan_book.in_force = halted[1]
        # In next-bar what was played last is answered first, whatever lies before `step`.
        reach = step - bars.plus(step, -lag - self.knobs.integer("context_bars"))
        self.song.carry(again, step, reach, step - bars.plus(step, -lag))
        return again

    def _halt(self, now_ns: int) -> list[Effect]:
        effects = self.performer.silence(now_ns) + self.performer.end_through(now_ns)
        for key in self.recorder.stop(self.position, now_ns):
            self.gate.hold(key)
        self._halted = now_ns, self.replanner.plan_book.in_force
        self._forget_plans()
        self.replanner.rest()
        return effects

    def _reanchor(self) -> None:
        """Bar lines moved under the music."""
        self.bars.use(self.transport.meters)
        step = math.floor(self.position)
        if self.policy.region is not None:
            self.policy.begin(step, self._scene())
            self._clear_song(step)
        self._aim(step)

    def _clear_song(self, step: int) -> None:
        self.song.clear(self.policy.region)
        self.song.jump(step)
        self.recorder.reopen()
        self.delivery.filled.clear()

    def _catch_up(self, now_ns: int) -> list[Effect]:
        """Take note of the time since the last Tick, so that nothing is begun anew in the past."""
        if not self.playing:
            return []
        self.position = self.transport.reach(now_ns) + _HAIR
        return self._cross() if self.position >= self.delivery.next_line else []

    def _forget_plans(self) -> None:
        # Not the step under way: what it began would sound again, late.
        self.replanner.forget(math.ceil(self.position - 2 * _HAIR))
        self.delivery.forget()
        self.teller.forget()

    def _aim(self, step: int) -> None:
        """Take bearings at `step`: the beat under way and the next decision."""
        self.delivery.aim(step)
        self.replanner.aim(step, self.policy, self.transport.bpm)

    # -- Inside ------------------------------------------------------------------------------------

    @property
    def _clock_name(self) -> str:
        return "Ableton Link" if self.transport.source == "link" else "MIDI clock"

    @property
    def _offset_steps(self) -> float:
        offset_ms = self.knobs.number("output_offset_ms")
        return steps_in(offset_ms * NS_PER_MS, self.transport.bpm) if offset_ms else 0.0

    def _scene(self) -> Scene:
        horizon = self.replanner.horizon_steps
        return Scene(self.knobs, self.bars, self.song, horizon, self._silent_since)

    def _place(self, at_ns: int, offset_ms: float) -> Place:
        step = self.transport.position_steps(at_ns + round(offset_ms * NS_PER_MS))
        grid = self.knobs.text("input_quantize")
        return Place(step, grid, self.transport.meters, self.transport.bpm)

    def _heard(self) -> None:
        onset = self.recorder.last_onset_step
        if onset is not None:
            before = self.policy.turn
            self.policy.note_began(onset, self._scene())
            self._turn_changed(before)

    def _turn_changed(self, before: Turn | None) -> None:
        """Where a turn was cut short or moved, what sounds ends."""
        after = self.policy.turn
        if before is None or after is before:
            return
        if after is None or after.shift_steps != before.shift_steps:
            self.performer.cut(self.position)
        elif after.end_step is not None and after.end_step != before.end_step:
            self.performer.cut(max(self.position, float(after.end_step)))

    def _decide(self, now_ns: int) -> list[Effect]:
        bpm, policy, replanner = self.transport.bpm, self.policy, self.replanner
        self.recorder.refresh(math.floor(self.position))
        self.song.input.advance(math.floor(self.position))
        horizon = replanner.decide(
            now_ns, self.position, bpm, policy, self._scene(), self.delivery.replays(policy.region)
        )
        if horizon is None:
            return []
        self._commit(horizon)
        return [RequestPlan(replanner.ask(now_ns, self.position, bpm, horizon, policy))]

    def _commit(self, to_step: int) -> None:
        plan_book, policy, now_step = (
            self.replanner.plan_book,
            self.policy,
            math.floor(self.position),
        )
        bpm = self.transport.bpm
        self.delivery.commit(to_step, plan_book, policy.turn, policy.region, now_step, bpm)

    def _send(self, now_ns: int) -> list[Effect]:
        offset, transport = self._offset_steps, self.transport
        place = self.position - offset
        # Read off the line that says when notes were due: after a leap in tempo the steps of the
        # last 50 ms are not those that the new tempo makes in 50 ms.
        oldest = min(transport.position_steps(now_ns - LATE_NS) - offset, place)
        if not offset:
            return self.performer.due(place, oldest, now_ns, transport.ns_at)
        return self.performer.due(
            place, oldest, now_ns, lambda step: transport.ns_at(step + offset)
        )

    def _cross(self) -> list[Effect]:
        """Close the books of the beats that are over, and begin bars."""
        effects: list[Effect] = []
        self.song.input.advance(math.floor(self.position))
        while self.position >= self.delivery.next_line:
            beat, effect = self.delivery.cross(self.policy.turn)
            effects += effect
            if self.bars.bar(beat)[0] == beat:
                before = self.policy.turn
                self.policy.bar_line(beat, self._scene())
                self._turn_changed(before)
                effects += self._bar_begins(beat)
            effects += self._beat_begins(beat)
        return effects

    def _beat_begins(self, step: int) -> list[Effect]:
        soonest = math.floor(self.position) + self.replanner.horizon_steps
        decided = max(self.replanner.plan_book.committed_to, soonest)
        transport = self.transport
        told = self.teller.beat(step, self.position, transport.bpm, decided, transport.source)
        self.replanner.heard_key = self.teller.key
        return told

    def _bar_begins(self, step: int) -> list[Effect]:
        return [OscOut("/diffuse/out/bar", (self.bars.number(step),))]
