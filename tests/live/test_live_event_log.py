"""Played on real ports: the event log replays exactly, offline; the figures; an hour of it.

In CI 12 bars; `make stage` as many minutes as scripts/stage is told.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.bench.live import clock_score, merge_messages, tune, tune_score
from bridge.cli.status import ask
from bridge.client.rig import PRIVATE, memory_mb
from bridge.event_log.replay import Replay, replay
from bridge.event_log.writer import parts_of, read_lines
from tests.live.conftest import HELD_UP_MS, Band, StartBand
from tests.stage_figures import figure

pytestmark = pytest.mark.live

MINUTES = float(os.environ.get("MIDI_DIFFUSE_LIVE_MINUTES", "60"))
SAMPLES = 40
BPM = 120.0


def read_log(folder: Path) -> Replay:
    return replay(read_lines(parts_of(folder)))


@pytest.mark.timeout(120)
def test_what_was_played_live_replays_exactly(band: StartBand, tmp_path: Path) -> None:
    played = band("--log", str(tmp_path / "log"), "--listen-bars", "1")
    played.osc.subscribe()
    played.osc.send("/diffuse/temperature", 0.5)
    played.play(tune(12, "live"), beats=48, bpm=240.0)
    found = ask("127.0.0.1", played.daemon.osc_port)
    assert found.figures["fresh"] + found.figures["stale"] >= 36
    assert found.figures["log_lost"] == 0
    assert found.settings["preset"] == "fixture"
    assert found.state in ("waiting", "playing", "listening", "planning")
    command = [sys.executable, "-m", "bridge", "status", "--port", str(played.daemon.osc_port)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert [line.split()[0] for line in told.splitlines()] == [
        "state",
        "beats",
        "notes",
        "lateness",
        "engine",
        "OSC",
        "faults",
    ]
    assert played.daemon.end() == 0
    again = read_log(tmp_path / "log")
    assert again.difference is None
    assert again.exact
    assert again.ended == "stopped"
    assert again.header.settings["preset"] == "fixture"
    assert again.header.settings["listen_bars"] == 1
    ons = [data for _, data in again.sent if data[0] & 0xF0 == 0x90]
    assert len(ons) == len(played.notes) > 50
    assert sorted(data[1] for data in ons) == sorted(note.pitch for note in played.notes)
    assert len(again.late_ns) >= len(ons)


@pytest.mark.timeout(60)
def test_status_says_when_nothing_answers() -> None:
    command = [sys.executable, "-m", "bridge", "status", "--port", "9"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "no midi-diffuse answers at 127.0.0.1 port 9; start it with" in ran.stderr


def memory_of(played: Band) -> float:
    figures = played.osc.stats()
    pids = [int(figures[name]) for name in ("engine_pid", "standby_pid")]
    return memory_mb([played.daemon.process.pid, *(pid for pid in pids if pid)], PRIVATE)


@pytest.mark.stage
@pytest.mark.timeout(int(MINUTES * 90) + 300)  # its log replays many times faster than played
def test_an_hour_live(band: StartBand, tmp_path: Path) -> None:
    """The default preset; memory and lateness by quarters of the time, the log at the end."""
    bars = max(8, round(MINUTES * BPM / 4))
    played = band("--preset", "default", "--log", str(tmp_path / "log"))
    score = merge_messages(tune_score(tune(bars, "live"), BPM), clock_score(4 * bars, BPM))
    memory: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        played.start_ns = time.perf_counter_ns() + 200_000_000
        done = played.midi.play_aside(score, played.start_ns, pool)
        while not done.done():
            time.sleep(min(30.0, MINUTES * 60 / SAMPLES))
            memory.append(memory_of(played))
    time.sleep(0.5)
    figures = played.osc.stats()
    stuck = len(played.sounding())
    assert played.daemon.end() == 0
    quarter = len(memory) // 4
    grown = max(memory[-quarter:]) / max(memory[quarter : 2 * quarter]) - 1
    time_told = f"{MINUTES:g} min live"
    figure(f"{time_told}: growth of memory", f"{100 * grown:.2f} %", "< 1 %")
    names = ("fresh", "stale", "rest", "late", "silent")
    stalls_ms = played.meter.longer_than(HELD_UP_MS, played.start_ns)
    longest_ms = max(stalls_ms, default=0.0)
    figure(
        f"{time_told}: the machine stood still for 20 ms or more",
        f"{len(stalls_ms)} times, {longest_ms:.0f} ms at most",
        "",
    )
    figure(f"{time_told}: beats", ", ".join(f"{n} {figures[n]:.0f}" for n in names), "late 0")
    figure(f"{time_told}: stuck notes, faults", f"{stuck}, {figures['faults']:.0f}", "0, 0")
    log = read_log(tmp_path / "log")
    second, last = (p99_ms(log.late_ns, part) for part in (1, 3))
    figure(
        f"{time_told}: lateness p99, 2nd and 4th quarter",
        f"{second:.2f}, {last:.2f} ms",
        "does not grow",
    )
    figure(
        f"{time_told}: replay of its log", f"exact: {log.exact}, {log.stepped:,} commands", "exact"
    )
    assert stuck == 0
    assert figures["faults"] == figures["log_lost"] == 0
    assert figures["late"] <= len(stalls_ms)
    assert log.exact
    assert grown < 0.01
    assert last <= 2 * second + 1.0


def p99_ms(late_ns: list[int], quarter: int) -> float:
    size = len(late_ns) // 4
    part = sorted(late_ns[quarter * size : (quarter + 1) * size])
    return part[len(part) * 99 // 100] / 1e6 if part else 0.0
