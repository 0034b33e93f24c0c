"""The server itself: Ray Serve, replicas in processes, the gateway. One start for all tests."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bridge.bench.cluster import saturated, stats
from bridge.bench.shaky_network import WEATHERS, NetworkInThread, ShakyNetwork, Weather
from bridge.client.engine_server import ServerProcess
from bridge.client.peers import OscPeer
from bridge.client.rig import DaemonProcess, wait_for
from bridge.engine_host.main import warm_up_request
from bridge.engine_host.wire import PLAN, unpack, unpack_plan
from bridge.engine_link.wire import FIXTURE_DIGEST, pack_ask
from bridge.engine_server.credentials import public_name
from bridge.engine_server.open_ports import family, listening
from engine.requests.fixture import FixtureGenerator
from engine.requests.request import SampleSettings
from tests.bridge.engine_server.test_gateway import answer, player
from tests.namespaces import namespace, near_address

pytest.importorskip("ray", reason="needs the extra `cluster`")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

REQUEST = warm_up_request(SampleSettings())
DELAY_S = 0.08
"""Well above the fixture's own work, which is not shared: some 7 ms a player."""
PLAYERS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(
        tmp_path_factory.mktemp("server"),
        *("--preset", "fixture", "--delay-ms", str(1000 * DELAY_S), "--batch", str(PLAYERS)),
        *(word for number in (1, 2, 3) for word in ("--name", near_address(number))),
        listen="0.0.0.0:0",
    ) as running:
        yield running


def test_only_the_gateway_can_be_reached_and_everything_else_is_on_loopback(
    server: ServerProcess,
) -> None:
    found = listening(family(server.process.pid))
    assert len(found) > 5  # Ray's are among them
    assert [row.port for row in found if not row.local] == [server.port]


def test_it_says_what_a_player_is_to_type(server: ServerProcess) -> None:
    (line,) = (line for line in server.out if line.startswith("players"))
    url = f"wss://{public_name('0.0.0.0')}:{server.port}"
    files = "--engine-token-file token --engine-ca certificate.pem"
    assert line.split(maxsplit=1)[1] == f"midi-diffuse serve --engine {url} {files}"


def test_plans_are_those_of_the_engine_itself(server: ServerProcess) -> None:
    async def ask_once() -> None:
        async with player(server) as connection:
            await answer(connection)
            await connection.send(pack_ask(replace(REQUEST, id=3), FIXTURE_DIGEST, 10**9))
            frame = await connection.recv()
            assert isinstance(frame, bytes)
            kind, head, numbers = unpack(frame)
            assert (kind, head["id"], head["batch"]) == (PLAN, 3, 1)
            assert unpack_plan(head, numbers).notes == FixtureGenerator().plan(REQUEST).notes

    asyncio.run(ask_once())


def test_eight_players_share_batches_at_twice_the_rate_of_one_by_one(
    server: ServerProcess,
) -> None:
    assert (
        saturated(server.address, "fixture", PLAYERS, 2.0) >= 2 / DELAY_S
    )  # one by one: 1 / DELAY_S at most


@pytest.fixture
def no_midi_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "there-is-no-such-server")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")


@dataclass(frozen=True, slots=True)
class Band:
    """A daemon on a machine of its own, as far as it can tell, and who asks it for music."""

    osc: OscPeer
    daemon: DaemonProcess

    def play(self, beat: int) -> None:
        self.osc.send("/diffuse/note", 60 + 2 * (beat % 5), 90)

    def wait_for_the_server(self) -> None:
        """Until it is back, as the daemon says."""
        wait_for(lambda: self.daemon.errors.endswith("plays from now on\n"), 30, "the server")


def band(
    stack: ExitStack, server: ServerProcess, number: int, network: ShakyNetwork | None = None
) -> tuple[Band, NetworkInThread | None]:
    """A namespace with a daemon that plays through `network`."""
    there = stack.enter_context(namespace(number))
    running = None
    if network is not None:
        running = stack.enter_context(NetworkInThread(network, there.near))
    osc = there.inside(OscPeer)
    stack.callback(osc.close)
    address = server.address_at(there.near, server.port if running is None else running.port)
    arguments = (
        *("--preset", "fixture", "--tempo", "120", "--no-log", "--engine", address.url),
        *("--engine-token-file", str(server.folder / "token")),
        *("--engine-ca", str(server.folder / "certificate.pem")),
    )
    daemon = stack.enter_context(
        DaemonProcess(*arguments, reply_port=osc.port, prefix=there.prefix)
    )
    osc.to_port = daemon.osc_port
    return Band(osc, daemon), running


def play(bands: Sequence[Band], beats: int) -> None:
    """A note a beat, at 120 bpm."""
    for beat in range(beats):
        for each in bands:
            each.play(beat)
        time.sleep(0.5)


@pytest.mark.real_time
def test_two_daemons_on_two_machines_play_through_one_server(
    server: ServerProcess, no_midi_system: None
) -> None:
    """Namespaces with a cable each; the second one's is 50 ms long."""
    with ExitStack() as stack:
        slow = ShakyNetwork("127.0.0.1", server.port, WEATHERS["delay"], seed=2)
        bands = [band(stack, server, 1)[0], band(stack, server, 2, slow)[0]]
        wait_for(lambda: stats(server.address).get("players") == 2, 10, "both players")
        time.sleep(2.0)  # probes are answered
        asked = stats(server.address)["asked"]
        play(bands, 11)
        for each in bands:
            figures = each.osc.stats()
            assert figures["fresh"] >= 5
            assert (figures["rest"], figures["late"], figures["late_notes"]) == (0, 0, 0)
            said = each.daemon.errors
            assert figures["plan_p50_ms"] > 1000 * DELAY_S, said  # from the server: 7 ms at home
            assert each.daemon.end() == 0
        assert stats(server.address)["asked"] >= asked + 12


@pytest.mark.real_time
def test_a_cut_of_5_s_costs_three_daemons_no_beat(
    server: ServerProcess, no_midi_system: None
) -> None:
    """The laptops' own engines play meanwhile; loss and return are reported once each."""
    with ExitStack() as stack:
        networks = [ShakyNetwork("127.0.0.1", server.port, Weather()) for _ in range(3)]
        bands, running = zip(
            *(band(stack, server, n, each) for n, each in enumerate(networks, 1)), strict=True
        )
        wait_for(lambda: stats(server.address).get("players") == 3, 10, "three players")
        time.sleep(2.0)  # probes are answered
        play(bands, 6)
        before = [(each.osc.stats(), len(each.daemon.errors)) for each in bands]
        for one, network in zip(running, networks, strict=True):
            assert one is not None
            one.do(network.cut, 5.0)
        play(bands, 18)
        for each, (earlier, said_earlier) in zip(bands, before, strict=True):
            figures = each.osc.stats()
            assert figures["fresh"] - earlier["fresh"] >= 16
            for name in ("rest", "stale", "late", "late_notes"):
                assert figures[name] == earlier[name], name
            each.wait_for_the_server()
            said = each.daemon.errors[said_earlier:].splitlines()
            gone, back = "fixture on this machine plays", "plays from now on"
            assert [gone in line for line in said] == [True, False] * (len(said) // 2), said
            assert [back in line for line in said] == [False, True] * (len(said) // 2), said
            assert each.daemon.end() == 0


def test_a_killed_replica_comes_back(server: ServerProcess) -> None:
    names = {pid: Path(f"/proc/{pid}/comm").read_text() for pid in family(server.process.pid)}
    (replica,) = (pid for pid, name in names.items() if name.startswith("ray::ServeRepli"))
    os.kill(replica, signal.SIGKILL)
    end_s = time.monotonic() + 30
    while saturated(server.address, "fixture", 1, 0.5) < 1:
        assert time.monotonic() < end_s, "no plans any more"


def test_a_signal_ends_all_of_it(server: ServerProcess) -> None:
    pids = family(server.process.pid)
    assert server.end() == 0
    assert server.out[-1].startswith("drained")
    alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    end_s = time.monotonic() + 10
    while alive and time.monotonic() < end_s:
        alive = [pid for pid in alive if Path(f"/proc/{pid}").exists()]
    assert not alive


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'ray' else found(name, *more)\n"
        "from bridge.cli.main import run; run(['engine-server'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr == (
        "midi-diffuse engine-server: this needs Ray, which is not installed; "
        "run: pip install 'midi-diffuse[cluster]' (Linux or macOS)\n"
    )
