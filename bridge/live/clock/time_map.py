"""Song position over monotonic time: a continuous, rising line of straight pieces, and its inverse.

A clock's filter corrects itself with every pulse; the music must not hear that as a jump back. So
a correction bends the line until it meets the filter's, and time still runs forwards.
"""

from __future__ import annotations

import math
from bisect import bisect_right

from bridge.timebase import NS_PER_S
from engine.music.grid import STEPS_PER_BEAT

_HISTORY = 512
"""Corners kept, two a pulse: how far back a late stamp still finds the position it had."""


def steps_in(duration_ns: float, bpm: float) -> float:
    """Return a duration in steps, at a tempo."""
    return duration_ns / NS_PER_S * bpm / 60 * STEPS_PER_BEAT


class TimeMap:
    """Absolute steps (float) for nanoseconds (int) and back. Rises everywhere.

    Before its first corner and after its last the line goes straight on.
    """

    def __init__(self, steps_per_ns: float) -> None:
        self.reset(0, 0.0, steps_per_ns)

    def reset(self, at_ns: int, step: float, steps_per_ns: float) -> None:
        """Forget everything: the line through (`at_ns`, `step`)."""
        self._ns, self._steps = [at_ns], [step]
        self._before = self._after = steps_per_ns

    @property
    def steps_per_ns(self) -> float:
        """The rate that holds from the last corner on."""
        return self._after

    def position(self, now_ns: int) -> float:
        """Return the step at `now_ns`."""
        index = bisect_right(self._ns, now_ns) - 1
        at = max(index, 0)
        return self._steps[at] + (now_ns - self._ns[at]) * self._rate(index)

    def ns_at(self, step: float) -> int:
        """Return when `step` is reached: the inverse of `position`, to the nearest nanosecond."""
        index = bisect_right(self._steps, step) - 1
        at = max(index, 0)
        return self._ns[at] + round((step - self._steps[at]) / self._rate(index))

    def turn(self, now_ns: int, steps_per_ns: float) -> None:
        """Go on from where the line is, at another rate."""
        here = self._cut(now_ns)
        self._corner(now_ns, here)
        self._after = steps_per_ns

    def bend(self, now_ns: int, step: float, steps_per_ns: float) -> None:
        """Meet the line through (`now_ns`, `step`) soon: one step from now if the two are close,
        else as late as it takes to stay between half and one and a half times its rate."""
        here = self._cut(now_ns)
        over_ns = math.ceil(max(1.0, 2 * abs(step - here)) / steps_per_ns)
        self._corner(now_ns, here)
        self._corner(now_ns + over_ns, step + over_ns * steps_per_ns)
        self._after = steps_per_ns

    def _rate(self, index: int) -> float:
        """Return steps per ns of the piece that begins at corner `index` (-1: before the first)."""
        if index < 0:
            return self._before
        if index == len(self._ns) - 1:
            return self._after
        rise = self._steps[index + 1] - self._steps[index]
        return rise / (self._ns[index + 1] - self._ns[index])

    def _cut(self, now_ns: int) -> float:
        """Forget the corners from `now_ns` on; the step the line had there."""
        here = self.position(now_ns)
        keep = bisect_right(self._ns, now_ns - 1)
        del self._ns[keep:], self._steps[keep:]
        return here

    def _corner(self, at_ns: int, step: float) -> None:
        self._ns.append(at_ns)
        self._steps.append(step)
        if len(self._ns) > _HISTORY:
            self._before = self._rate(0)
            del self._ns[0], self._steps[0]
