"""Batches under a manual clock, with a stand-in engine that the test lets go on."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bridge.engine_server.batcher import Batcher, OverError
from bridge.engine_server.costs import BELIEVED_NS
from engine.requests.request import PlanRequest, SampleSettings

ONE = PlanRequest(0, 0, 96, (), ())
LONG = replace(ONE, end_step=120)
FEW_CALLS = replace(ONE, settings=SampleSettings(steps=2))
OTHER_SEED = replace(ONE, settings=SampleSettings(seed=9))


class Engine:
    """One computation costs 100, however many are in it, and `each_ns` for each.

    batches: the ids of each.
    """

    def __init__(self, each_ns: int = 0) -> None:
        self.now_ns = 0
        self.each_ns = each_ns
        self.batches: list[list[int]] = []

    async def compute(self, requests: list[PlanRequest]) -> list[bytes]:
        self.batches.append([request.id for request in requests])
        for _ in range(10):  # others come meanwhile
            await asyncio.sleep(0)
        self.now_ns += 100 + self.each_ns * len(requests)
        return [str(request.id).encode() for request in requests]


def asked(
    *requests: PlanRequest, most: int = 8, left_ns: int = 10_000
) -> tuple[list[list[int]], list[bytes | BaseException], int]:
    """Batches, answers and the time taken when all ask at once, numbered in their order."""
    engine = Engine()

    async def run() -> list[bytes | BaseException]:
        batcher = Batcher(engine.compute, most, lambda: engine.now_ns)
        numbered = [replace(request, id=i) for i, request in enumerate(requests)]
        return await asyncio.gather(
            *(batcher.ask(request, left_ns) for request in numbered), return_exceptions=True
        )

    return engine.batches, asyncio.run(run()), engine.now_ns


def test_all_that_wait_are_computed_together_and_each_gets_its_own_answer() -> None:
    batches, answers, _ = asked(*[ONE] * 5)
    assert batches == [[0, 1, 2, 3, 4]]
    assert answers == [b"0", b"1", b"2", b"3", b"4"]


def test_another_length_or_loop_waits_for_its_own_batch_in_the_order_of_arrival() -> None:
    batches, answers, _ = asked(ONE, LONG, FEW_CALLS, OTHER_SEED, LONG)
    assert batches == [[0, 3], [1, 4], [2]]
    assert len(answers) == 5


def test_no_batch_is_larger_than_told() -> None:
    assert asked(*[ONE] * 5, most=2)[0] == [[0, 1], [2, 3], [4]]


def test_who_is_too_late_is_not_computed() -> None:
    batches, answers, _ = asked(*[ONE] * 5, most=2, left_ns=200)
    assert batches == [[0, 1], [2, 3]]
    assert isinstance(answers[4], OverError)


def test_eight_players_take_a_fraction_of_the_time_of_one_by_one() -> None:
    """Each asks ten times, the next as soon as it is answered: 800 together, 8,000 one by one."""

    def took(most: int) -> int:
        engine = Engine()

        async def play(batcher: Batcher) -> None:
            for _ in range(10):
                await batcher.ask(ONE, 100_000)

        async def run() -> None:
            batcher = Batcher(engine.compute, most, lambda: engine.now_ns)
            await asyncio.gather(*(play(batcher) for _ in range(8)))

        asyncio.run(run())
        return engine.now_ns

    alone, together = took(1), took(8)
    assert alone == 8_000
    assert 2 * together <= alone


def test_who_comes_while_a_batch_is_computed_is_in_the_next() -> None:
    engine = Engine()

    async def run() -> list[bytes]:
        batcher = Batcher(engine.compute, 8, lambda: engine.now_ns)
        first = asyncio.create_task(batcher.ask(ONE, 1000))
        for _ in range(3):
            await asyncio.sleep(0)
        assert batcher.busy_ns == 0
        later = [batcher.ask(replace(ONE, id=i), 1000) for i in (1, 2)]
        answers = await asyncio.gather(first, *later)
        assert batcher.busy_ns is None
        return answers

    assert asyncio.run(run()) == [b"0", b"1", b"2"]
    assert engine.batches == [[0], [1, 2]]


def test_who_gives_up_leaves_the_queue() -> None:
    engine = Engine()

    async def run() -> None:
        batcher = Batcher(engine.compute, 1, lambda: engine.now_ns)
        tasks = [asyncio.create_task(batcher.ask(replace(ONE, id=i), 1000)) for i in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    assert engine.batches == [[0], [2]]


@pytest.mark.parametrize("players", [1, 100])
def test_nothing_is_kept_of_requests_that_were_answered(players: int) -> None:
    engine = Engine()

    async def run() -> int:
        batcher = Batcher(engine.compute, 8, lambda: engine.now_ns)
        ask: Callable[[], Awaitable[bytes]] = lambda: batcher.ask(ONE, 100_000)  # noqa: E731
        await asyncio.gather(*(ask() for _ in range(players)))
        return len(batcher._waiting)

    assert asyncio.run(run()) == 0


def test_a_batch_is_no_larger_than_can_be_made_in_the_time_of_all_in_it() -> None:
    """Eight take 500. Who has 450 gets a batch of seven; for the eighth there is no time left."""
    engine = Engine(each_ns=50)

    async def run() -> list[bytes | BaseException]:
        batcher = Batcher(engine.compute, 8, lambda: engine.now_ns)
        numbered = [replace(ONE, id=i) for i in range(8)]
        await asyncio.gather(*(batcher.ask(request, 10_000) for request in numbered))
        return await asyncio.gather(
            *(batcher.ask(request, 450) for request in numbered), return_exceptions=True
        )

    answers = asyncio.run(run())
    assert engine.batches == [list(range(8)), list(range(7))]
    assert [type(answer) for answer in answers] == [bytes] * 7 + [OverError]


def test_who_cannot_be_answered_in_time_is_told_at_once_and_costs_the_others_nothing() -> None:
    """A player whose loop takes longer than they wait, among others; tried again after a while."""
    engine = Engine()

    async def compute(requests: list[PlanRequest]) -> list[bytes]:
        engine.now_ns += 900 * (requests[0].settings.steps == 2)
        return await engine.compute(requests)

    async def run() -> None:
        batcher = Batcher(compute, 8, lambda: engine.now_ns)
        assert await batcher.ask(FEW_CALLS, 400) == b"0"  # nobody knew
        for _ in range(5):
            slow, quick = await asyncio.gather(
                batcher.ask(FEW_CALLS, 400), batcher.ask(ONE, 400), return_exceptions=True
            )
            assert isinstance(slow, OverError)
            assert quick == b"0"
        engine.now_ns += BELIEVED_NS
        assert await batcher.ask(FEW_CALLS, 400) == b"0"

    asyncio.run(run())
    assert engine.now_ns == BELIEVED_NS + 2 * 1000 + 5 * 100


class NoTime(selectors.SelectSelector):
    """Instead of waiting it lets the time be later."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return []


class Timeless(asyncio.SelectorEventLoop):
    """An event loop in which nothing takes time but what sleeps."""

    def __init__(self) -> None:
        self._no_time = NoTime()
        super().__init__(self._no_time)

    def time(self) -> float:
        return self._no_time.now_s


FIXED_S, BEAT_S, MOST = 0.04, 0.5, 8


def latencies_s(players: int, each_s: float, left_s: float = 0.4) -> list[float]:
    """Of what is answered in 40 beats, sorted; players spread over the beat ask once in each.

    A batch takes FIXED_S, and `each_s` for each in it.
    """
    found: list[float] = []

    async def compute(requests: list[PlanRequest]) -> list[bytes]:
        await asyncio.sleep(FIXED_S + each_s * len(requests))
        return [b""] * len(requests)

    async def play(batcher: Batcher, number: int) -> None:
        now_s = asyncio.get_running_loop().time
        for beat in range(40):
            at_s = (beat + number / players) * BEAT_S
            await asyncio.sleep(max(0.0, at_s - now_s()))
            begun_s = now_s()
            with contextlib.suppress(OverError):
                await batcher.ask(ONE, round(left_s * 1e9))
                found.append(now_s() - begun_s)

    async def run() -> None:
        now_s = asyncio.get_running_loop().time
        batcher = Batcher(compute, MOST, lambda: round(now_s() * 1e9))
        await asyncio.gather(*(play(batcher, number) for number in range(players)))

    with asyncio.Runner(loop_factory=Timeless) as runner:
        runner.run(run())
    return sorted(found)


def test_at_80_percent_of_the_capacity_all_are_answered_in_twice_the_time_of_one() -> None:
    capacity = round(MOST / FIXED_S * BEAT_S)
    (alone_s, *_) = latencies_s(1, 0.0)
    found = latencies_s(round(0.8 * capacity), 0.0)
    assert len(found) == 40 * round(0.8 * capacity)
    assert alone_s == pytest.approx(FIXED_S)
    assert found[int(0.95 * len(found))] <= 2 * alone_s


def test_with_twice_the_players_it_bears_a_server_answers_as_many_as_it_can_in_time() -> None:
    each_s = 0.02
    a_second = MOST / (FIXED_S + MOST * each_s)
    found = latencies_s(round(2 * a_second * BEAT_S), each_s)
    late = sum(took_s > 0.4 for took_s in found)
    assert late <= 0.05 * len(found)  # of each size's first batch nobody knew how long it takes
    assert len(found) >= 0.9 * a_second * 40 * BEAT_S
