"""The engine misbehaves in the middle of a bar: the music goes on, and the cause is told once."""

from __future__ import annotations

import os
import random
import resource
import signal
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.bench.live import clock_score, merge_messages, tune, tune_score
from bridge.client.rig import wait_for
from bridge.osc.wire import OscMessage
from tests.live.conftest import Band, StartBand

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

BPM = 120.0
PROGRAM = (str(Path(__file__).with_name("faulty_daemon.py")),)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is told of it ("" for nothing), and what becomes of the engine.

    calls: how many requests go wrong. bars: long enough for the music to be as it was before.
    """

    told: str = ""
    restarts: int = 0
    calls: int = 1
    bars: int = 5


FAULTS = {
    "raise": Fault("the model broke", calls=3),
    "nan": Fault("cannot convert float NaN"),
    "garbage": Fault("makes no sense", restarts=1),
    "babble": Fault("makes no sense", restarts=1),
    "die": Fault("the engine died", restarts=1),
    "killed": Fault("the engine died", restarts=1),
    "hang": Fault("did not answer", restarts=1, bars=7),
    "late": Fault(bars=6),
}


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the engine looks for what to do wrong."""
    path = tmp_path / "orders"
    monkeypatch.setenv("FAULTY_ENGINE_ORDERS", str(path))
    return path


def perform(played: Band, bars: int, bpm: float, strike: Callable[[], object]) -> list[OscMessage]:
    """Play, with `strike` in the middle of a bar; gives what was told over OSC."""
    played.osc.subscribe()
    score = merge_messages(tune_score(tune(bars), bpm), clock_score(4 * bars, bpm))
    played.start_ns = time.perf_counter_ns() + 50_000_000
    with ThreadPoolExecutor(1) as pool:
        playing = played.midi.play_aside(score, played.start_ns, pool)
        wait_for(lambda: len({note.on_ns // 10**8 for note in played.notes}) >= 2, 60, "two chords")
        strike()
        playing.result()
    played.wait_silent()
    return list(iter(lambda: played.osc.receive(0.2), None))


def beats_heard(played: Band, bpm: float) -> set[int]:
    """Beats on which the reply began a note; all notes come through the ports equally late."""
    places = played.beats(bpm)
    delay = statistics.median(place - round(place) for place in places)
    return {round(place - delay) for place in places}


def errors(told: list[OscMessage]) -> list[str]:
    """What was said of the engine at /diffuse/out/error."""
    found = [each.arguments for each in told if each.address == "/diffuse/out/error"]
    return [str(text) for source, text in found if source == "engine"]


def causes(told: list[OscMessage]) -> list[str]:
    """What was said of the fault itself.

    A machine may take so long to start an engine anew that no beat of the last plan is left.
    Then the last bars are played again, and that is told as well, once.
    """
    return [text for text in errors(told) if "no plan in time" not in text]


@pytest.mark.parametrize("name", FAULTS)
def test_music_goes_on_when_the_engine_fails(band: StartBand, orders: Path, name: str) -> None:
    fault = FAULTS[name]
    played = band("--no-log", program=PROGRAM)
    pid = int(played.osc.stats()["engine_pid"])

    def strike() -> None:
        if name == "killed":
            os.kill(pid, signal.SIGKILL)
            return
        orders.write_text(f"{name} {fault.calls}")
        wait_for(lambda: not orders.exists(), 20, "the fault")

    told = perform(played, fault.bars, BPM, strike)
    figures = played.osc.stats()
    # From the reply's first bar to the last, a chord on every beat: of this plan or an older one.
    missing = set(range(4, 4 * fault.bars)) - beats_heard(played, BPM)
    assert len(missing) <= figures["late"], (missing, played.beats(BPM), figures)
    assert (figures["rest"], figures["silent"], figures["faults"]) == (0, 0, 0), figures
    assert figures["late"] <= played.stalls(), figures
    assert figures["engine_restarts"] == fault.restarts
    assert (int(figures["engine_pid"]) == pid) == (not fault.restarts)
    assert len(causes(told)) == bool(fault.told), told
    assert all(fault.told in text for text in causes(told))
    assert len(errors(told)) - len(causes(told)) <= fault.restarts, told
    assert played.daemon.errors.count(fault.told) == 1 or not fault.told
    assert played.daemon.end() == 0
    assert "Traceback" not in played.daemon.errors


def fight(
    played: Band, bars: int, blow: Callable[[int], object], every_s: float, silent: int = 0
) -> None:
    """Strike again and again, from the reply's first notes on; there is music on every beat.

    silent: beats that a model, unlike the fixture, may choose to leave.
    """
    played.osc.subscribe()
    score = merge_messages(tune_score(tune(bars), BPM), clock_score(4 * bars, BPM))
    played.start_ns = time.perf_counter_ns() + 50_000_000
    with ThreadPoolExecutor(1) as pool:
        playing = played.midi.play_aside(score, played.start_ns, pool)
        wait_for(lambda: len({note.on_ns // 10**8 for note in played.notes}) >= 2, 60, "two chords")
        while not playing.done():
            blow(int(played.osc.stats()["engine_pid"]))
            end_s = time.monotonic() + every_s
            while time.monotonic() < end_s:
                played.osc.receive(0.1)
    played.wait_silent()
    figures = played.osc.stats()
    assert (figures["rest"], figures["faults"]) == (0, 0), figures
    assert figures["silent"] <= silent, figures
    assert figures["late"] <= played.stalls(), figures
    heard = figures["fresh"] + figures["stale"] + figures["late"]
    assert heard >= 4 * bars - 5 - figures["silent"], figures
    assert played.sounding() == []


def kill(pid: int) -> None:
    if pid:
        os.kill(pid, signal.SIGKILL)


def test_an_engine_killed_again_and_again_leaves_no_beat_without_notes(band: StartBand) -> None:
    fight(band("--no-log"), 6, kill, 1.1)


@pytest.mark.stage
def test_an_engine_killed_every_five_seconds_for_a_minute(band: StartBand) -> None:
    fight(band("--no-log", "--preset", "default"), 30, kill, 5.6, silent=2)


@pytest.mark.stage
def test_an_engine_that_stands_still_for_ten_seconds_leaves_no_beat_without_notes(
    band: StartBand,
) -> None:
    def stop(pid: int) -> None:
        if pid:
            os.kill(pid, signal.SIGSTOP)

    fight(band("--no-log"), 10, stop, 10.0)


@pytest.mark.stage
def test_an_engine_killed_while_no_descriptor_is_free_comes_back_within_five_seconds(
    band: StartBand,
) -> None:
    played = band("--no-log", "--clock", "internal", "--tempo", "120")
    pid = played.daemon.process.pid
    played.osc.send("/diffuse/start")
    played.osc.send("/diffuse/note", 72, 90)
    played.wait_sounding()
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    kill(int(played.osc.stats()["engine_pid"]))
    time.sleep(3.0)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    before, end_s = played.osc.stats()["fresh"], time.monotonic() + 5.0
    while played.osc.stats()["fresh"] <= before:
        assert time.monotonic() < end_s, "no fresh beat"
        time.sleep(0.2)
    played.osc.send("/diffuse/stop")
    played.wait_silent()


@pytest.mark.stage
@pytest.mark.timeout(900)
def test_chaos_for_200_bars_leaves_no_beat_without_notes(band: StartBand) -> None:
    """Kills, stops, floods and a lack of descriptors, drawn from a fixed seed."""
    draw = random.Random(11)
    played = band("--no-log")
    pid = played.daemon.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)

    def blow(engine: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        what = draw.choice(["kill", "stop", "flood", "descriptors", "nothing"])
        if what in ("kill", "descriptors"):
            kill(engine)
        if what == "descriptors":
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        if what == "stop" and engine:
            os.kill(engine, signal.SIGSTOP)
        if what == "flood":
            for number in range(5000):
                played.osc.send("/diffuse/temperature", 0.5 + number / 10_000)

    try:
        fight(played, 200, blow, 4.0)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def test_an_engine_that_fails_every_time_is_replaced(band: StartBand, orders: Path) -> None:
    played = band("--no-log", program=PROGRAM)
    pid = int(played.osc.stats()["engine_pid"])
    told = perform(played, 7, BPM, lambda: orders.write_text("raise 4"))
    figures = played.osc.stats()
    first, second = errors(told)
    assert "the model broke" in first
    assert "failed 4 times in a row (" in second
    assert "the model broke" in second
    assert figures["engine_restarts"] == 1
    assert int(figures["engine_pid"]) != pid
    assert set(range(16, 28)) - beats_heard(played, BPM) == set()
    assert played.sounding() == []


def test_a_plan_that_is_late_is_told_by_the_state(band: StartBand, orders: Path) -> None:
    """The beats meanwhile are played from the plan before it; then all is as it was."""
    played = band("--no-log", program=PROGRAM)
    told = perform(played, 6, BPM, lambda: orders.write_text("late 1"))
    states = [each.arguments[0] for each in told if each.address == "/diffuse/out/state"]
    assert states.count("late") == 1, states
    assert states[states.index("late") + 1] == "playing"


def test_a_network_that_gives_no_numbers_is_told(band: StartBand, orders: Path) -> None:
    """The shipped model with weights that are not numbers for one plan: not taken for silence."""
    played = band("--no-log", "--preset", "default", program=PROGRAM)
    told = perform(played, 6, 100.0, lambda: orders.write_text("nan-weights 1"))
    figures = played.osc.stats()
    assert errors(told) == ["the network's output is not a number"]
    assert played.daemon.errors.count("not a number") == 1
    assert (figures["engine_restarts"], figures["faults"]) == (0, 0)
    bars = {beat // 4 for beat in beats_heard(played, 100.0)}
    assert bars >= {2, 3, 4, 5}, played.beats(100.0)  # every bar after the one it happened in
