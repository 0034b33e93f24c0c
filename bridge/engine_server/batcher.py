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

    def _next_batch(self) -> Sequence[Waiting]:
        now_ns = self._now_ns()
        wanted = [waiting for waiting in self._waiting if not waiting.answer.done()]
        hopeful = [waiting for waiting in wanted if self._in_time(waiting, now_ns)]
        for waiting in set(wanted).difference(hopeful):
            waiting.answer.set_exception(OverError())
        batch = self._together(hopeful, now_ns)
        taken = set(batch)
        self._waiting = deque(waiting for waiting in hopeful if waiting not in taken)
        return batch

    def _in_time(self, waiting: Waiting, now_ns: int) -> bool:
        """Return whether one can be answered in time, alone."""
        likely_ns = self._costs.likely_ns(cohort_of(waiting.request), 1, now_ns)
        return now_ns < waiting.due_ns and now_ns + likely_ns <= waiting.due_ns

    def _together(self, waiting: Sequence[Waiting], now_ns: int) -> Sequence[Waiting]:
        """Return the first to have come and those that can be filled with it.

        Where the first has so little time left that the batch would be small, those next to it are
        served in its place if that is a tenth more players in the same time: else a server with
        too many players would be busy with small batches, and serve fewer of them still.
        """
        if not waiting:
            return []
        cohort = cohort_of(waiting[0].request)
        mates = [each for each in waiting if cohort_of(each.request) == cohort][: 2 * self._most]
        ends_ns = [
            now_ns + self._costs.likely_ns(cohort, size, now_ns)
            for size in range(1, min(self._most, len(mates)) + 1)
        ]
        best = _in_time_together(mates, ends_ns)
        best_ns = ends_ns[len(best) - 1] - now_ns
        for skipped in range(1, len(mates)):
            found = _in_time_together(mates[skipped:], ends_ns)
            took_ns = ends_ns[len(found) - 1] - now_ns
            if 10 * len(found) * best_ns > 11 * len(best) * took_ns:
                best, best_ns = found, took_ns
        return best


def _in_time_together(waiting: Sequence[Waiting], ends_ns: Sequence[int]) -> Sequence[Waiting]:
    """Return the most of the first that can be answered in the time of each; one at least.

    ends_ns: when a batch of one, two, .. would be ready.
    """
    due_ns = waiting[0].due_ns
    for size, (each, end_ns) in enumerate(zip(waiting, ends_ns, strict=False)):
        due_ns = min(due_ns, each.due_ns)
        if size and end_ns > due_ns:
            return waiting[:size]
    return waiting[: len(ends_ns)]
