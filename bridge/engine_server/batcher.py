"""Requests of many players gathered into batches for an engine that computes one at a time.

A batch is cut when the engine is free, not before: whoever has come by then is in it. It is no
larger than can be made in the time of all who are in it, and who cannot be answered in time even
alone is refused at once: what comes too late would cost the others theirs. (`ray.serve.batch` cuts
while the batch before is computed: of requests that come one by one it made batches of one.) Knows
nothing of Ray or of networks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bridge.engine_server.costs import BatchCosts
from engine.requests.cohort import cohort_of
from engine.requests.request import PlanRequest

Compute = Callable[[list[PlanRequest]], Awaitable[list[bytes]]]
"""Answers requests of one cohort together, in their order; never raises."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A request and where its answer goes. due_ns: when that is of no use any more."""

    request: PlanRequest
    due_ns: int
    answer: asyncio.Future[bytes]


class OverError(Exception):
    """A request's time is over, or will be before it can be answered."""


class Batcher:
    """Owner: one event loop. Who came first is served first, with whoever fits beside it."""

    def __init__(
        self, compute: Compute, most: int, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """most: requests in a batch."""
        self._compute = compute
        self._most = most
        self._now_ns = now_ns
        self._waiting: deque[Waiting] = deque()
        self._costs = BatchCosts()
        self._working: asyncio.Task[None] | None = None
        self.busy_ns: int | None = None

    async def ask(self, request: PlanRequest, left_ns: int) -> bytes:
        """Return the answer; a request whose caller is cancelled leaves the queue. Raises
        OverError."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(request, self._now_ns() + left_ns, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while batch := self._next_batch():
            self.busy_ns = began_ns = self._now_ns()
            answers = await self._compute([waiting.request for waiting in batch])
            self.busy_ns = None
            ended_ns = self._now_ns()
            self._costs.took(cohort_of(batch[0].request), len(batch), ended_ns - began_ns, ended_ns)
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)

    def _next_batch(self) -> list[Waiting]:
        now_ns = self._now_ns()
        wanted = [waiting for waiting in self._waiting if not waiting.answer.done()]
        hopeful = [waiting for waiting in wanted if self._in_time([waiting], now_ns)]
        for waiting in set(wanted).difference(hopeful):
            waiting.answer.set_exception(OverError())
        batch = self._together(hopeful, now_ns)
        taken = set(batch)
        self._waiting = deque(waiting for waiting in hopeful if waiting not in taken)
        return batch

    def _together(self, waiting: Sequence[Waiting], now_ns: int) -> list[Waiting]:
        """Return the first to have come and those that can be filled with it, in the order of
        arrival, as many as can be answered in the time of each."""
        found: list[Waiting] = []
        for each in waiting:
            if len(found) == self._most:
                break
            if not found or cohort_of(each.request) == cohort_of(found[0].request):
                if not self._in_time([*found, each], now_ns):
                    break
                found.append(each)
        return found

    def _in_time(self, batch: Sequence[Waiting], now_ns: int) -> bool:
        likely_ns = self._costs.likely_ns(cohort_of(batch[0].request), len(batch), now_ns)
        left_ns = min(waiting.due_ns for waiting in batch) - now_ns
        return left_ns > 0 and likely_ns <= left_ns
