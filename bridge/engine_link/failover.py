"""An engine on a server, and the local one that takes over while that does not answer in time.

Both engines are started; plans come from the server while it is well, and each change over is
reported once.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bridge.commands import Command, EngineState, PlanArrived
from bridge.engine_host.keeper import EngineKeeper
from bridge.engine_host.main import EngineSpec, warm_up_request
from bridge.engine_host.supervisor import HISTORY, EngineSupervisor
from bridge.engine_host.wire import ERROR, NONSENSE, PLAN, unpack, unpack_plan
from bridge.engine_link.address import ServerAddress
from bridge.engine_link.connection import Connection
from bridge.engine_link.hedge import PATIENCE_NS, Hedge
from bridge.engine_link.probation import Probation
from bridge.engine_link.wire import DROPPED, WELCOME, Offer, digest_of, offers_of, pack_ask
from bridge.service_thread import Health
from bridge.settings.model_trust import TrustError
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.requests.request import PlanRequest

_PROBE_S = 0.4
_MOST_ERRORS = 4
_FIRST_PROBE = -1 << 20
"""Probes have the numbers from here on; requests have numbers above 0."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is with the server."""

    request: PlanRequest
    sent_ns: int


class FailoverEngine:
    """An EngineKeeper of an engine server and a local engine.

    What an EngineKeeper does is safe from any thread and never waits for the network; everything
    else happens on the connection's thread, which calls `report`. from_server: plans that the
    server made in time.
    """

    def __init__(
        self,
        server: ServerAddress,
        report: Callable[[Command], None],
        standby: Callable[[Callable[[Command], None]], EngineKeeper] = EngineSupervisor,
    ) -> None:
        """standby: makes what keeps the local engine, given whom that is to report to."""
        self.elapsed_ns: deque[int] = deque(maxlen=HISTORY)
        self.from_server = 0
        self._server = server
        self._report = report
        self._link = Connection(server, self)
        self._local = standby(lambda command: self._link.call(self._local_says, command))
        self._local_state: EngineState | None = None
        self._spec = EngineSpec("")
        self._offers: dict[str, Offer] | None = None
        self._asked: Asked | None = None
        self._hedged: Asked | None = None
        self._hedging = Hedge()
        self._pending: PlanRequest | None = None
        self._probe: Asked | None = None
        self._probes = 0
        self._probation = Probation()
        self._digest = ""
        self._errors = 0
        self._told = ""

    # -- From other threads ------------------------------------------------------------------------

    def start(self, spec: EngineSpec) -> None:
        """Start the local engine and look for the server; EngineState says when one is ready."""
        self._adopt(spec)
        self._link.start()
        self._local.start(spec)

    def allow(self, hang_ns: int) -> None:
        """Set how long the local engine may take."""
        self._local.allow(hang_ns)

    def submit(self, request: PlanRequest) -> None:
        """Ask for a plan; replaces a request that waits."""
        self._link.call(self._ask, request)

    def switch(self, spec: EngineSpec) -> None:
        """Switch to another model: here, and on the server where that has it."""
        self._local.switch(spec)
        self._link.call(self._switched, spec)

    def stop(self) -> None:
        """End both. Returns when all is gone."""
        self._local.stop()
        self._link.stop()

    @property
    def well(self) -> bool:
        """Whether plans come from the server."""
        return self._probation.well

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the local engines, the serving one first."""
        return self._local.pids

    @property
    def healths(self) -> tuple[Health, ...]:
        """Of the connection's thread and the local engine's."""
        return (self._link.health, *self._local.healths)

    @property
    def restarts(self) -> int:
        """How often the local engine was started anew."""
        return self._local.restarts

    @property
    def refused(self) -> str:
        """Why there is no local engine and none is tried, or empty."""
        return "" if self.well else self._local.refused

    @property
    def metadata(self) -> dict[str, Any]:
        """What the engine that plays tells of its model."""
        offer = self._offer if self.well else None
        return self._local.metadata if offer is None else offer.metadata

    # -- Requests, on the connection's thread ------------------------------------------------------

    def _ask(self, request: PlanRequest) -> None:
        if not self.well:
            self._local.submit(request)
        elif self._asked is not None:
            self._pending = request
        else:
            self._asked = self._send(request)
            self._link.later(self._hedging.after_ns / NS_PER_S, self._hedge, self._asked)
            self._link.later(PATIENCE_NS / NS_PER_S, self._waited, self._asked)

    def _hedge(self, asked: Asked) -> None:
        if asked is self._asked and self._hedged is not asked:
            self._hedged = asked
            self._local.submit(asked.request)

    def _send(self, request: PlanRequest) -> Asked:
        assert self._offer is not None
        self._link.send(pack_ask(request, self._offer.digest, PATIENCE_NS))
        return Asked(request, time.perf_counter_ns())

    def _waited(self, asked: Asked) -> None:
        if asked is self._asked or asked is self._probe:
            self._fails("does not answer in time")

    def _next(self) -> None:
        self._asked = None
        if self._pending is not None:
            request, self._pending = self._pending, None
            self._ask(request)

    # -- What comes from the server ----------------------------------------------------------------

    def received(self, frame: bytes) -> None:
        """Take a message from the server."""
        try:
            kind, head, numbers = unpack(frame)
            if kind == WELCOME:
                self._welcome(offers_of(head))
            elif kind == PLAN:
                plan = unpack_plan(head, numbers)
                elapsed_ns = self._answered(plan.id)
                if elapsed_ns is not None:
                    self._deliver(PlanArrived(0, replace(plan, elapsed_ns=elapsed_ns)))
                    self._next()
            elif kind == DROPPED:
                self._dropped(int(head["id"]), "has no time for us")
            elif kind == ERROR:
                self._cannot(int(head["id"]), str(head["text"])[:200])
        except NONSENSE as err:
            self._fails(f"makes no sense ({type(err).__name__})")

    def lost(self, why: str) -> None:
        """Take note that there is no connection."""
        self._offers = None
        self._fails(why)

    def turned_away(self, why: str) -> None:
        """Take note that the server is there and does not let us in."""
        self._offers = None
        self._fails_for_good(why)

    def _welcome(self, offers: dict[str, Offer]) -> None:
        self._offers = offers
        if self._offer is None:
            self._fails_for_good(self._without_model())
        else:
            self._probe_again()

    def _answered(self, number: int) -> int | None:
        """Time from sending request `number` to now; None for one that nobody waits for."""
        now_ns, probe, asked = time.perf_counter_ns(), self._probe, self._asked
        if probe is not None and number == probe.request.id:
            self._probe = None
            self._good(now_ns - probe.sent_ns)
        elif asked is not None and number == asked.request.id:
            self._errors = 0
            self.from_server += 1
            self._hedging.took(now_ns - asked.sent_ns)
            return now_ns - asked.sent_ns
        return None

    def _dropped(self, number: int, why: str) -> None:
        for waiting in (self._asked, self._probe):
            if waiting is not None and waiting.request.id == number:
                self._fails(why)

    def _cannot(self, number: int, text: str) -> None:
        """Ask the local engine: the server could not answer this one, but may the next."""
        self._errors += 1
        if self._asked is None or self._errors >= _MOST_ERRORS:
            self._dropped(number, f"fails ({text})")
        elif self._asked.request.id == number:
            self._hedge(self._asked)
            self._next()

    # -- Well or not -------------------------------------------------------------------------------

    @property
    def _offer(self) -> Offer | None:
        """The server's offer of the model that is wanted."""
        return (self._offers or {}).get(self._digest)

    def _without_model(self) -> str:
        names = ", ".join(offer.name for offer in (self._offers or {}).values())
        return f"does not have the model of {self._spec.name!r}, only {names}"

    def _probe_again(self) -> None:
        """Ask as live would, for nobody to hear, until it is known how well the server is."""
        if self.well or self._probe is not None or self._offer is None:
            return
        self._probes += 1
        request = warm_up_request(self._spec.warm_up)
        self._probe = self._send(replace(request, id=_FIRST_PROBE - self._probes))
        self._link.later(PATIENCE_NS / NS_PER_S, self._waited, self._probe)

    def _good(self, elapsed_ns: int) -> None:
        self._probation.passed(elapsed_ns, time.perf_counter_ns())
        if self.well:
            self._say_ready(self._probation.middle_ns)
        else:
            self._link.later(_PROBE_S if self._told else 0.0, self._probe_again)

    def _say_ready(self, plan_ns: int) -> None:
        """Let the server play from now on."""
        where = f"{self._spec.name} on {self._server.name}"
        detail = f"{where}, {plan_ns / NS_PER_MS:.0f} ms a plan"
        news = f"{detail}: plays from now on" if self._local_ready or self._told else ""
        self._told = ""
        self._deliver(EngineState(0, "ready", detail, plan_ns, self._spec.warm_up.steps, news))

    def _fails(self, why: str) -> None:
        """Ask the local engine, if it was not, and the server no more for now."""
        was_well = self.well
        self._probation.failed(time.perf_counter_ns())
        if self._asked is not None and self._pending is None:
            self._hedge(self._asked)
        elif self._pending is not None:
            self._local.submit(self._pending)
        self._asked = self._pending = self._probe = None
        self._errors = 0
        if self._offer is not None:
            # Players who left an overloaded server together must not all come back together.
            pause_ns = self._probation.pause_ns * random.uniform(0.5, 1.0)
            self._link.later(pause_ns / NS_PER_S, self._probe_again)
        if was_well or not self._told:
            self._say_away(why)

    def _fails_for_good(self, why: str) -> None:
        """Do so for a reason that somebody has to mend: said even when the loss has been."""
        self._fails(why)
        if self._told != why:
            self._say_away(why)

    def _say_away(self, cause: str) -> None:
        self._told = cause
        why = f"{self._server.name} {cause}"
        state, name = self._local_state, self._spec.name
        if state is None or not self._local_ready:
            news = f"{why}; {name} on this machine will play when it is ready"
            self._deliver(EngineState(0, "starting", name, news=news))
            return
        self._deliver(replace(state, news=f"{why}; {name} on this machine plays"))

    # -- What the local engine says, and changes of model ------------------------------------------

    @property
    def _local_ready(self) -> bool:
        return self._local_state is not None and self._local_state.state == "ready"

    def _local_says(self, command: Command) -> None:
        if isinstance(command, EngineState):
            if command.state not in ("error", "loading", "refused"):
                self._local_state = command
            if self.well:  # what happens here is not audible
                return
        self._deliver(command)

    def _adopt(self, spec: EngineSpec) -> None:
        self._spec = spec
        try:
            self._digest = digest_of(spec.model)
        except TrustError:  # the file is gone, which the local engine will say
            self._digest = ""

    def _switched(self, spec: EngineSpec) -> None:
        self._adopt(spec)
        offer = self._offer
        if self._offers is not None and offer is None:
            self._fails_for_good(self._without_model())
        elif offer is not None and self.well:
            self._say_ready(offer.plan_ns)
        else:
            self._probe_again()

    def _deliver(self, command: Command) -> None:
        if isinstance(command, PlanArrived):
            self.elapsed_ns.append(command.plan.elapsed_ns)
        self._report(replace(command, at_ns=time.perf_counter_ns()))
