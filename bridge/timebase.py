"""Monotonic time. Knows nothing of music.

Every pure part takes `now_ns` as an argument; only the player and the tests own a Clock.
"""

from __future__ import annotations

import time
from typing import Protocol

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """A source of monotonic time."""

    def now_ns(self) -> int:
        """Nanoseconds since some fixed instant."""
        ...


class SystemClock:
    """The machine's monotonic clock. Safe from any thread."""

    def now_ns(self) -> int:
        """Nanoseconds of `time.perf_counter_ns`."""
        return time.perf_counter_ns()


class ManualClock:
    """A clock that moves only when it is set: for tests and for replaying a log."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time it was last set to."""
        return self._now_ns

    def advance(self, by_ns: int) -> int:
        """Move forward and say the new time."""
        self._now_ns += by_ns
        return self._now_ns
