"""How late things were done, remembered for the figures."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from bridge.timebase import NS_PER_MS


class Lateness:
    """How late notes were sent: the last SIZE of them. Written by one thread, read by any."""

    SIZE = 1 << 16

    def __init__(self) -> None:
        self.count = 0
        self._late_ns = array("q", bytes(8 * self.SIZE))

    def add(self, late_ns: int) -> None:
        """One note left `late_ns` after it was due."""
        self._late_ns[self.count % self.SIZE] = late_ns
        self.count += 1

    def since(self, count: int) -> Sequence[int]:
        """Return how late the notes from number `count` on were sent, in ns; the oldest may be
        gone."""
        last = self.count
        return [self._late_ns[i % self.SIZE] for i in range(max(count, last - self.SIZE), last)]

    def percentiles_ms(self, shares: Sequence[float]) -> list[float]:
        """Return what the given shares of notes are late less than, in ms; zeros before the first.

        Sorted as an array: a list of as many numbers would take five times the memory, and the
        process keeps what it once took.
        """
        known = np.sort(np.frombuffer(self._late_ns, np.int64)[: self.count])
        if not len(known):
            return [0.0] * len(shares)
        places = [min(len(known) - 1, int(share * len(known))) for share in shares]
        return [float(known[place]) / NS_PER_MS for place in places]
