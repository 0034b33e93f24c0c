"""Bar lines and beat lines of the song, looked up fast. Knows nothing of clocks or notes."""

from __future__ import annotations

from bridge.live.listening.note_memory import SEAM_STEPS
from engine.music.grid import STEPS_PER_BEAT, Meter, MeterMap


class BeatLines:
    """A view of a MeterMap that remembers the bar it was last asked about.

    A *beat line* is a bar line or lies whole beats after one; in 7/8 the last is half a beat short.
    """

    def __init__(self, meters: MeterMap) -> None:
        self.meters = meters
        self._first, self._end = 0, 0

    def use(self, meters: MeterMap) -> None:
        """Take the bar lines, which have moved, or may have."""
        if meters is not self.meters:
            self.meters = meters
            self._first = self._end = 0

    def bar(self, step: int) -> tuple[int, int]:
        """First step and end of the bar that holds `step`."""
        if not self._first <= step < self._end:
            self._first, self._end = self.meters.bar_span(step)
        return self._first, self._end

    def beat(self, step: int) -> int:
        """Return the beat line at or before `step`."""
        first, _ = self.bar(step)
        return step - (step - first) % STEPS_PER_BEAT

    def next_beat(self, step: int) -> int:
        """Return the first beat line after `step`."""
        first, end = self.bar(step)
        return min(end, step - (step - first) % STEPS_PER_BEAT + STEPS_PER_BEAT)

    def next_bar(self, step: int) -> int:
        """Return the first bar line after `step`."""
        return self.bar(step)[1]

    def bar_line(self, step: int) -> int:
        """Return the bar line at `step`, or else the next one."""
        first, end = self.bar(step)
        return step if step == first else end

    def first_bar_of(self, onset: int) -> int:
        """Return the bar that music beginning at `onset` begins with: a pickup belongs to the
        next."""
        first, end = self.bar(onset)
        return end if 2 * (onset - first) >= end - first else first

    def same_place(self, left: float, step: int) -> int | None:
        """Return the place at `left`, or next to it, that lies in its bar as `step` does in a bar
        as long; None when there is none."""
        first, end = self.bar(step)
        for near in (round(left) - SEAM_STEPS, round(left) + SEAM_STEPS):
            line, following = self.bar(near)
            place = line + step - first
            if abs(place - left) <= SEAM_STEPS and following - line == end - first:
                return place
        return None

    def number(self, step: int) -> int:
        """Return the bar that holds `step`, counted from 1 as musicians do."""
        return self.meters.bar_index(step) + 1

    def start_of(self, number: int) -> int:
        """First step of bar `number` (from 1)."""
        return self.meters.bar_start(number - 1)

    def plus(self, step: int, bars: int) -> int:
        """Return the line of the bar that is `bars` after the one with `step` in it."""
        return self.meters.bar_start(self.meters.bar_index(step) + bars)

    def shifted(self, by_steps: int) -> MeterMap:
        """Return the same bar lines, `by_steps` earlier."""
        if by_steps == 0:
            return self.meters
        changes: list[tuple[int, Meter]] = []
        for start, meter in self.meters.changes:
            changes.append((start - by_steps, meter))
        return MeterMap(tuple(changes))
