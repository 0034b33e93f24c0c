"""Whether an engine server is well: so many answers in time, in a row. Time is an argument."""

from __future__ import annotations

from bridge.timebase import NS_PER_MS, NS_PER_S

FEW, MANY = 3, 24
"""So many probes in a row must be answered in time before a server is well. The number doubles
each time that it fails within STEADY_NS of being well, up to the latter."""
STEADY_NS = 60 * NS_PER_S
FIRST_PAUSE_NS, LONGEST_PAUSE_NS = 400 * NS_PER_MS, 3200 * NS_PER_MS
"""Before a server that failed is asked again. Doubled as long as it fails, for a server with too
many players would never get well if all of them went on asking."""


class Probation:
    """What is known of a server. `well`: it may be asked for music. `pause_ns`: after a failure,
    until the next probe."""

    def __init__(self) -> None:
        self.well = False
        self.pause_ns = FIRST_PAUSE_NS
        self._times_ns: list[int] = []
        self._needed = FEW
        self._since_ns = 0

    def passed(self, elapsed_ns: int, now_ns: int) -> None:
        """Count a probe that was answered in time, after `elapsed_ns`."""
        self._times_ns.append(elapsed_ns)
        self.pause_ns = FIRST_PAUSE_NS
        if not self.well and len(self._times_ns) >= self._needed:
            self.well, self._since_ns = True, now_ns

    def failed(self, now_ns: int) -> None:
        """Count what was not answered in time, or a lost connection."""
        self.pause_ns = FIRST_PAUSE_NS if self.well else min(2 * self.pause_ns, LONGEST_PAUSE_NS)
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
