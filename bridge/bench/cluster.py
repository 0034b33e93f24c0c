"""`bench cluster`: simulated players on one engine server, through networks good and bad.

All on this machine, so players and server share its cores; figures are for comparing with each
other. Players are whole Sessions, so what counts as fresh or late is what counts live.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from bridge.bench.live import machine
from bridge.bench.players import Part, PlayerResult, play_all, through
from bridge.bench.shaky_network import WEATHERS, NetworkInThread, ShakyNetwork, Weather
from bridge.client.engine_server import ServerProcess
from bridge.engine_host.main import warm_up_request
from bridge.engine_host.wire import PLAN, unpack
from bridge.engine_link.address import ServerAddress
from bridge.engine_link.wire import PROTOCOL, Offer, offers_of, pack_ask
from bridge.engine_server.open_ports import family
from bridge.settings import presets
from bridge.settings.knobs import Knobs
from bridge.text import Say
from bridge.timebase import NS_PER_MS, NS_PER_S

_SATURATED_S = 8.0
_ASKERS = 8
_CUT_S = 5.0
_SHARE = 0.8
"""Of the capacity, where players are to be served as one is."""
_SWITCH_S = 0.0005


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What to measure. players: how many at once, each count for `bars`. server: more arguments
    for `engine-server`, such as replicas."""

    players: tuple[int, ...] = (1, 8, 32, 64)
    bars: int = 16
    bpm: float = 120.0
    preset: str = "default"
    batch: int = 8
    seed: int = 1
    server: tuple[str, ...] = field(default_factory=tuple)


def run_cluster(plan: ClusterPlan, say: Say) -> dict[str, Any]:
    """Measure; raises RigError where no server starts."""
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)  # as the daemon does: many players share this process
    load = os.getloadavg()[0]
    try:
        with _server(plan, 1) as server:
            one_by_one = saturated(server.address, plan.preset, _ASKERS, _SATURATED_S)
        say(f"one by one: {one_by_one:.1f} plans a second")
        with _server(plan, plan.batch) as server:
            return _measure(plan, server, one_by_one, say) | {"machine": machine(load)}
    finally:
        sys.setswitchinterval(switch_s)


def _measure(
    plan: ClusterPlan, server: ServerProcess, one_by_one: float, say: Say
) -> dict[str, Any]:
    together = saturated(server.address, plan.preset, _ASKERS, _SATURATED_S)
    capacity = together / (plan.bpm / 60)
    say(f"in batches: {together:.1f} plans a second, {capacity:.1f} players at {plan.bpm:g} bpm")
    most = max(1, int(_SHARE * capacity))
    runs = [(count, "fine") for count in sorted({*plan.players, most})]
    runs += [(most, weather) for weather in (*WEATHERS, "cut", "killed") if weather != "fine"]
    rows = []
    for count, weather in runs:
        rows.append(_run_players(plan, server, count, weather))
        say(line(rows[-1]))
    return {
        "preset": plan.preset,
        "bpm": plan.bpm,
        "batch": plan.batch,
        "plans_a_second": {"one_by_one": round(one_by_one, 2), "batched": round(together, 2)},
        "capacity_players": round(capacity, 2),
        "runs": rows,
    }


def _run_players(
    plan: ClusterPlan, server: ServerProcess, count: int, weather: str
) -> dict[str, Any]:
    """Return one row: `count` players in this weather; `cut` and `killed` happen a third into the
    run."""
    seconds = plan.bars * 4 * 60 / plan.bpm
    parts = [
        Part(i, plan.bars, plan.bpm, plan.preset, i / count * 60 / plan.bpm)
        for i in range(plan.seed, plan.seed + count)
    ]
    parts = [replace(part, offset_s=part.offset_s % (60 / plan.bpm)) for part in parts]
    network = ShakyNetwork("127.0.0.1", server.port, WEATHERS.get(weather, Weather()), plan.seed)
    before, cpu_before_s = stats(server.address), _cpu_s(family(server.process.pid))
    with NetworkInThread(network) as running:

        def meanwhile() -> None:
            time.sleep(seconds / 3)
            if weather == "cut":
                running.do(network.cut, _CUT_S)
            elif weather == "killed":
                _kill_replica(server)

        address = replace(server.address, port=running.port)
        played = play_all(parts, through(address), meanwhile)
    after = _cpu_s(family(server.process.pid))
    spent_s = sum(each_s - cpu_before_s.get(pid, 0.0) for pid, each_s in after.items())
    batches = batch_sizes(stats(server.address), before)
    return row(played, count, weather) | {
        "batch_mean": round(mean_batch(batches), 2),
        "batches": batches,
        "cpu_s_a_player_minute": round(spent_s / count / (seconds / 60), 2),
    }


def row(played: list[PlayerResult], count: int, weather: str) -> dict[str, Any]:
    """Return what the players of one run tell."""
    beats = sum((each.beats for each in played), Counter())
    asked = sorted(ns for each in played for ns in each.asked_ns)
    lag = sorted(ns for each in played for ns in each.lag_ns)
    return {
        "players": count,
        "weather": weather,
        "fresh_percent": round(100 * beats["fresh"] / max(1, beats.total()), 2),
        "beats": dict(beats),
        "requests": sum(each.requests for each in played),
        "answered": len(asked),
        "from_server_percent": round(
            100 * sum(each.from_server for each in played) / max(1, len(asked)), 1
        ),
        "p50_ms": _ms(asked, 0.5),
        "p95_ms": _ms(asked, 0.95),
        "opening_rests": sum(each.opening_rests for each in played),
        "late_notes": sum(each.late_notes for each in played),
        "stuck": sum(each.stuck for each in played),
        "told_a_player": round(sum(len(each.news) for each in played) / count, 2),
        "player_late_p99_ms": _ms(lag, 0.99),
    }


def saturated(address: ServerAddress, preset: str, askers: int, seconds: float) -> float:
    """Plans a second when `askers` ask again as soon as they are answered."""
    found = presets.load(preset)
    knobs = Knobs(found.settings)
    request = warm_up_request(knobs.sample_settings(knobs.integer("steps")))

    async def ask(end_s: float) -> int:
        count = 0
        async with connect(
            address.url,
            ssl=address.tls(),
            subprotocols=[PROTOCOL],  # type: ignore[list-item]
            additional_headers={"Authorization": f"Bearer {address.token}"},
            compression=None,
            proxy=None,
        ) as connection:
            offers = offers_of(unpack(_bytes(await connection.recv()))[1])
            digest = _only(offers).digest
            while time.monotonic() < end_s:
                await connection.send(pack_ask(request, digest, 10 * NS_PER_S))
                count += unpack(_bytes(await connection.recv()))[0] == PLAN
        return count

    async def all_ask() -> int:
        end_s = time.monotonic() + seconds
        return sum(await asyncio.gather(*(ask(end_s) for _ in range(askers))))

    return asyncio.run(all_ask()) / seconds


def stats(address: ServerAddress) -> dict[str, int]:
    """Return the server's own figures."""
    url = address.url.replace("wss:", "https:") + "stats"
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {address.token}"})
    context: ssl.SSLContext = address.tls()
    with urllib.request.urlopen(asked, context=context, timeout=10) as answered:
        figures: dict[str, int] = json.load(answered)
    return figures


def batch_sizes(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """Return how many plans came from batches of each size, by size."""
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    sizes = sorted(int(name.split()[1]) for name in grown if name.startswith("batch "))
    return {str(size): grown[f"batch {size}"] for size in sizes if grown[f"batch {size}"]}


def mean_batch(batches: dict[str, int]) -> float:
    """Players in a batch, over batches."""
    count = sum(plans / int(size) for size, plans in batches.items())
    return sum(batches.values()) / count if count else 0.0


def _kill_replica(server: ServerProcess) -> None:
    """End one replica's process as a crash would (Linux)."""
    for pid in family(server.process.pid):
        if Path(f"/proc/{pid}/comm").read_text().startswith("ray::ServeRepli"):
            os.kill(pid, signal.SIGKILL)
            return


def _cpu_s(pids: list[int]) -> dict[int, float]:
    """Processor time of each of these processes so far (Linux; else none)."""
    found: dict[int, float] = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks = int(fields[11]) + int(fields[12])
        found[pid] = ticks / os.sysconf("SC_CLK_TCK")
    return found


@contextmanager
def _server(plan: ClusterPlan, batch: int) -> Iterator[ServerProcess]:
    arguments = ("--preset", plan.preset, "--batch", str(batch), *plan.server)
    with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder), *arguments) as server:
        yield server


def _only(offers: dict[str, Offer]) -> Offer:
    (offer,) = offers.values()
    return offer


def _bytes(message: str | bytes) -> bytes:
    assert isinstance(message, bytes)
    return message


def _ms(ordered: list[int], share: float) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] / NS_PER_MS, 1)


_COLUMNS = {
    "players": "players",
    "weather": "weather",
    "fresh_percent": "fresh %",
    "from_server_percent": "from the server %",
    "late_notes": "late",
    "stuck": "stuck",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "batch_mean": "batch",
    "cpu_s_a_player_minute": "CPU s a player and minute",
    "told_a_player": "told",
    "player_late_p99_ms": "players late by p99 ms",
}


def line(result: dict[str, Any]) -> str:
    """Return a row for people."""
    rests = result["beats"].get("rest", 0)
    columns = [f"{title} {result[key]}" for key, title in _COLUMNS.items()]
    return ", ".join([*columns, f"rest {rests} ({result['opening_rests']} at the beginning)"])


def table(result: dict[str, Any]) -> str:
    """Return all of it for people."""
    rate = result["plans_a_second"]
    head = (
        f"saturated: {rate['batched']} plans a second in batches of at most {result['batch']}, "
        f"{rate['one_by_one']} one by one; {result['capacity_players']} players at "
        f"{result['bpm']:g} bpm"
    )
    return "\n".join([head, *map(line, result["runs"])])
