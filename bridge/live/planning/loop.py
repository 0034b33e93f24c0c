"""harmonize over a loop: bars already played to us are answered at their own place.

Knows nothing of MIDI, OSC or the engine.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.live.listening.note_memory import SEAM_STEPS, LoopRegion
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.policies import Scene
from bridge.live.planning.request_window import WINDOW_STEPS, Known, Turn


class LoopReply:
    """harmonize `loop`: each bar at its own place, once its melody came on an earlier pass."""

    def __init__(self) -> None:
        self.turn: Turn | None = None
        self.region: LoopRegion | None = None
        self._covered: set[int] = set()
        self._bars: set[int] = set()
        self._entered = 0
        self._lines: BeatLines | None = None

    def begin(self, step: int, scene: Scene) -> None:
        """Anchor the loop; its first pass is silent."""
        bars, first = scene.bars, scene.knobs.integer("loop_start")
        start = bars.start_of(first) if first >= 0 else bars.bar(step)[0]
        end = bars.plus(start, scene.knobs.integer("loop_bars"))
        self.turn, self.region = None, LoopRegion(start, end - start)
        self._covered, self._bars, self._entered = set(), set(), bars.bar(step)[0]
        self._lines = bars
        while start < end:
            self._bars.add(start)
            start = bars.next_bar(start)
        self._look_ahead(bars.next_bar(step), self._fold(self._entered))

    def jump(self, step: int, left: float, scene: Scene) -> None:
        """Answer bars that came before at once."""
        first = scene.bars.bar(step)[0]
        over = scene.bars.bar_line(round(left))
        before = scene.bars.bar(over - 1)[0]
        if over - left <= SEAM_STEPS and self._entered <= before:
            self._covered.add(self._fold(before))
        self._entered, self.turn = step, None
        if self._fold(first) in self._covered:
            self.turn = Turn(step)
        self._look_ahead(scene.bars.next_bar(step), self._fold(first) if step == first else None)

    def note_began(self, onset_step: int, scene: Scene) -> None:
        """Do nothing: every bar counts, played in or not."""

    def bar_line(self, line: int, scene: Scene) -> None:
        """Take in one more bar, and decide whether the next one is answered."""
        before = scene.bars.bar(line - 1)[0]
        if self._entered <= before:
            self._covered.add(self._fold(before))
        if self.turn is not None and self.turn.end_step is not None and line >= self.turn.end_step:
            self.turn = None
        self._look_ahead(scene.bars.next_bar(line), self._fold(line))

    def consider(self, now_step: int, horizon_step: int, scene: Scene) -> None:
        """Decide nothing."""

    def known(self, now_step: int, horizon_step: int) -> Known:
        """Return the melody behind us in this pass, and of the last pass ahead."""
        assert self.region is not None
        length = self.region.length_steps
        base = (horizon_step - self.region.start_step) // length * length
        if self._bars <= self._covered:
            reach = (horizon_step - WINDOW_STEPS, horizon_step + WINDOW_STEPS)
            return Known(now_step, reach[0], (reach,), base)
        spans = [(self._entered, now_step)]
        for line in self._ahead(now_step):
            start, end = max(line[0], now_step), min(line[1], now_step + length)
            if start < end:
                spans.append((start, end))
        return Known(now_step, self._entered, tuple(spans), base)

    def _look_ahead(self, line: int, now_covers: int | None) -> None:
        """Say whether the bar at `line` is answered; now_covers: what the one before it covers."""
        answered = self._fold(line) in self._covered or self._fold(line) == now_covers
        if answered and self.turn is None:
            self.turn = Turn(line)
        elif self.turn is not None and self.turn.start_step < line:
            self.turn = replace(self.turn, end_step=None if answered else line)

    def _ahead(self, now_step: int) -> list[tuple[int, int]]:
        """Return bars at or after now whose melody came before, up to one loop on."""
        assert self.region is not None
        assert self._lines is not None
        current, found = self._lines.bar(now_step), []
        if self._fold(current[0]) in self._covered:
            found.append(current)
        line, last = current[1], now_step + self.region.length_steps
        while line < last:
            end = self._lines.next_bar(line)
            if self._fold(line) in self._covered or self._fold(line) == self._fold(current[0]):
                found.append((line, end))
            line = end
        return found

    def _fold(self, step: int) -> int:
        assert self.region is not None
        return self.region(step)
