"""`make stage`: runs what is too long for CI, prints one table, exits with 1 when anything failed.

Each row is a command of its own. Its figures come from the tests themselves
(`tests/stage_figures.py`) or from the JSON of a bench.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Figure = tuple[str, str, str]
"""What, measured, promised."""

PYTEST = ("-m", "pytest", "-q", "-m", "stage", "-p", "no:cacheprovider")
BRIDGE = ("-m", "bridge", "bench")


def _live(found: dict[str, Any]) -> list[Figure]:
    beats = ", ".join(f"{name} {found[name]}" for name in ("fresh", "stale", "rest", "late"))
    late, stalls = found["lateness_ms"], found["stalls_ms"]
    place = f"{found['bars']} bars live at {found['bpm']:g} bpm, preset {found['preset']}"
    if found["slow_down"] > 1:
        place += f", engine slowed {found['slow_down']:g}x"
    return [
        (f"{place}: beats", beats, "fresh >= 99 %, rest 0, late 0"),
        (
            f"{place}: stuck, unsent, faults",
            f"{found['stuck_notes']}, {found['unsent']}, {found['faults']}",
            "0, 0, 0",
        ),
        (f"{place}: lateness p50, p99, max", f"{late['p50']}, {late['p99']}, {late['max']} ms", ""),
        (
            f"{place}: the machine itself stood still for 5 ms or more",
            f"{stalls['count']} times, {stalls['longest']} ms at most",
            "",
        ),
        (
            f"{place}: engine p50, p95",
            f"{found['engine_ms']['p50']}, {found['engine_ms']['p95']} ms",
            "p95 <= 400 ms",
        ),
        (
            f"{place}: memory, CPU",
            f"{found['memory_mb']} MB, {found['cpu_percent']} %",
            "<= 1000 MB",
        ),
    ]


def _live_broken(found: dict[str, Any]) -> list[str]:
    """Which promises a live run on a quiet machine did not keep; 20 times slower may rest."""
    never = ["stuck_notes", "unsent", "faults", "late"] + ["rest"] * (found["slow_down"] < 20)
    broken = [f"{name} {found[name]}" for name in never if found[name]]
    if found["slow_down"] <= 1 and found["fresh_percent"] < 99:
        broken.append(f"fresh {found['fresh_percent']} %")
    return broken


def _flat(found: Any, path: str = "") -> list[Figure]:
    """Every figure of a bench whose layout is its own."""
    if isinstance(found, dict):
        return [row for key, value in found.items() for row in _flat(value, f"{path} {key}")]
    return [(path.strip(), str(found), "")]


def _fuzz(found: dict[str, Any]) -> list[Figure]:
    return [("inputs that keep to the grammar, survived", found["survived"], "all; 1,000,000")]


def _jitter(found: dict[str, Any]) -> list[Figure]:
    return _flat({f"jitter: {key}": value for key, value in found.items() if key != "machine"})


def _cluster(found: dict[str, Any]) -> list[Figure]:
    rate = found["plans_a_second"]
    rows = [
        (
            "engine server: plans a second in batches, one by one",
            f"{rate['batched']}, {rate['one_by_one']}",
            "",
        )
    ]
    for each in found["runs"]:
        place = f"engine server, {each['players']} players, network {each['weather']}"
        times = f"{each['p50_ms']}, {each['p95_ms']} ms"
        rows.append((f"{place}: fresh, p50, p95", f"{each['fresh_percent']} %, {times}", ""))
    return rows


def _cluster_broken(found: dict[str, Any]) -> list[str]:
    """Beyond its capacity a server may be late; players are not, since their own engines are."""
    broken = [
        f"{each['players']} players, {each['weather']}: {name} {count}"
        for each in found["runs"]
        for name, count in (("stuck", each["stuck"]), ("rest", each["beats"]["rest"]))
        if count
    ]
    within = [each for each in found["runs"] if each["players"] <= 0.8 * found["capacity_players"]]
    broken += [
        f"{each['players']} players: fresh {each['fresh_percent']} %, late {each['late_notes']}"
        for each in within
        if each["fresh_percent"] < 99 or each["late_notes"]
    ]
    return broken


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to run: its arguments after `python`, and how to read its JSON.

    read: figures. broken: promises that were not kept, in words.
    """

    name: str
    arguments: Sequence[str]
    read: Callable[[dict[str, Any]], list[Figure]] | None = None
    broken: Callable[[dict[str, Any]], list[str]] = lambda found: []


ROWS = (
    Row("random", (*PYTEST, "tests/bridge/live/test_session_random.py")),
    Row("fuzz", (*PYTEST, "tests/bridge/test_fuzz.py", "tests/engine/scores/test_midi_fuzz.py")),
    Row("grammar", ("-m", "scripts.fuzz", "--minutes", "60"), _fuzz),
    Row("seeds", (*PYTEST, "tests/engine/systems/test_heard.py")),
    Row("soak", (*PYTEST, "tests/bridge/live/test_soak.py")),
    Row(
        "matrix",
        (
            *PYTEST,
            "tests",
            *(
                f"--ignore=tests/{name}"
                for name in (
                    "bridge/live/test_session_random.py",
                    "bridge/test_fuzz.py",
                    "bridge/live/test_soak.py",
                    "engine/scores/test_midi_fuzz.py",
                    "engine/systems/test_heard.py",
                    "live/test_live_event_log.py",
                )
            ),
        ),
    ),
    Row("jitter", (*BRIDGE, "jitter", "--json"), _jitter),
    Row("live", (*BRIDGE, "live", "--bars", "200", "--json"), _live, _live_broken),
    Row(
        "live-200-bpm",
        (*BRIDGE, "live", "--bars", "200", "--bpm", "200", "--json"),
        _live,
        _live_broken,
    ),
    *(
        Row(
            f"live-slow-{times}",
            (*BRIDGE, "live", "--bars", "60", "--slow-down", times, "--json"),
            _live,
            _live_broken,
        )
        for times in ("2", "5", "20")
    ),
    Row(
        "cluster",
        (*BRIDGE, "cluster", "--players", "1,8", "--batch", "2", "--json"),
        _cluster,
        _cluster_broken,
    ),
    Row("hour", (*PYTEST, "tests/live/test_live_event_log.py")),
)


@dataclass(slots=True)
class Ran:
    """How a row went."""

    row: Row
    ok: bool
    seconds: float
    figures: list[Figure] = field(default_factory=list)
    tail: str = ""


def run(row: Row, environment: dict[str, str]) -> Ran:
    """Run one row to its end; its output goes to stderr as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "figures"
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, *row.arguments],
            env={**os.environ, **environment, "MIDI_DIFFUSE_FIGURES": str(told)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - begun
        figures: list[Figure] = []
        if told.is_file():
            figures += [tuple(json.loads(line)) for line in told.read_text().splitlines()]
    broken: list[str] = []
    if row.read is not None and done.stdout.lstrip().startswith("{"):
        found = json.loads(done.stdout)
        figures += row.read(found)
        broken = row.broken(found)
    # Of pytest, 5 means that no test was there to run.
    ok = done.returncode in ((0, 5) if row.read is None else (0,)) and not broken
    tail = "" if ok else "\n".join([*broken, done.stdout[-3000:]])
    return Ran(row, ok, seconds, figures, tail)


def table(ran: Sequence[Ran]) -> str:
    """Markdown: one line a figure, and one a command."""
    lines = ["| what | measured | promised |", "|---|---|---|"]
    lines += [
        f"| {what} | {measured} | {promise} |"
        for each in ran
        for what, measured, promise in each.figures
    ]
    lines += ["", "| run | result | seconds |", "|---|---|---|"]
    lines += [
        f"| {each.row.name} | {'passed' if each.ok else 'FAILED'} | {each.seconds:.0f} |"
        for each in ran
    ]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    place = f"{os.cpu_count()} cores, {platform.platform(terse=True)}"
    place += f", Python {platform.python_version()}, load {load:.1f} at the end"
    return "\n".join([*lines, "", place])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/stage", description=__doc__)
    parser.add_argument("--live-minutes", type=float, default=60.0, help="of the long live run")
    parser.add_argument("--only", action="append", choices=[row.name for row in ROWS])
    parser.add_argument("--out", type=Path, help="write the table there too")
    given = parser.parse_args(arguments)
    environment = {"MIDI_DIFFUSE_LIVE_MINUTES": f"{given.live_minutes:g}"}
    ran: list[Ran] = []
    for row in ROWS:
        if given.only and row.name not in given.only:
            continue
        print(f"{row.name} ...", file=sys.stderr, flush=True)
        ran.append(run(row, environment))
        if ran[-1].tail:
            print(ran[-1].tail, file=sys.stderr)
    text = table(ran)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")
    return 0 if all(each.ok for each in ran) else 1


if __name__ == "__main__":
    if shutil.which("jackd") is None:
        print(
            "note: jackd is not found; live rows will fail (scripts/test installs it)",
            file=sys.stderr,
        )
    sys.exit(main())
