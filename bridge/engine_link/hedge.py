"""When the local engine is asked too, beside a server that takes longer than usual."""

from __future__ import annotations

from collections import deque

from bridge.engine_host.patience import RECENT
from bridge.timebase import NS_PER_MS

PATIENCE_NS = 400 * NS_PER_MS
"""An answer that takes longer is given up: with the local engine's own time that is about a beat
at 120 bpm. A server that needs longer for every plan is never asked for music."""
_HEDGE_NS, _HEDGE_TIMES = 200 * NS_PER_MS, 2
"""After so long, or so many times what the server takes in the middle, the local engine is asked
too and the first answer is played: a network that stalls for a moment is no reason to leave it."""


class Hedge:
    """What the server took lately, and what that says of the next request."""

    def __init__(self) -> None:
        self._took_ns: deque[int] = deque(maxlen=RECENT)

    def took(self, elapsed_ns: int) -> None:
        """Count an answer of the server."""
        self._took_ns.append(elapsed_ns)

    @property
    def after_ns(self) -> int:
        """How long to wait for the server alone."""
        usual = sorted(self._took_ns)
        middle_ns = usual[len(usual) // 2] if usual else 0
        return min(PATIENCE_NS, max(_HEDGE_NS, _HEDGE_TIMES * middle_ns))
