"""The server for long and under load: memory, several replicas, more of them when there is need."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bridge.bench.cluster import saturated, stats
from bridge.client.engine_server import ServerProcess
from bridge.client.rig import PRIVATE, memory_mb
from bridge.engine_server.open_ports import family, supported
from tests.stage_figures import figure

pytest.importorskip("ray", reason="needs the extra `cluster`")
pytestmark = [
    pytest.mark.stage,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not supported(), reason="looks at /proc"),
]
REQUESTS = 10_000


def test_memory_stays_flat(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--preset", "fixture", "--batch", "8") as server:

        def ask_until(count: int) -> None:
            while stats(server.address).get("asked", 0) < count:
                saturated(server.address, "fixture", 8, 10.0)

        def private_mb() -> float:
            return memory_mb(family(server.process.pid), PRIVATE)

        ask_until(2_000)  # caches and pools have their size by now
        before_mb = private_mb()
        ask_until(2_000 + REQUESTS)
        grown_mb = private_mb() - before_mb
        place = f"engine server: memory after {REQUESTS:,} requests"
        figure(place, f"{grown_mb:+.1f} MB of {before_mb:.0f}", "< 15 MB more")
        assert grown_mb < 15


def test_two_replicas_answer_twice_as_many(tmp_path: Path) -> None:
    delay_ms, rates = 200, {}
    for replicas in ("1", "2"):
        arguments = ("--preset", "fixture", "--delay-ms", str(delay_ms), "--batch", "1")
        with ServerProcess(tmp_path, *arguments, "--replicas", replicas) as server:
            rates[replicas] = saturated(server.address, "fixture", 8, 10.0)
    figure("engine server: two replicas against one", f"{rates['2'] / rates['1']:.2f}", ">= 1.6")
    assert rates["2"] >= 1.6 * rates["1"]


def test_another_replica_comes_when_there_is_need(tmp_path: Path) -> None:
    arguments = ("--preset", "fixture", "--delay-ms", "200", "--batch", "1")
    with ServerProcess(tmp_path, *arguments, "--replicas", "1-2") as server:
        before = saturated(server.address, "fixture", 1, 3.0)
        end_s = time.monotonic() + 120
        while (rate := saturated(server.address, "fixture", 8, 5.0)) < 1.6 * before:
            assert time.monotonic() < end_s, f"{rate} plans a second, {before} before"
