"""How long batches take, as they took lately. Pure: time is an argument.

Estimates are of the hopeful kind: the least of a few measured times, nothing where none is known
or the last is old. So a hiccup or a guess never shuts anybody out for long, and what is really too
slow is found out again every now and then.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable

from bridge.timebase import NS_PER_S

BELIEVED_NS = 10 * NS_PER_S
"""How long a measured time is believed."""
_MEASURES = 4
_MOST_COHORTS = 64
"""What steers the loop is up to the players: of their many ways the latest are kept."""


class Measured:
    """The last few times of batches of one cohort and size."""

    def __init__(self) -> None:
        self._took_ns: deque[int] = deque(maxlen=_MEASURES)
        self._at_ns = 0

    def add(self, took_ns: int, now_ns: int) -> None:
        """Count one that ended just now."""
        if not self._believed(now_ns):
            self._took_ns.clear()
        self._took_ns.append(took_ns)
        self._at_ns = now_ns

    def least_ns(self, now_ns: int) -> int:
        """Return the shortest, 0 where there is none to be believed."""
        return min(self._took_ns, default=0) if self._believed(now_ns) else 0

    def _believed(self, now_ns: int) -> bool:
        return now_ns - self._at_ns <= BELIEVED_NS


class BatchCosts:
    """Times of batches by cohort and size. Owner: the batcher's event loop."""

    def __init__(self) -> None:
        self._cohorts: OrderedDict[Hashable, dict[int, Measured]] = OrderedDict()

    def took(self, cohort: Hashable, size: int, took_ns: int, now_ns: int) -> None:
        """Count a batch that ended just now."""
        sizes = self._cohorts.setdefault(cohort, {})
        self._cohorts.move_to_end(cohort)
        sizes.setdefault(size, Measured()).add(took_ns, now_ns)
        if len(self._cohorts) > _MOST_COHORTS:
            self._cohorts.popitem(last=False)

    def likely_ns(self, cohort: Hashable, size: int, now_ns: int) -> int:
        """Return what a batch takes at least; 0 where nothing is known.

        More players never take less time than fewer, and no less than their share of more.
        """
        measured = self._cohorts.get(cohort, {})
        return max(
            (each.least_ns(now_ns) * min(size, known) // known for known, each in measured.items()),
            default=0,
        )
