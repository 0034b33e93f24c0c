from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.commands import Command, EngineState, PlanArrived
from bridge.engine_host.child import EngineChild, spawn
from bridge.engine_host.main import Cue, EngineSpec, default_threads, warm_up_request
from bridge.engine_host.supervisor import EngineSupervisor
from engine.requests.fixture import FixtureGenerator
from engine.requests.request import SampleSettings
from tests.processes import running
from tests.steady import least, took_s

REQUEST = warm_up_request(SampleSettings())


class Reports(list[Command]):
    """What a supervisor reported."""

    def wait(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        end_s = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end_s, f"in vain; reported: {[str(c)[:80] for c in self]}"
            time.sleep(0.002)

    def states(self) -> list[str]:
        return [command.state for command in self if isinstance(command, EngineState)]

    def engine(self) -> list[EngineState]:
        return [command for command in self if isinstance(command, EngineState)]

    def plans(self) -> list[int]:
        return [command.plan.id for command in self if isinstance(command, PlanArrived)]


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def supervisor(reports: Reports) -> Iterator[EngineSupervisor]:
    supervisor = EngineSupervisor(reports.append)
    yield supervisor
    supervisor.stop()


def fixture_spec(**more: object) -> EngineSpec:
    return EngineSpec("fixture", preset="fixture", **more)  # type: ignore[arg-type]


def test_plans_come_from_the_other_process_as_the_engine_made_them(
    supervisor: EngineSupervisor, reports: Reports
) -> None:
    supervisor.start(fixture_spec())
    supervisor.submit(replace(REQUEST, id=7))
    reports.wait(lambda: reports.plans() == [7])
    assert reports.states() == ["starting", "ready"]
    arrived = next(command for command in reports if isinstance(command, PlanArrived))
    assert arrived.plan.notes == FixtureGenerator().plan(REQUEST).notes
    assert supervisor.pids
    assert supervisor.pids[0] != os.getpid()
    assert supervisor.metadata["name"] == "fixture"


@pytest.mark.real_time
def test_while_one_is_in_flight_only_the_newest_waits(
    supervisor: EngineSupervisor, reports: Reports
) -> None:
    supervisor.start(fixture_spec(delay_ms=100))
    reports.wait(lambda: "ready" in reports.states())
    supervisor.submit(replace(REQUEST, id=1))
    time.sleep(0.03)  # the first is with the engine by now, for 100 ms
    for number in (2, 3, 4, 5):
        supervisor.submit(replace(REQUEST, id=number))
    reports.wait(lambda: len(reports.plans()) == 2)
    assert reports.plans() == [1, 5]


def test_submit_never_blocks(supervisor: EngineSupervisor, reports: Reports) -> None:
    supervisor.start(fixture_spec(delay_ms=300))
    reports.wait(lambda: "ready" in reports.states())

    def submits() -> None:
        for number in range(10):
            supervisor.submit(replace(REQUEST, id=number))

    assert least(lambda: took_s(submits), 0.25) < 0.25  # a plan takes 300 ms


def test_a_killed_engine_comes_back(supervisor: EngineSupervisor, reports: Reports) -> None:
    supervisor.start(fixture_spec())
    reports.wait(lambda: "ready" in reports.states())
    os.kill(supervisor.pids[0], signal.SIGKILL)
    reports.wait(lambda: "down" in reports.states())
    supervisor.submit(replace(REQUEST, id=9))
    reports.wait(lambda: reports.plans() == [9])
    assert reports.states() == ["starting", "ready", "down", "starting", "ready"]
    assert supervisor.restarts == 1


def test_a_request_that_was_with_a_killed_engine_is_asked_again(
    supervisor: EngineSupervisor, reports: Reports
) -> None:
    supervisor.start(fixture_spec(delay_ms=200))
    reports.wait(lambda: "ready" in reports.states())
    supervisor.submit(replace(REQUEST, id=4))
    time.sleep(0.05)  # it is with the engine, for 200 ms
    os.kill(supervisor.pids[0], signal.SIGKILL)
    reports.wait(lambda: reports.plans() == [4])


def test_a_standby_steps_in_at_once(supervisor: EngineSupervisor, reports: Reports) -> None:
    supervisor.start(fixture_spec(standby=True))
    reports.wait(lambda: "ready" in reports.states() and len(supervisor.pids) == 2)
    first, second = supervisor.pids
    os.kill(first, signal.SIGKILL)
    supervisor.submit(replace(REQUEST, id=5))
    reports.wait(lambda: reports.plans() == [5], 60)
    assert supervisor.pids[0] == second
    reports.wait(lambda: len(supervisor.pids) == 2)  # and there is another
    assert supervisor.pids[1] not in (first, second)
    supervisor.stop()
    assert not any(_alive(pid) for pid in (first, second))


def test_a_standby_that_dies_costs_nothing(supervisor: EngineSupervisor, reports: Reports) -> None:
    supervisor.start(fixture_spec(standby=True))
    reports.wait(lambda: "ready" in reports.states() and len(supervisor.pids) == 2)
    first, second = supervisor.pids
    os.kill(second, signal.SIGKILL)
    reports.wait(lambda: supervisor.pids == (first,))
    supervisor.submit(replace(REQUEST, id=6))
    reports.wait(lambda: reports.plans() == [6])
    assert reports.states() == ["starting", "ready"]


def test_the_old_engine_serves_until_the_new_one_is_ready(
    supervisor: EngineSupervisor, reports: Reports
) -> None:
    supervisor.start(fixture_spec())
    reports.wait(lambda: "ready" in reports.states())
    old = supervisor.pids[0]
    supervisor.switch(fixture_spec(delay_ms=150))  # three warm-up calls, so 450 ms at least
    reports.wait(lambda: reports.states() == ["starting", "ready", "loading"])
    supervisor.submit(replace(REQUEST, id=1))
    reports.wait(lambda: reports.plans() == [1])
    assert reports.states().count("ready") == 1
    reports.wait(lambda: reports.states().count("ready") == 2)
    assert supervisor.pids[0] != old
    assert len(supervisor.pids) == 1


def test_a_preset_with_the_same_engine_needs_no_new_process(
    supervisor: EngineSupervisor, reports: Reports
) -> None:
    supervisor.start(fixture_spec())
    reports.wait(lambda: "ready" in reports.states())
    old = supervisor.pids
    supervisor.switch(EngineSpec("fixture", preset="other"))
    supervisor.submit(replace(REQUEST, id=1))
    reports.wait(lambda: reports.plans() == [1])
    assert supervisor.pids == old
    assert reports.states() == ["starting", "ready"]


def test_back_to_the_first_engine_while_another_loads_is_ready_again(
    supervisor: EngineSupervisor, reports: Reports
) -> None:
    first = fixture_spec()
    supervisor.start(first)
    reports.wait(lambda: "ready" in reports.states())
    pids = supervisor.pids
    for turn in (1, 2):
        supervisor.switch(EngineSpec("fixture", preset="other", delay_ms=60_000))  # for ever, here
        reports.wait(lambda: reports.states()[-1] == "loading")
        assert len(supervisor.pids) == 2
        supervisor.submit(replace(REQUEST, id=turn))  # the first goes on meanwhile
        reports.wait(lambda turn=turn: reports.plans()[-1:] == [turn])  # type: ignore[misc]
        supervisor.switch(first)
        reports.wait(lambda turn=turn: reports.states().count("ready") == 1 + turn)  # type: ignore[misc]
        assert supervisor.pids == pids
    assert reports.states() == ["starting", "ready", "loading", "ready", "loading", "ready"]
    begun, again = reports.engine()[1], reports.engine()[-1]
    assert again.detail == begun.detail
    assert again.detail.startswith("fixture on none, ")
    assert (again.plan_ns, again.calls) == (begun.plan_ns, begun.calls)
    supervisor.submit(replace(REQUEST, id=3))
    reports.wait(lambda: reports.plans() == [1, 2, 3])


def test_a_model_that_cannot_be_loaded_is_told_and_not_tried_again(
    supervisor: EngineSupervisor, reports: Reports, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no model")
    supervisor.start(EngineSpec(str(broken), device="cpu"))
    reports.wait(lambda: bool(supervisor.refused), 60)
    assert reports.states() == ["starting", "down"]
    assert supervisor.pids == ()


def test_a_switch_to_a_broken_model_leaves_the_old_one_and_says_so(
    supervisor: EngineSupervisor, reports: Reports, tmp_path: Path
) -> None:
    supervisor.start(fixture_spec())
    reports.wait(lambda: "ready" in reports.states())
    supervisor.switch(EngineSpec(str(tmp_path / "none.pt"), device="cpu", preset="broken"))
    reports.wait(lambda: "refused" in reports.states(), 60)
    supervisor.submit(replace(REQUEST, id=3))
    reports.wait(lambda: reports.plans() == [3])


def test_an_engine_that_died_while_a_broken_one_was_loading_comes_back(
    supervisor: EngineSupervisor, reports: Reports, tmp_path: Path
) -> None:
    supervisor.start(fixture_spec())
    reports.wait(lambda: "ready" in reports.states())
    supervisor.switch(EngineSpec(str(tmp_path / "none.pt"), device="cpu", preset="broken"))
    reports.wait(lambda: "loading" in reports.states())
    os.kill(supervisor.pids[0], signal.SIGKILL)
    reports.wait(lambda: reports.states().count("ready") == 2, 60)
    assert reports.states() == [
        *("starting", "ready", "loading", "down", "refused", "starting", "ready"),
    ]
    supervisor.submit(replace(REQUEST, id=3))
    reports.wait(lambda: reports.plans() == [3])


def test_a_process_that_cannot_be_begun_is_tried_again(
    supervisor: EngineSupervisor, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when no file descriptor is free."""
    supervisor.start(fixture_spec())
    reports.wait(lambda: "ready" in reports.states())
    failed: list[object] = []

    def spawn_later(cue: Cue | None) -> EngineChild:
        if len(failed) < 3:
            failed.append(cue)
            raise OSError(errno.EMFILE, "Too many open files")
        return spawn(cue)

    monkeypatch.setattr("bridge.engine_host.supervisor.spawn", spawn_later)
    os.kill(supervisor.pids[0], signal.SIGKILL)
    begun_s = time.monotonic()
    reports.wait(lambda: reports.states().count("ready") == 2)
    assert time.monotonic() - begun_s < 5.0
    assert "no engine process: [Errno 24] Too many open files" in [
        each.detail for each in reports.engine()
    ]
    assert supervisor.healths[0].faults == 0


def test_the_engine_does_not_outlive_a_killed_daemon() -> None:
    program = (
        "from bridge.engine_host.supervisor import EngineSupervisor\n"
        "from bridge.engine_host.main import EngineSpec\n"
        "import time\n"
        "if __name__ == '__main__':\n"
        "    supervisor = EngineSupervisor(lambda c: None)\n"
        "    supervisor.start(EngineSpec('fixture'))\n"
        "    while not supervisor.metadata: time.sleep(0.01)\n"
        "    print(supervisor.pids[0], flush=True)\n"
        "    time.sleep(60)\n"
    )
    with running([sys.executable, "-c", program], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        engine = int(daemon.stdout.readline())
        assert _alive(engine)
        daemon.kill()
    end_s = time.monotonic() + 10
    while _alive(engine):
        assert time.monotonic() < end_s, "the engine process is still there"
        time.sleep(0.01)


def test_there_is_at_least_one_thread_and_a_core_is_left() -> None:
    assert 1 <= default_threads() <= max(1, (os.cpu_count() or 1) - 1)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process whose parent is gone may stay as a zombie where nobody collects it.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return sys.platform != "linux"
