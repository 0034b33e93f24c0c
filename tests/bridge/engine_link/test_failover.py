from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.commands import Command, EngineState, PlanArrived
from bridge.engine_host.main import EngineSpec, warm_up_request
from bridge.engine_host.wire import ERROR, pack
from bridge.engine_link.failover import FailoverEngine
from bridge.engine_link.hedge import PATIENCE_NS
from bridge.runtime.thread_watch import ThreadEndedError, ThreadWatch
from engine.requests.request import PlanRequest, SampleSettings
from tests.gateway_rig import OFFER, RunningGateway, gateway, sound

REQUEST = warm_up_request(SampleSettings())
SPEC = EngineSpec("fixture", preset="fixture")

pytestmark = pytest.mark.real_time
"""The link's patience is less than a machine may stand still."""


class Reports(list[Command]):
    def wait(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        end_s = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end_s, f"in vain; reported: {[str(c)[:160] for c in self]}"
            time.sleep(0.002)

    @property
    def news(self) -> list[str]:
        return [it.news for it in self if isinstance(it, EngineState) and it.news]

    @property
    def plans(self) -> list[int]:
        return [it.plan.id for it in self if isinstance(it, PlanArrived)]


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningGateway]:
    with gateway(tmp_path) as running:
        yield running


@pytest.fixture
def engine(server: RunningGateway, reports: Reports) -> Iterator[FailoverEngine]:
    engine = FailoverEngine(server.address, reports.append)
    engine.start(SPEC)
    yield engine
    engine.stop()


def both_ready(engine: FailoverEngine, reports: Reports) -> None:
    reports.wait(lambda: engine.well)
    reports.wait(lambda: bool(engine._local.metadata))


async def hangs(request: PlanRequest, left_ns: int) -> bytes:
    await asyncio.sleep(left_ns / 1e9 + 1)
    return b""


def test_plans_come_from_the_server_once_it_has_answered_in_time(
    server: RunningGateway, engine: FailoverEngine, reports: Reports
) -> None:
    both_ready(engine, reports)
    asked = server.gateway.counts["asked"]
    engine.submit(replace(REQUEST, id=7))
    reports.wait(lambda: reports.plans == [7])
    assert server.gateway.counts["asked"] == asked + 1
    assert engine.metadata == {"name": "fixture there"}
    assert 0 < engine.elapsed_ns[-1] < PATIENCE_NS


def test_a_server_that_stalls_is_left_within_a_beat_and_taken_again_told_once_each(
    server: RunningGateway, engine: FailoverEngine, reports: Reports
) -> None:
    both_ready(engine, reports)
    before = len(reports.news)
    server.engine = hangs
    begun_s = time.monotonic()
    engine.submit(replace(REQUEST, id=1))
    reports.wait(lambda: reports.plans == [1])
    assert time.monotonic() - begun_s < 0.5 + 0.1  # a beat at 120 bpm, and a slow machine's share
    reports.wait(lambda: not engine.well)
    assert time.monotonic() - begun_s < 0.5 + 0.3
    engine.submit(replace(REQUEST, id=2))
    reports.wait(lambda: reports.plans == [1, 2])
    time.sleep(1.0)  # probes go on failing meanwhile
    assert reports.news[before:] == [
        f"127.0.0.1:{server.port} does not answer in time; fixture on this machine plays"
    ]
    server.engine = sound
    reports.wait(lambda: engine.well)
    assert len(reports.news) == before + 2
    assert reports.news[-1].endswith("plays from now on")


def test_a_server_that_ends_is_found_again_when_it_is_back(
    server: RunningGateway, engine: FailoverEngine, reports: Reports, tmp_path: Path
) -> None:
    both_ready(engine, reports)
    before, port = len(reports.news), server.port
    server.end()
    reports.wait(lambda: not engine.well)
    engine.submit(replace(REQUEST, id=3))
    reports.wait(lambda: reports.plans == [3])
    time.sleep(0.6)
    again = RunningGateway(tmp_path, port=port)
    try:
        reports.wait(lambda: engine.well)
    finally:
        again.end()
    news = reports.news[before : before + 2]
    assert news[0] == f"127.0.0.1:{port} closed the connection; fixture on this machine plays"
    assert news[1].endswith("plays from now on")


def test_what_the_server_cannot_do_this_machine_does(
    server: RunningGateway, engine: FailoverEngine, reports: Reports
) -> None:
    both_ready(engine, reports)

    async def refuses(request: PlanRequest, left_ns: int) -> bytes:
        return pack(ERROR, {"id": request.id, "text": "no"})

    before, server.engine = len(reports.news), refuses
    engine.submit(replace(REQUEST, id=4))
    reports.wait(lambda: reports.plans == [4])
    assert engine.well
    assert reports.news[before:] == []


def test_a_server_that_babbles_is_left(
    server: RunningGateway, engine: FailoverEngine, reports: Reports
) -> None:
    both_ready(engine, reports)

    async def babbles(request: PlanRequest, left_ns: int) -> bytes:
        return b"P\x02\0\0\0{}"

    server.engine = babbles
    engine.submit(replace(REQUEST, id=5))
    reports.wait(lambda: reports.plans == [5])
    assert "makes no sense (KeyError)" in reports.news[-1]


def test_while_the_server_takes_a_moment_this_machine_is_asked_too_and_nothing_is_told(
    server: RunningGateway, engine: FailoverEngine, reports: Reports
) -> None:
    both_ready(engine, reports)
    before = len(reports.news)

    answered = []

    async def stalls(request: PlanRequest, left_ns: int) -> bytes:
        await asyncio.sleep(0.35)
        answered.append(request.id)
        return await sound(request, left_ns)

    server.engine = stalls
    begun_s = time.monotonic()
    engine.submit(replace(REQUEST, id=11))
    reports.wait(lambda: reports.plans == [11])
    assert time.monotonic() - begun_s > 0.19
    assert not answered
    reports.wait(lambda: reports.plans == [11, 11])  # the planner takes the first
    assert engine.well
    assert len(reports.news) == before


def test_only_the_newest_waits_while_one_is_with_the_server(
    server: RunningGateway, engine: FailoverEngine, reports: Reports
) -> None:
    both_ready(engine, reports)

    async def slow(request: PlanRequest, left_ns: int) -> bytes:
        await asyncio.sleep(0.1)
        return await sound(request, left_ns)

    server.engine = slow
    for number in (1, 2, 3, 4):
        engine.submit(replace(REQUEST, id=number))
    reports.wait(lambda: len(reports.plans) == 2)
    assert reports.plans == [1, 4]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda a: replace(a, token="x" * 20), "does not know the token in --engine-token-file"),
        (lambda a: replace(a, ca=None), "is not who --engine-ca vouches for"),
        (lambda a: replace(a, host="localhost"), "is not who --engine-ca vouches for"),
        (lambda a: replace(a, port=1), "has no engine server at that port"),
    ],
)
def test_who_does_not_get_in_is_told_why_and_plays_alone(
    server: RunningGateway, reports: Reports, spoil: Callable[..., object], why: str
) -> None:
    engine = FailoverEngine(spoil(server.address), reports.append)  # type: ignore[arg-type]
    try:
        engine.start(SPEC)
        engine.submit(replace(REQUEST, id=6))
        reports.wait(lambda: reports.plans == [6])
        reports.wait(lambda: bool(reports.news))
        time.sleep(0.8)
        assert len(reports.news) == 1
        assert why in reports.news[0]
    finally:
        engine.stop()


def test_a_preset_whose_model_the_server_lacks_is_played_here(
    engine: FailoverEngine, reports: Reports
) -> None:
    both_ready(engine, reports)
    default = Path(__file__).parents[3] / "presets" / "default.pt"
    engine.switch(EngineSpec(str(default), preset="default"))
    reports.wait(lambda: not engine.well)
    assert "does not have the model of 'default', only fixture" in reports.news[-1]
    engine.switch(SPEC)
    reports.wait(lambda: engine.well)
    engine.submit(replace(REQUEST, id=8))
    reports.wait(lambda: reports.plans == [8])


def restarted(server: RunningGateway, folder: Path, **more: object) -> RunningGateway:
    """Another server at the same place."""
    server.end()
    return RunningGateway(folder, port=server.port, **more)  # type: ignore[arg-type]


def test_a_server_that_comes_back_with_another_model_is_told_of_and_left(
    server: RunningGateway, engine: FailoverEngine, reports: Reports, tmp_path: Path
) -> None:
    both_ready(engine, reports)
    before = len(reports.news)
    again = restarted(server, tmp_path, offer=replace(OFFER, digest="ab" * 32, name="another"))
    try:
        reports.wait(lambda: len(reports.news) == before + 2)
        assert "closed the connection" in reports.news[before]
        assert "does not have the model of 'fixture', only another" in reports.news[-1]
        engine.submit(replace(REQUEST, id=41))
        reports.wait(lambda: reports.plans == [41])
        assert not engine.well
        again = restarted(again, tmp_path)
        reports.wait(lambda: engine.well)
        assert len(reports.news) == before + 3
    finally:
        again.end()


def test_a_token_that_is_no_longer_good_is_told_though_the_loss_has_been(
    server: RunningGateway, engine: FailoverEngine, reports: Reports, tmp_path: Path
) -> None:
    both_ready(engine, reports)
    before = len(reports.news)
    server.credentials.token.write_text("another-token-for-a-new-class\n")
    again = restarted(server, tmp_path)
    try:
        reports.wait(lambda: len(reports.news) == before + 2)
        time.sleep(1.0)  # it goes on trying
        assert "closed the connection" in reports.news[before]
        assert "does not know the token" in reports.news[before + 1]
        assert len(reports.news) == before + 2
    finally:
        again.end()


def test_its_threads_turn_though_nothing_happens(engine: FailoverEngine, reports: Reports) -> None:
    both_ready(engine, reports)
    before = engine.healths
    assert [health.name for health in before] == ["engine-link", "engine"]
    time.sleep(1.2)
    for earlier, later in zip(before, engine.healths, strict=True):
        assert later.alive
        assert later.turned_ns > earlier.turned_ns


def test_what_ends_the_connections_work_costs_the_connection_only(
    engine: FailoverEngine, reports: Reports
) -> None:
    """The thread begins anew, with a loop of its own, and plans come from the server again."""
    both_ready(engine, reports)
    work = engine._link._work
    assert work is not None
    engine._link.call(engine._link._stop_work)
    reports.wait(work.done)
    reports.wait(lambda: len(reports.news) >= 2 and engine.well)
    assert engine._link._work is not work
    assert engine.healths[0].alive
    engine.submit(replace(REQUEST, id=31))
    reports.wait(lambda: 31 in reports.plans)
    assert engine.from_server > 0


def test_a_fault_of_the_connection_is_counted_and_it_goes_on(
    engine: FailoverEngine, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_ready(engine, reports)
    faults = iter([RuntimeError("a gap"), RuntimeError("another")])
    sound = engine._link._keep_connected

    async def gap() -> None:
        for fault in faults:
            raise fault
        await sound()

    monkeypatch.setattr(engine._link, "_keep_connected", gap)
    engine._link.call(engine._link._stop_work)
    reports.wait(lambda: engine.healths[0].faults == 2)
    engine.submit(replace(REQUEST, id=32))  # while it is down, or just up
    reports.wait(lambda: engine.well)
    reports.wait(lambda: 32 in reports.plans)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_is_seen(engine: FailoverEngine, reports: Reports) -> None:
    """What not even the guard of a turn holds: the daemon leaves with a code of its own."""
    both_ready(engine, reports)

    def leave() -> None:
        raise SystemExit

    engine._link.call(leave)
    reports.wait(lambda: not engine.healths[0].alive)
    with pytest.raises(ThreadEndedError, match="the engine-link thread has ended"):
        list(ThreadWatch().hanging(engine.healths, time.perf_counter_ns()))
