"""An engine process seen from outside: begun, held by its pipe, ended. Knows of no request."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from bridge.engine_host.main import Cue, EngineSpec, serve_engine
from engine.requests.request import PlanRequest


@dataclass(slots=True, eq=False)
class EngineChild:
    """One engine process. `busy_ns` is since when it works on a request, or loads. `errors`: how
    many requests in a row it failed at. cannot: what was last said of tasks it has not. plan_ns,
    calls: of a plan when it had warmed up.

    An standby has no spec yet and is not busy: it waits for its cue.
    """

    spec: EngineSpec | None
    process: SpawnProcess
    conn: Connection
    pid: int
    busy_ns: int | None
    request: PlanRequest | None = None
    ready: bool = False
    errors: int = 0
    cannot: str = ""
    plan_ns: int = 0
    calls: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


def spawn(cue: Cue | None) -> EngineChild:
    """Start an engine process; without a cue it is an standby."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=serve_engine, args=(theirs, cue), name="midi-diffuse-engine", daemon=True
    )
    with _without_interrupts():
        process.start()
    theirs.close()  # so that the pipe closes when either side ends
    spec, busy_ns = (None, None) if cue is None else (cue.spec, time.perf_counter_ns())
    return EngineChild(spec, process, ours, process.pid or 0, busy_ns)


def end(child: EngineChild) -> None:
    """Close the pipe, which ends the process; then see to it that it did."""
    child.conn.close()
    child.process.join(timeout=0.2)
    if child.process.is_alive():
        child.process.kill()
        child.process.join()
    child.process.close()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block Ctrl-C: a process inherits the mask, and cannot ignore it from its first moment."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
