"""What the daemon needs of whatever keeps an engine for it: a process here, a server elsewhere."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from bridge.engine_host.main import EngineSpec
from bridge.service_thread import Health
from engine.requests.request import PlanRequest


class EngineKeeper(Protocol):
    """Starts an engine, asks it, replaces it, and tells of it by PlanArrived and EngineState.

    All may be called from any thread; none but `stop` blocks.
    """

    elapsed_ns: deque[int]
    """How long the last plans took."""

    @property
    def metadata(self) -> dict[str, Any]:
        """Of the model that plays."""
        ...

    @property
    def restarts(self) -> int:
        """How often an engine had to be started anew."""
        ...

    @property
    def refused(self) -> str:
        """Why there is no engine and none is tried, or empty."""
        ...

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes of engines on this machine, the serving one first."""
        ...

    @property
    def healths(self) -> tuple[Health, ...]:
        """How each of its threads does."""
        ...

    def start(self, spec: EngineSpec) -> None:
        """Start the first engine; EngineState says when it is ready."""
        ...

    def allow(self, hang_ns: int) -> None:
        """Allow this long for a plan; an engine of this machine that takes longer hangs."""
        ...

    def submit(self, request: PlanRequest) -> None:
        """Ask for a plan; the newest request wins."""
        ...

    def switch(self, spec: EngineSpec) -> None:
        """Load another model."""
        ...

    def stop(self) -> None:
        """End it; returns when it is gone."""
        ...
