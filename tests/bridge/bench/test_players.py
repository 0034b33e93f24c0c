"""Chaos: whole Sessions in real time, the client's own code, a real gateway, bad networks."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.bench.players import Part, PlayerResult, SimulatedPlayer, through
from bridge.bench.shaky_network import WEATHERS, NetworkInThread, ShakyNetwork, Weather
from bridge.bench.stalls import StallMeter
from tests.gateway_rig import gateway
from tests.steady import Watch

BARS, CUT_S = 5, 3.0
TRIES = 5
WAYS = {**WEATHERS, "cut": Weather()}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, meter: StallMeter) -> dict[str, PlayerResult]:
    """What was played; anew, a few times, where it failed while the machine itself stood still."""
    watch = Watch()
    for number in range(TRIES):
        watch.begin(meter)
        found = play(tmp_path_factory.mktemp(f"server-{number}"))
        if as_promised(found) or not watch.stood_still():
            break
    return found


def as_promised(found: dict[str, PlayerResult]) -> bool:
    """Say whether the tests below have nothing to find that a stall may cause."""
    news = [len(found[name].news) for name in ("fine", "delay", "cut")]
    return all(map(plays_on, found.values())) and news == [1, 1, 3]


def plays_on(one: PlayerResult) -> bool:
    """Say whether no beat rests, and no note is late or stuck; a bar is listened to first."""
    bad = (one.beats["rest"], one.beats["late"], one.late_notes, one.stuck)
    return bad == (0,) * 4 and one.beats["fresh"] >= 4 * BARS - 5


def play(folder: Path) -> dict[str, PlayerResult]:
    """10 s of music at 120 bpm: a player for each kind of network, all on one server."""
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    with ExitStack() as stack:
        server = stack.enter_context(gateway(folder))
        networks = {
            name: ShakyNetwork("127.0.0.1", server.port, weather, seed=5)
            for name, weather in WAYS.items()
        }
        running = {
            name: stack.enter_context(NetworkInThread(network))
            for name, network in networks.items()
        }
        players = {}
        for number, name in enumerate(WAYS):
            part = Part(number, BARS, 120.0, "fixture", 0.1 * number)
            address = replace(server.address, port=running[name].port)
            players[name] = SimulatedPlayer(part, through(address))
            players[name].connect()
        time.sleep(1.5)
        for player in players.values():
            player.start()
        time.sleep(3.0)
        running["cut"].do(networks["cut"].cut, CUT_S)
        found = {name: player.join() for name, player in players.items()}
    sys.setswitchinterval(switch_s)
    return found


@pytest.mark.parametrize("name", WAYS)
def test_no_beat_rests_and_no_note_is_late_or_stuck(
    name: str, played: dict[str, PlayerResult]
) -> None:
    assert plays_on(played[name]), played[name]


@pytest.mark.parametrize("name", ["fine", "delay"])
def test_where_answers_come_in_time_nothing_is_told_but_the_beginning(
    name: str, played: dict[str, PlayerResult]
) -> None:
    assert [text.rpartition(": ")[2] for text in played[name].news] == ["plays from now on"]


def test_a_cut_is_told_once_each_way(played: dict[str, PlayerResult]) -> None:
    begun, gone, back = played["cut"].news
    assert begun.endswith("plays from now on")
    assert gone.endswith("fixture on this machine plays")
    assert back.endswith("plays from now on")


def test_delay_is_in_the_time_a_plan_takes(played: dict[str, PlayerResult]) -> None:
    there_and_back_ns = 80_000_000  # 50 ms each way, 10 ms less at best
    assert min(played["delay"].asked_ns) >= there_and_back_ns
