"""Limits of wall-clock time on a machine that may itself stand still for half a second.

What is promised of a duration holds in the quickest of a few tries: a machine that stands still
lengthens one of them, a broken promise all. What cannot be played in parts (threads with patience
of their own, music) is marked `real_time`: tests/conftest.py plays it again where it failed while
the machine stood still. Where work alone is bounded, a test asks for processor time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bridge.bench.stalls import StallMeter

MOST_TRIES = 5
NO_VERDICT_MS = 50.0
"""So long in all, all cores added up: notes may be too late to be played, and a failure beside
it says nothing."""
_COUNTED_MS = 10.0
"""Shorter stalls a program has to bear."""


def took_s(act: Callable[[], object]) -> float:
    """Return wall-clock seconds that `act` takes."""
    begun_s = time.perf_counter()
    act()
    return time.perf_counter() - begun_s


def least(measure: Callable[[], float], enough: float) -> float:
    """Return the least of a few measurements; the first below `enough` is the last."""
    found = measure()
    for _ in range(MOST_TRIES - 1):
        if found < enough:
            break
        found = min(found, measure())
    return found


@dataclass
class Watch:
    """Who watches the machine, and since when the test under way is played."""

    meter: StallMeter | None = None
    since_ns: int = 0

    def begin(self, meter: StallMeter) -> None:
        """Count from now on."""
        self.meter, self.since_ns = meter, time.perf_counter_ns()

    def stood_still(self) -> bool:
        """Did the machine, since then, for so long that a failure is no verdict?"""
        if self.meter is None:
            return False
        return sum(self.meter.longer_than(_COUNTED_MS, self.since_ns)) >= NO_VERDICT_MS
