"""Time and events of a live session: listens, asks, commits, plays and counts.

The parts are on the Stage; the Navigator takes them elsewhere. Owner: the transport thread.
"""

from __future__ import annotations

import math

from bridge.commands import Effect, RequestPlan
from bridge.live.clock.playhead import TransportEvent
from bridge.live.clock_news import clock_news
from bridge.live.listening.note_gate import Change, NoteEvent
from bridge.live.navigator import Navigator
from bridge.live.playing.performer import LATE_NS
from bridge.live.stage import HAIR, Stage
from bridge.timebase import NS_PER_MS
from engine.music.grid import STEPS_PER_BEAT
from engine.requests.request import Plan

_SIXTEENTH = STEPS_PER_BEAT // 4
_LOOK_NS = 100 * NS_PER_MS
"""Wake at least this often: clocks stop coming without saying so."""


class Conductor:
    """Lets events and time act on a Stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._navigator = Navigator(stage)

    # -- What comes in -----------------------------------------------------------------------------

    def follow(self, events: list[TransportEvent], now_ns: int) -> list[Effect]:
        """Do what a call to the transport brought about."""
        return [effect for event in events for effect in self._follow(event, now_ns)]

    def _follow(self, event: TransportEvent, now_ns: int) -> list[Effect]:
        transport = self._stage.transport
        jumped = event is TransportEvent.JUMPED and transport.playing
        if jumped or event is TransportEvent.STARTED:
            return self._navigator.go(now_ns)
        if event is TransportEvent.STOPPED:
            return self._navigator.halt(now_ns)
        if event is TransportEvent.REANCHORED:
            self._navigator.reanchor(now_ns)
        return clock_news(event, transport)

    def note(self, event: NoteEvent) -> list[Effect]:
        """Take a note of the player's that began or ended."""
        stage = self._stage
        if stage.left_hand.owns(event):
            return stage.left_hand_note(event)
        if not stage.playing:
            return self._early_note(event)
        place = stage.place(event.at_ns + stage.input_offset_ns)
        stage.recorder.record(event, place)
        if event.change is Change.ON:
            stage.note_began()
        stage.silent_since = None if stage.recorder.sounding else stage.step
        return stage.teller.played(event, place.step)

    def _early_note(self, event: NoteEvent) -> list[Effect]:
        """Keep a note that comes while the song stands still; it may start the song."""
        stage, at_ns = self._stage, event.at_ns
        stage.recorder.record_early(event)
        stage.teller.early(event)
        if event.change is not Change.ON or not stage.transport.may_start_on_note(at_ns):
            return []
        pickup_beats = stage.knobs.number("pickup_beats")
        effects = self.follow(stage.transport.start_internal(at_ns, pickup_beats), at_ns)
        self._navigator.began_itself(at_ns)
        return effects

    def plan(self, plan: Plan, now_ns: int) -> list[Effect]:
        """Take the engine's answer."""
        stage = self._stage
        bpm, position = stage.transport.bpm, stage.position
        found = stage.replanner.arrived(plan, now_ns, position, bpm, stage.policy)
        if found is None or not stage.playing:
            return []
        answer, name = found
        first = max(stage.plan_book.committed_to, answer.turn.start_step)
        stage.performer.reshape(answer, first)
        return stage.teller.plan(name, answer, first)

    def switch(self, now_ns: int) -> list[Effect]:
        """Switch to what `mode`, `reply` and the loop now ask for: every note off, then go on."""
        return self._catch_up(now_ns) + self._navigator.switch(now_ns)

    def panic(self, now_ns: int) -> list[Effect]:
        """End every note now, forget the plans, and go on."""
        stage = self._stage
        effects = self._catch_up(now_ns) + stage.performer.silence(now_ns)
        effects += stage.performer.end_through(now_ns)
        for event in stage.gate.flush(now_ns):
            effects += self.note(event)
        stage.forget_plans()
        if stage.playing:
            stage.aim(stage.step)
            stage.replanner.hurry()
        return effects

    # -- Time passes -------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> list[Effect]:
        """Cross beats, decide, commit, send what is due at `now_ns`."""
        stage = self._stage
        effects = self.follow(stage.transport.tick(now_ns), now_ns)
        if not stage.playing:
            return effects
        stage.position = position = stage.transport.position_steps(now_ns) + HAIR
        stage.bars.use(stage.transport.meters)
        if position >= stage.replanner.next_step:
            effects += self._decide(now_ns)
        ready = position + stage.commit_lead_steps
        if ready >= stage.plan_book.committed_to:
            self._commit((math.floor(ready) // _SIXTEENTH + 1) * _SIXTEENTH)
        effects += self._send(now_ns)
        if position >= stage.delivery.next_line:
            effects += self._cross()
        return effects

    def send_due(self, now_ns: int) -> list[Effect]:
        """Send what is due at `now_ns`, before anything is decided that takes time."""
        if not self._stage.playing:
            return []
        self._stage.position = self._stage.transport.reach(now_ns) + HAIR
        return self._send(now_ns)

    def wake_ns(self, now_ns: int) -> int:
        """Return when `advance` has something to do next."""
        stage, latest_ns = self._stage, now_ns + _LOOK_NS
        if not stage.playing:
            return latest_ns
        offset, due = stage.output_offset_steps, stage.performer.next_step()
        step = min(
            stage.delivery.next_line,
            stage.plan_book.committed_to - stage.commit_lead_steps,
            stage.replanner.next_step,
            *(() if due is None else (due + offset,)),
        )
        if step <= stage.position:
            return now_ns
        return max(now_ns, min(latest_ns, stage.transport.ns_at(step)))

    def _decide(self, now_ns: int) -> list[Effect]:
        stage, policy = self._stage, self._stage.policy
        bpm, position = stage.transport.bpm, stage.position
        stage.recorder.refresh(stage.step)
        stage.song.input.advance(stage.step)
        replayed = stage.delivery.replays(policy.region)
        horizon = stage.replanner.decide(now_ns, position, bpm, policy, stage.scene(), replayed)
        if horizon is None:
            return []
        self._commit(horizon)
        request = stage.replanner.ask(now_ns, position, bpm, horizon, policy)
        return [RequestPlan(request, stage.two_bars_ns)]

    def _commit(self, to_step: int) -> None:
        stage, policy = self._stage, self._stage.policy
        bpm = stage.transport.bpm
        stage.delivery.commit(to_step, policy.turn, policy.region, stage.step, bpm)

    def _send(self, now_ns: int) -> list[Effect]:
        stage, transport, performer = self._stage, self._stage.transport, self._stage.performer
        offset = stage.output_offset_steps
        place = stage.position - offset
        # Read off the line that says when notes were due: after a leap in tempo the steps of the
        # last 50 ms are not those that the new tempo makes in 50 ms.
        oldest = min(transport.position_steps(now_ns - LATE_NS) - offset, place)
        return performer.due(place, oldest, now_ns, lambda step: transport.ns_at(step + offset))

    def _catch_up(self, now_ns: int) -> list[Effect]:
        """Take note of the time since the last Tick, so that nothing is begun anew in the past."""
        stage = self._stage
        if not stage.playing:
            return []
        stage.position = stage.transport.reach(now_ns) + HAIR
        return self._cross() if stage.position >= stage.delivery.next_line else []

    def _cross(self) -> list[Effect]:
        """Close the books of the beats that are over, and begin bars."""
        stage = self._stage
        effects = stage.replanner.say_out_of_plans()
        stage.song.input.advance(stage.step)
        while stage.position >= stage.delivery.next_line:
            beat, effect = stage.delivery.cross(stage.policy.turn)
            effects += effect
            if stage.bars.bar(beat)[0] == beat:
                before = stage.policy.turn
                stage.policy.bar_line(beat, stage.scene())
                stage.turn_changed(before)
                effects += stage.bar_begins(beat)
            effects += stage.beat_begins(beat)
        return effects
