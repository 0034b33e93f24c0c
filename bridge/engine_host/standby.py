"""An engine process that stands by: begun while another plays, an engine as soon as it has its cue.

Knows nothing of requests and plans.
"""

from __future__ import annotations

import time

from bridge.engine_host.child import EngineChild, end, spawn
from bridge.engine_host.main import Cue
from bridge.timebase import NS_PER_S

_PAUSE_NS = 10 * NS_PER_S
"""Before another when one died or could not be begun."""


class Standby:
    """Holds at most one process. Owner: the supervisor's thread."""

    def __init__(self) -> None:
        self.child: EngineChild | None = None
        self._not_before_ns = 0

    def keep(self, now_ns: int) -> None:
        """Begin one, if there is none and no pause."""
        if self.child is not None or now_ns < self._not_before_ns:
            return
        try:
            self.child = spawn(None)
        except OSError:
            self._not_before_ns = now_ns + _PAUSE_NS

    def call_up(self, cue: Cue) -> EngineChild | None:
        """Give it the cue and let it go, if there is one and it is of use."""
        child = self.child
        if child is None or not cue.spec.standby:
            return None
        self.child = None
        try:
            child.conn.send(cue)
        except OSError:  # it has died
            end(child)
            return None
        child.spec, child.busy_ns = cue.spec, time.perf_counter_ns()
        return child

    def died(self, now_ns: int) -> None:
        """Take note that it ended by itself: another comes after a pause."""
        if self.child is not None:
            end(self.child)
        self.child = None
        self._not_before_ns = now_ns + _PAUSE_NS
