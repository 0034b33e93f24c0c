"""When an engine hangs."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest

from bridge.engine_host.main import EngineSpec
from bridge.engine_host.patience import FIRST_NS, LEAST_NS, MOST_NS, RECENT, Patience
from bridge.engine_host.supervisor import EngineSupervisor
from bridge.timebase import NS_PER_MS, NS_PER_S
from tests.bridge.engine_host.test_supervisor import REQUEST, Reports

S = NS_PER_S


@pytest.mark.parametrize(
    ("hang_ns", "elapsed_ns", "limit_ns"),
    [
        (FIRST_NS, [100 * NS_PER_MS], 4 * S),
        (12 * S, [100 * NS_PER_MS], 12 * S),  # 40 bpm
        (2 * S, [100 * NS_PER_MS], 2 * S),  # 240 bpm
        (2 * S, [S, 100 * NS_PER_MS], 5 * S),  # it may be slow again
        (S // 3, [NS_PER_MS], LEAST_NS),
        (2 * S, [9 * S], MOST_NS),
        (2 * S, [], MOST_NS),  # nothing is known of it yet
        (2 * S, [9 * S, *[NS_PER_MS] * RECENT], 2 * S),  # long ago
    ],
)
def test_two_bars_or_several_times_what_it_takes_anyway(
    hang_ns: int, elapsed_ns: list[int], limit_ns: int
) -> None:
    patience = Patience()
    patience.hang_ns = hang_ns
    assert patience.limit_ns(elapsed_ns) == limit_ns


@pytest.mark.real_time
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no such signal here")
def test_an_engine_that_stands_still_is_replaced_after_two_bars() -> None:
    reports = Reports()
    supervisor = EngineSupervisor(reports.append)
    try:
        supervisor.start(EngineSpec("fixture", preset="fixture"))
        reports.wait(lambda: "ready" in reports.states())
        supervisor.submit(replace(REQUEST, id=1))
        reports.wait(lambda: reports.plans() == [1])
        os.kill(supervisor.pids[0], signal.SIGSTOP)
        supervisor.allow(1200 * NS_PER_MS)
        begun_s = time.monotonic()
        supervisor.submit(replace(REQUEST, id=2))
        reports.wait(lambda: "down" in reports.states())
        assert 1.2 <= time.monotonic() - begun_s < 3.5
        assert reports.engine()[-1].detail == "the engine did not answer"
        reports.wait(lambda: reports.plans() == [1, 2])  # it is asked again
    finally:
        supervisor.stop()
