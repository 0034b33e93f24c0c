"""The engine in its own process: newest request in, plan out; restarted when it dies.

Its own process, because Python's lock and torch's threads would make the transport late. Knows
nothing of the Session: it appends PlanArrived and EngineState to the inbox.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

from bridge.commands import Command, EngineState, PlanArrived
from bridge.engine_host.child import EngineChild, end, spawn
from bridge.engine_host.main import Cue, EngineSpec
from bridge.engine_host.patience import LOAD_NS, Patience
from bridge.engine_host.standby import Standby
from bridge.engine_host.wire import (
    CANNOT,
    ERROR,
    NONSENSE,
    PLAN,
    READY,
    REFUSED,
    pack_request,
    unpack,
    unpack_plan,
)
from bridge.inbox import Wake
from bridge.service_thread import TURN_S, Health, ServiceThread
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.requests.request import Plan, PlanRequest

_FIRST_BACKOFF_NS, _LONGEST_BACKOFF_NS = 100 * NS_PER_MS, 8 * NS_PER_S
MOST_ERRORS = 4
"""So many requests in a row that an engine failed at, and it is replaced: a fresh one may do."""
_NO_PLAN = Plan(-1, 0, 0, (), 0, 0)
_SPAWN_NS = NS_PER_S // 2
"""Pause after a process could not be begun."""
_LONGEST_WAIT_NS = NS_PER_S
HISTORY = 4096
"""Engine times kept for the statistics."""


class EngineSupervisor:
    """Keeps one engine process serving.

    One request is in flight and one pending; the newest wins. `allow`, `submit` and `switch` are
    safe from any thread and never block; everything else happens on the supervisor's own thread,
    which calls `report` with PlanArrived and EngineState. Where a preset that was switched to
    cannot be loaded (`refused`), the engine from before goes on, or is started again.

    A first engine is `starting` and then `ready`; another, while one serves, `loading` and then
    `ready`, also where the switch is taken back and the one that serves stays.

    refused: why there is no engine and none is tried, or empty.
    """

    def __init__(self, report: Callable[[Command], None]) -> None:
        self.metadata: dict[str, Any] = {}
        self.elapsed_ns: deque[int] = deque(maxlen=HISTORY)
        self.restarts = 0
        self.refused = ""
        self._report = report
        self._patience = Patience()
        self._wake = Wake()
        self._pending: deque[PlanRequest] = deque(maxlen=1)
        self._repeated: PlanRequest | None = None
        self._wanted: deque[EngineSpec] = deque(maxlen=1)
        self._serving: EngineChild | None = None
        self._coming: EngineChild | None = None
        self._standby = Standby()
        self._loading = False
        self._good: EngineSpec | None = None  # the last that served
        self._retry: tuple[int, EngineSpec] | None = None
        self._backoff_ns = _FIRST_BACKOFF_NS
        self._thread = ServiceThread("engine", self._turn, end=self._end_all)

    @property
    def healths(self) -> tuple[Health, ...]:
        """How its thread does."""
        return (self._thread.health,)

    # -- From other threads ------------------------------------------------------------------------

    def start(self, spec: EngineSpec) -> None:
        """Start the first engine; EngineState says when it is ready."""
        self._wanted.append(spec)
        self._thread.start()

    def allow(self, hang_ns: int) -> None:
        """Set how long a plan may take, unless its forerunners took nearly as long."""
        self._patience.hang_ns = hang_ns

    def submit(self, request: PlanRequest) -> None:
        """Ask for a plan; replaces a request that waits for the engine to be free."""
        self._pending.append(request)
        self._wake.set()

    def switch(self, spec: EngineSpec) -> None:
        """Load another engine; the one at work serves until the new one is ready."""
        self._wanted.append(spec)
        self._wake.set()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the engines that run, the serving one first."""
        return tuple(child.pid for child in self._children)

    def stop(self) -> None:
        """End the engine process and the thread. Returns when both are gone."""
        self._thread.halt()
        self._wake.set()
        self._thread.join()
        self._wake.close()

    # -- On the supervisor's thread ----------------------------------------------------------------

    def _turn(self) -> None:
        # Clear first, then look: what is set in between wakes the wait below.
        self._wake.clear()
        if self._thread.halted.is_set():
            return
        now_ns = time.perf_counter_ns()
        self._start_wanted(now_ns)
        self._send_pending(now_ns)
        self._keep_standby(now_ns)
        self._wait(now_ns)
        self._replace_hung(time.perf_counter_ns())

    def _end_all(self) -> None:
        for child in self._children:
            end(child)

    @property
    def _children(self) -> list[EngineChild]:
        children = (self._serving, self._coming, self._standby.child)
        return [child for child in children if child is not None]

    def _wait(self, now_ns: int) -> None:
        """Wait for a plan, a wake, or the next thing due by time; then read what came."""
        children = self._children
        deadlines = [self._given_up_ns(child) for child in children if child.busy_ns is not None]
        deadlines += [self._retry[0]] if self._retry else []
        next_ns = min(deadlines, default=now_ns + _LONGEST_WAIT_NS)
        seconds = min(max(0, next_ns - now_ns) / NS_PER_S, TURN_S)
        # On Windows only an object with `fileno` may stand for a socket here, not its number.
        waited: list[Any] = [self._wake, *(child.conn for child in children)]
        ready = wait(waited, seconds)
        for child in children:
            if child.conn in ready and child in self._children:
                self._receive(child)

    def _start_wanted(self, now_ns: int) -> None:
        if self._wanted:
            spec = self._wanted.popleft()
            self._backoff_ns = _FIRST_BACKOFF_NS
            cue = Cue(spec)
        elif self._retry and now_ns >= self._retry[0]:
            spec = self._retry[1]
            cue = Cue(spec) if self._serving else Cue(spec, calls=1)
        else:
            return
        self._retry = None
        self.refused = ""
        if self._coming is not None:
            end(self._coming)
            self._coming = None
        serving = self._serving
        if serving is not None and serving.spec is not None and spec.same_engine(serving.spec):
            serving.spec = spec
            if self._loading:  # what was to come does not, and who waits for it is to know
                self._say_ready(serving)
            return
        # One that serves goes on meanwhile.
        self._loading = serving is not None
        try:
            self._coming = self._standby.call_up(cue) or spawn(cue)
        except OSError as err:  # out of descriptors, processes or memory: that may pass
            self._retry = now_ns + _SPAWN_NS, spec
            self._say("error" if self._loading else "down", f"no engine process: {err}")
            return
        self._say("loading" if self._loading else "starting", spec.name)

    def _keep_standby(self, now_ns: int) -> None:
        """While an engine plays, and none is on its way, have another stand by."""
        serving = self._serving
        if serving is None or serving.spec is None or not serving.spec.standby:
            return
        if self._coming is None:
            self._standby.keep(now_ns)

    def _send_pending(self, now_ns: int) -> None:
        child = self._serving
        if child is None or child.busy_ns is not None or not self._pending:
            return
        child.busy_ns, child.request = now_ns, self._pending.popleft()
        # A process that died is noticed when its end of the pipe is read.
        with contextlib.suppress(OSError):
            child.conn.send_bytes(pack_request(child.request))

    def _receive(self, child: EngineChild) -> None:
        try:
            kind, head, numbers = unpack(child.conn.recv_bytes())
            plan = unpack_plan(head, numbers) if kind == PLAN else _NO_PLAN
        except (EOFError, OSError):
            if child is self._standby.child:
                self._standby.died(time.perf_counter_ns())
            else:
                self._lost(child, "the engine died")
            return
        except NONSENSE as err:
            child.process.kill()
            self._lost(child, f"the engine's answer makes no sense ({type(err).__name__})")
            return
        child.busy_ns = child.request = None
        if kind == PLAN:
            child.errors = 0
            self._backoff_ns = _FIRST_BACKOFF_NS
            self.elapsed_ns.append(plan.elapsed_ns)
            self._report(PlanArrived(time.perf_counter_ns(), plan))
        elif kind == READY:
            self._take_over(child, head)
        elif kind == CANNOT:
            self._cannot(child, head["text"])
        elif kind == ERROR:
            self._failed(child, head["text"])
        elif kind == REFUSED:
            self._refused(child, head["text"])

    def _take_over(self, child: EngineChild, head: dict[str, Any]) -> None:
        old, self._serving, self._coming = self._serving, child, None
        self._good = child.spec
        self._backoff_ns = _FIRST_BACKOFF_NS
        child.ready, child.metadata = True, head["metadata"]
        child.plan_ns, child.calls = int(head["plan_ns"]), int(head["calls"])
        self.metadata = child.metadata
        if old is not None:
            end(old)
        self._say_ready(child)

    def _say_ready(self, child: EngineChild) -> None:
        self._loading = False
        name = child.spec.name if child.spec else ""
        device = child.metadata.get("device", "this machine")
        detail = f"{name} on {device}, {child.plan_ns / NS_PER_MS:.0f} ms a plan"
        warm_ns = child.plan_ns if child.calls else 0
        self._report(EngineState(time.perf_counter_ns(), "ready", detail, warm_ns, child.calls))

    def _cannot(self, child: EngineChild, text: str) -> None:
        """Say, once, that its family has no such task: no fault of the process."""
        child.errors = 0
        if child.cannot != text:
            child.cannot = text
            self._say("error", text)

    def _failed(self, child: EngineChild, text: str) -> None:
        """Count a request it could not answer; it may the next, but not for ever."""
        child.errors += 1
        if child.errors < MOST_ERRORS:
            self._say("error", text)
            return
        child.process.kill()
        self._lost(child, f"the engine failed {child.errors} times in a row ({text})")

    def _refused(self, child: EngineChild, text: str) -> None:
        """Give up: the model cannot be loaded, and trying again would not help."""
        end(child)
        if child is self._coming:
            self._coming = None
        good = self._good
        if good is not None and child.spec is not None and child.spec.same_engine(good):
            good = None
        if self._serving is None and good is not None:
            # The engine from before died while this one was loading: it is wanted again.
            self._retry = time.perf_counter_ns(), good
        elif self._serving is None:
            self.refused = text
            self._say("down", text)
            return
        self._loading = False
        self._say("refused", text)

    def _lost(self, child: EngineChild, why: str) -> None:
        """Start a process that ended by itself anew, later each time that it does not come up."""
        end(child)
        # What it was asked is asked again, but once only: it may be what killed it.
        if child.request not in (None, self._repeated) and not self._pending:
            self._repeated = child.request
            self.submit(child.request)
        if child is self._serving:
            self._serving = None
            self._say("down", why)
            if self._coming is not None:
                return  # another is on its way
        else:
            self._coming = None
            self._say("error" if self._serving else "down", f"{why} while it was loading")
        self.restarts += 1
        if child.spec is not None:
            at_once = self._standby.child is not None and self._backoff_ns == _FIRST_BACKOFF_NS
            pause_ns = 0 if at_once else self._backoff_ns
            self._retry = (time.perf_counter_ns() + pause_ns, child.spec)
        self._backoff_ns = min(2 * self._backoff_ns, _LONGEST_BACKOFF_NS)

    def _replace_hung(self, now_ns: int) -> None:
        for child in (self._serving, self._coming):
            if child is None or child.busy_ns is None:
                continue
            if now_ns >= self._given_up_ns(child):
                child.process.kill()
                self._lost(child, "the engine did not answer")

    def _given_up_ns(self, child: EngineChild) -> int:
        """Return when an answer is given up."""
        limit_ns = self._patience.limit_ns(list(self.elapsed_ns)) if child.ready else LOAD_NS
        return (child.busy_ns or 0) + limit_ns

    def _say(self, state: str, detail: str) -> None:
        self._report(EngineState(time.perf_counter_ns(), state, detail))
