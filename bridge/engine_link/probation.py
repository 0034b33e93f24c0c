"""Whether an engine server is well: so many answers in time, in a row. Time is an argument."""

from __future__ import annotations

from bridge.timebase import NS_PER_S

FEW, MANY = 3, 24
"""So many probes in a row must be answered in time before a server is well. The number doubles
each time that it fails within STEADY_NS of being well, up to the latter."""
STEADY_NS = 60 * NS_PER_S


class Probation:
    """What is known of a server. `well`: it may be asked for music."""

    def __init__(self) -> None:
        self.well = False
        self._times_ns: list[int] = []
        self._needed = FEW
        self._since_ns = 0

    def passed(self, elapsed_ns: int, now_ns: int) -> None:
        """Count a probe that was answered in time, after `elapsed_ns`."""
        self._times_ns.append(elapsed_ns)
        if not self.well and len(self._times_ns) >= self._needed:
            self.well, self._since_ns = True, now_ns

    def failed(self, now_ns: int) -> None:
        """Count what was not answered in time, or a lost connection."""
        if self.well:
            steady = now_ns - self._since_ns > STEADY_NS
            self._needed = FEW if steady else min(2 * self._needed, MANY)
        self.well = False
        self._times_ns.clear()

    @property
    def middle_ns(self) -> int:
        """What a probe took at the median; 0 before the first."""
        ordered = sorted(self._times_ns)
        return ordered[len(ordered) // 2] if ordered else 0
