"""Whose turn it is: when we play, what we answer, and what of the melody is known by then.

One policy for each way of playing along. Knows nothing of MIDI, OSC or the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from bridge.live.listening.note_memory import LoopRegion, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.request_window import WINDOW_STEPS, Known, Turn
from bridge.settings.knobs import Knobs
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT

_FIRST_HEARD_STEPS = STEPS_PER_BEAT // 4
"""So much of a melody at least is to be known for the first chord under it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a policy may look at."""

    knobs: Knobs
    bars: BeatLines
    song: SongMemory
    horizon_steps: int
    silent_since: int | None = None


class Policy(Protocol):
    """When we play. All steps are output steps, which are also where the melody is played."""

    turn: Turn | None
    region: LoopRegion | None

    def begin(self, step: int, scene: Scene) -> None:
        """Begin at `step`: the song starts, or this policy takes over; nothing is remembered."""
        ...

    def jump(self, step: int, left: float, scene: Scene) -> None:
        """Go on at `step`, having been at `left`; memory is kept."""
        ...

    def note_began(self, onset_step: int, scene: Scene) -> None:
        """Take in that a note was played to us."""
        ...

    def bar_line(self, line: int, scene: Scene) -> None:
        """Begin the bar at `line`, now."""
        ...

    def consider(self, now_step: int, horizon_step: int, scene: Scene) -> None:
        """Prepare the decision for `horizon_step`, which is about to be made."""
        ...

    def known(self, now_step: int, horizon_step: int) -> Known:
        """Say what is known of the melody, for a request made now."""
        ...


class Accompany:
    """harmonize `live` (lag_bars 0), and `next-bar`: each bar one bar later, or two."""

    region: LoopRegion | None = None

    def __init__(self, lag_bars: int = 0) -> None:
        self.turn: Turn | None = None
        self.lag_bars = lag_bars
        self._anchor: int | None = None
        self._heard_from = 0

    def begin(self, step: int, scene: Scene) -> None:
        """Listen first."""
        self.turn, self._anchor = None, None
        self._heard_from = scene.bars.bar(step)[0]

    def jump(self, step: int, left: float, scene: Scene) -> None:
        """Go on at once where the melody is remembered, else listen first."""
        playing = self.turn is not None
        bars, first = scene.bars, scene.bars.bar(step)[0]
        self.turn, self._anchor = None, None
        back = bars.plus(step, -max(self.lag_bars, scene.knobs.integer("context_bars")))
        before = scene.song.lead_between(back, step)
        self._heard_from = step - WINDOW_STEPS if before else first
        ahead = not self.lag_bars and scene.song.lead_between(first, bars.plus(step, 1))
        if playing and (before or ahead):
            self._anchor = first
            self.turn = Turn(step, shift_steps=self._shift(step, scene))

    def note_began(self, onset_step: int, scene: Scene) -> None:
        """Let the first note say which bar is listened to first."""
        if self._anchor is not None:
            return
        bars, listen = scene.bars, scene.knobs.integer("listen_bars")
        self._anchor = bars.first_bar_of(onset_step)
        self._grow(scene)
        wait = max(listen, self.lag_bars)
        start = bars.plus(self._anchor, wait) if wait else _soonest(onset_step, scene)
        self.turn = Turn(start, shift_steps=self._shift(start, scene))

    def bar_line(self, line: int, scene: Scene) -> None:
        """Fall behind as far as a new meter or a slow engine asks for."""
        if self.turn is None or not self.lag_bars or line < self.turn.start_step:
            return
        self._grow(scene)
        shift = self._shift(line, scene)
        if shift != self.turn.shift_steps:
            self.turn = Turn(line, shift_steps=shift)

    def consider(self, now_step: int, horizon_step: int, scene: Scene) -> None:
        """Decide nothing."""

    def known(self, now_step: int, horizon_step: int) -> Known:
        """Say that the melody is known up to now."""
        return Known(now_step, self._heard_from, ((self._heard_from, now_step),))

    def _grow(self, scene: Scene) -> None:
        if self.lag_bars and scene.horizon_steps > STEPS_PER_BEAT:
            self.lag_bars = 2

    def _shift(self, line: int, scene: Scene) -> int:
        return scene.bars.bar(line)[0] - scene.bars.plus(line, -self.lag_bars)


def _soonest(onset_step: int, scene: Scene) -> int:
    """Return the next beat that a plan can reach which knows of the note at `onset_step`, or one
    more.

    A chord from a plan that knows of no note would be in any key.
    """
    reach = min(scene.horizon_steps, STEPS_PER_BEAT)
    return scene.bars.next_beat(onset_step + _FIRST_HEARD_STEPS + reach - 1)


class CallAndResponse:
    """continue: they play, we answer, in turns; or, endless, until they play again.

    With `wait_for_phrase` a pause of a beat ends their phrase, and no answer begins before.
    """

    region: LoopRegion | None = None

    def __init__(self) -> None:
        self.turn: Turn | None = None
        self._phrase: int | None = None
        self._heard_from = 0

    def begin(self, step: int, scene: Scene) -> None:
        """Listen."""
        self.turn, self._phrase = None, None
        self._heard_from = scene.bars.bar(step)[0]

    def jump(self, step: int, left: float, scene: Scene) -> None:
        """Listen anew."""
        self.begin(step, scene)
        if scene.song.lead_between(step - WINDOW_STEPS // 2, step):
            self._heard_from = step - WINDOW_STEPS

    def note_began(self, onset_step: int, scene: Scene) -> None:
        """Begin a phrase, or end an endless answer."""
        turn, bars = self.turn, scene.bars
        if turn is not None and onset_step >= turn.start_step:
            if turn.end_step is None and onset_step >= bars.next_bar(turn.start_step):
                self.turn = replace(turn, end_step=onset_step)
                self._phrase = bars.first_bar_of(onset_step)
            elif turn.end_step is not None and onset_step >= turn.end_step - STEPS_PER_BEAT // 2:
                self._phrase = turn.end_step
        elif self._phrase is None:
            self._phrase = bars.first_bar_of(onset_step)
            self._plan(scene)
        elif turn is not None and _waits(scene):  # it was not over: they go on
            self.turn = None

    def bar_line(self, line: int, scene: Scene) -> None:
        """End an answer that is over, for the next phrase."""
        turn = self.turn
        if turn is None or line < turn.start_step:
            return
        if self._phrase is not None and self._phrase <= turn.start_step:
            self._phrase = None
        self._finish(line, scene)

    def consider(self, now_step: int, horizon_step: int, scene: Scene) -> None:
        """End the phrase at a pause: a beat where that is waited for, or `listen_bars` is 0, else,
        before `listen_bars` are over, a bar."""
        self._finish(now_step, scene)
        since, bars = scene.silent_since, scene.bars
        if self._phrase is None or since is None:
            return
        first, end = bars.bar(now_step)
        listen, waits = scene.knobs.integer("listen_bars"), _waits(scene)
        pause = end - first if listen and not waits else STEPS_PER_BEAT
        line = bars.bar_line(horizon_step)
        if waits:
            line = max(line, bars.plus(self._phrase, listen))
        if now_step - since >= pause and (self.turn is None or line < self.turn.start_step):
            self._answer(line, scene)

    def known(self, now_step: int, horizon_step: int) -> Known:
        """Return what they played, and our melody where it was our turn."""
        ours = self.turn is not None and horizon_step > self.turn.start_step
        end = horizon_step if ours else now_step
        return Known(now_step, self._heard_from, ((self._heard_from, end),))

    def _finish(self, now_step: int, scene: Scene) -> None:
        end = self.turn.end_step if self.turn is not None else None
        if end is not None and now_step >= end:
            self.turn = None
            self._plan(scene)

    def _plan(self, scene: Scene) -> None:
        listen = scene.knobs.integer("listen_bars")
        if self._phrase is not None and listen and not _waits(scene):
            self._answer(scene.bars.plus(self._phrase, listen), scene)

    def _answer(self, start: int, scene: Scene) -> None:
        end = scene.bars.plus(start, scene.knobs.integer("reply_bars"))
        endless = scene.knobs.flag("endless")
        self.turn = Turn(start, None if endless else end, 0, (LEAD, ACCOMPANIMENT))


def _waits(scene: Scene) -> bool:
    return scene.knobs.flag("wait_for_phrase")


class Triggered:
    """infill, vary, generate: silent but for what was triggered, once."""

    region: LoopRegion | None = None

    def __init__(self) -> None:
        self.turn: Turn | None = None

    def begin(self, step: int, scene: Scene) -> None:
        """Wait for a trigger."""
        self.turn = None

    def jump(self, step: int, left: float, scene: Scene) -> None:
        """Drop what was triggered: it was for elsewhere."""
        self.turn = None

    def note_began(self, onset_step: int, scene: Scene) -> None:
        """Do nothing: the song remembers it."""

    def bar_line(self, line: int, scene: Scene) -> None:
        """End what is over."""
        if self.turn is not None and self.turn.end_step is not None and line >= self.turn.end_step:
            self.turn = None

    def consider(self, now_step: int, horizon_step: int, scene: Scene) -> None:
        """Decide nothing."""

    def known(self, now_step: int, horizon_step: int) -> Known:
        """Say nothing: requests are made by the trigger."""
        return Known(now_step, now_step, ())
