"""Versions, real-time rights, timers, OSC port, folders, presets and their models, the engine."""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bridge.doctor.finding import FAIL, OK, WARN, Finding
from bridge.osc.server import OscServer
from bridge.osc.udp import OscPortError
from bridge.realtime import raise_priority, sleep_until
from bridge.settings import presets
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS

_PYTHONS = ((3, 11), (3, 12))
_PACKAGES = ("torch", "numpy", "python-rtmidi")
_NAPS, _NAP_MS = 200, 2
_LATE_MS = 5.0
_SLOW_MS, _TOO_SLOW_MS = 250.0, 1000.0
"""A plan should take less than half a beat at 120 bpm; more than two, and nothing is fresh."""
_PLANS = 5


def versions() -> Finding:
    """Return which versions of what."""
    own = " ".join(
        [f"midi-diffuse {_version('midi-diffuse')}", f"Python {platform.python_version()}"]
    )
    parts = [own, *(f"{name} {_version(name)}" for name in _PACKAGES), platform.platform()]
    if sys.version_info[:2] in _PYTHONS:
        return Finding("versions", OK, ", ".join(parts))
    fix = "install Python 3.11 or 3.12: python-rtmidi has wheels for no newer one"
    return Finding("versions", WARN, ", ".join(parts), fix)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def realtime() -> Finding:
    """Find out whether our threads may go first."""
    with ThreadPoolExecutor(1) as pool:  # a thread of its own, since the priority stays
        found = pool.submit(raise_priority).result()
    if found.startswith("real-time"):
        return Finding("real-time priority", OK, found)
    fix = (
        "Linux: `sudo usermod -aG audio $USER` with rtprio in limits.d/audio.conf, or install rtkit"
    )
    return Finding("real-time priority", WARN, f"not allowed ({found})", fix)


def timers() -> Finding:
    """Return how late this machine wakes a thread that sleeps."""
    with ThreadPoolExecutor(1) as pool:
        late_ms = sorted(pool.submit(_naps).result())
    p99 = late_ms[int(0.99 * len(late_ms))]
    text = f"median {statistics.median(late_ms):.2f} ms late, 99 in 100 under {p99:.1f} ms"
    fix = "something else keeps the cores busy; close it, or see real-time priority"
    return Finding("timers", OK, text) if p99 < _LATE_MS else Finding("timers", WARN, text, fix)


def _naps() -> list[float]:
    raise_priority()
    late = []
    for _ in range(_NAPS):
        due_ns = time.perf_counter_ns() + _NAP_MS * NS_PER_MS
        sleep_until(due_ns)
        late.append((time.perf_counter_ns() - due_ns) / NS_PER_MS)
    return late


def osc_port(port: int) -> Finding:
    """Find out whether the OSC port is to be had."""
    try:
        OscServer("127.0.0.1", port, None, lambda command: None).stop()
    except OscPortError as err:
        return Finding("OSC port", WARN, str(err), "fine if a midi-diffuse runs there already")
    return Finding("OSC port", OK, f"{port} is free")


def folder(path: Path) -> Finding:
    """Find out whether the event log can be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as err:
        fix = "make it writable, or start with --log FOLDER or --no-log"
        return Finding("log folder", WARN, f"{path}: {err.strerror or err}", fix)
    return Finding("log folder", OK, str(path))


def models() -> list[Finding]:
    """Find out whether presets are whole, and their models shipped or trusted ones."""
    listed = presets.list_presets()
    bad = [
        Finding("preset", FAIL if each.origin == "shipped" else WARN, f"{each.name}: {each.error}")
        for each in listed
        if each.preset is None
    ]
    good = sum(each.preset is not None for each in listed)
    return [*bad, Finding("presets", OK if good else FAIL, f"{good} can be used, models intact")]


def engine(name: str) -> Finding:
    """Load the preset's model and time its plans."""
    from bridge.engine_host.main import load_model, warm_up_request

    preset = presets.load(name)
    if preset.model is None:
        return Finding("engine", OK, f"preset {name} has no network")
    knobs = Knobs(preset.settings)
    generator = load_model(Path(preset.model), knobs.text("device"))
    request = warm_up_request(knobs.sample_settings(knobs.integer("steps")))
    generator.plan(request)
    took_ms = [generator.plan(request).elapsed_ns / NS_PER_MS for _ in range(_PLANS)]
    return engine_finding(name, str(generator.metadata["device"]), statistics.median(took_ms))


def engine_finding(name: str, device: str, plan_ms: float) -> Finding:
    """Return what the time of a plan says."""
    text = f"preset {name} on {device}: {plan_ms:.0f} ms a plan"
    fix = "fewer `--steps`, a slower tempo, `--reply next-bar`, or a GPU (`--device cuda`)"
    level = OK if plan_ms < _SLOW_MS else WARN if plan_ms < _TOO_SLOW_MS else FAIL
    return Finding("engine", level, text, "" if level == OK else fix)
