"""Where the song goes: starts, jumps, loops, stops, bar lines that move, another way to play.

Owner: the transport thread.
"""

from __future__ import annotations

from bridge.commands import Effect
from bridge.live.listening.input_recorder import PREROLL_NS
from bridge.live.planning.choose_policy import make_policy
from bridge.live.planning.plan_book import Answer
from bridge.live.planning.policies import Accompany
from bridge.live.stage import Stage


class Navigator:
    """Takes everyone on a stage to another place of the song."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._begun = False
        self._began_itself_ns = -PREROLL_NS - 1
        self._halted: tuple[int, Answer | None] | None = None  # when, and the plan in force then

    def began_itself(self, at_ns: int) -> None:
        """Remember that a note started the clock: a Start at once means the same song."""
        self._began_itself_ns = at_ns

    def go(self, now_ns: int) -> list[Effect]:
        """Go where the transport is now, out of order; a new song forgets what it was."""
        stage, new_song = self._stage, self._stage.transport.new_song
        effects = stage.performer.silence(now_ns)
        left, stage.position = stage.position, stage.transport.position_steps(now_ns)
        step = round(stage.position)
        stage.bars.use(stage.transport.meters)
        # A DAW's first note leads its clock, and has just made us start by ourselves.
        overtaken = now_ns - self._began_itself_ns <= PREROLL_NS
        # The mode may have been changed while the song stood still.
        anew = new_song or overtaken or not self._begun
        if anew:
            self._begin(step, new_song)
        stage.song.jump(step)
        stage.recorder.jump(left, step, now_ns if new_song or overtaken else None)
        again = None if anew else self._goes_on(left, step, now_ns)
        self._halted = None
        if not anew:
            stage.policy.jump(step, left, stage.scene())
        if again is None:
            stage.forget_plans()
        else:
            stage.delivery.forget()
            stage.teller.forget()
            stage.plan_book.rebase(step - again, step)
        return effects + self._take_up(now_ns, step)

    def _begin(self, step: int, new_song: bool) -> None:
        """Begin the policy at `step`; memory that is of no use to it is forgotten."""
        stage, self._begun = self._stage, True
        stage.policy.begin(step, stage.scene())
        if new_song or stage.policy.region is not stage.song.input.region:
            stage.song.clear(stage.policy.region)
            stage.delivery.filled.clear()

    def _take_up(self, now_ns: int, step: int) -> list[Effect]:
        """Go on at `step`, with what was played just before."""
        stage = self._stage
        stage.aim(step)
        stage.recorder.start(now_ns, stage.place(now_ns))
        if stage.recorder.sounding:
            stage.note_began()
        if stage.policy.turn is not None:
            stage.replanner.hurry()
        offset_ns = stage.input_offset_ns
        early = stage.teller.tell_early(now_ns, lambda at_ns: stage.place(at_ns + offset_ns).step)
        return [*stage.bar_begins(step), *stage.beat_begins(step), *early]

    def _goes_on(self, left: float, step: int, now_ns: int) -> int | None:
        """Return the place near `left` that is `step` now, where a loop goes round and music goes
        on."""
        stage, halted = self._stage, self._halted
        bars, region, lag = stage.bars, stage.policy.region, stage.lag_bars
        if region is not None:
            return region.same_place(left, step)
        # A DAW's loop is a jump, or a Stop and at once a Continue.
        paused = halted is not None and now_ns - halted[0] > PREROLL_NS
        again = bars.same_place(left, step)
        if paused or again is None or not lag or stage.policy.turn is None:
            return None
        if halted is not None:
            stage.plan_book.in_force = halted[1]
        # In next-bar what was played last is answered first, whatever lies before `step`.
        reach = step - bars.plus(step, -lag - stage.knobs.integer("context_bars"))
        stage.song.carry(again, step, reach, step - bars.plus(step, -lag))
        return again

    def halt(self, now_ns: int) -> list[Effect]:
        """Stand still: every note off, plans forgotten."""
        stage = self._stage
        effects = stage.performer.silence(now_ns) + stage.performer.end_through(now_ns)
        for key in stage.recorder.stop(stage.position, now_ns):
            stage.gate.hold(key)
        self._halted = now_ns, stage.plan_book.in_force
        stage.forget_plans()
        stage.replanner.rest()
        return effects

    def reanchor(self, now_ns: int) -> None:
        """Follow bar lines that moved under the music."""
        stage = self._stage
        stage.position = stage.transport.reach(now_ns)
        # A downbeat by hand moves the nearest step here, which may be the next.
        step = round(stage.position)
        stage.bars.use(stage.transport.meters)
        if stage.policy.region is not None:
            stage.policy.begin(step, stage.scene())
            stage.clear_song(step)
        stage.aim(step)

    def switch(self, now_ns: int) -> list[Effect]:
        """Switch to what `mode`, `reply` and the loop now ask for: every note off, then go on."""
        stage = self._stage
        effects = stage.performer.silence(now_ns)
        before, stage.policy = stage.policy.region, make_policy(stage.knobs)
        stage.delivery.frozen = False
        stage.forget_plans()
        self._begun = stage.playing
        if not stage.playing:
            return effects
        step, scene, policy = stage.step, stage.scene(), stage.policy
        policy.begin(step, scene)
        if policy.region is not None or before is not None:
            stage.clear_song(step)
        elif stage.recorder.last_onset_step is not None and isinstance(policy, Accompany):
            # What was played before counts as listened to.
            back = -max(policy.lag_bars, stage.knobs.integer("listen_bars"), 1)
            policy.note_began(stage.bars.plus(step, back + 1), scene)
        stage.aim(step)
        return effects
