"""How long an engine may take before it hangs: two bars, as long as it is not that slow anyway."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.timebase import NS_PER_S

LOAD_NS = 120 * NS_PER_S
"""Loading and warming up may take so long."""
MOST_NS = 30 * NS_PER_S
"""An answer that takes longer never comes."""
FIRST_NS = 4 * NS_PER_S
"""Two bars of 4/4 at 120 bpm: before anybody has said how long two bars are."""
LEAST_NS = NS_PER_S
"""A machine that stands still for a moment is no engine that hangs, however quick the music."""
_TIMES = 5
"""So many times the slowest of the last answers an answer may take, too."""
RECENT = 32


class Patience:
    """Owner: the supervisor's thread; `hang_ns` may be set by any.

    hang_ns: what the music allows, two bars at the tempo of now.
    """

    def __init__(self) -> None:
        self.hang_ns = FIRST_NS

    def limit_ns(self, elapsed_ns: Sequence[int]) -> int:
        """Return how long a plan may take after others that took `elapsed_ns`."""
        slowest_ns = max(elapsed_ns[-RECENT:], default=MOST_NS)
        return min(MOST_NS, max(LEAST_NS, self.hang_ns, _TIMES * slowest_ns))
