"""Who is heard over OSC, and where answers go."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from bridge.cli.main import main
from bridge.commands import Act, AskParameter, Command, OscOut, SetParameter
from bridge.live.session import Session
from bridge.osc.peers import PeerError, Peers
from bridge.osc.server import MOST_PER_S, OscServer
from bridge.osc.wire import MOST_REPLY_BYTES, encode_packet
from bridge.timebase import ManualClock
from tests.bridge.osc.test_server import Rig, received, wait_until


@pytest.mark.parametrize(
    ("allow", "host", "heard"),
    [
        ((), "127.0.0.1", True),
        ((), "192.168.7.20", True),
        ((), "10.1.2.3", True),
        ((), "172.32.0.1", False),
        ((), "8.8.8.8", False),
        ((), "not an address", False),
        (("192.168.7.20",), "127.0.0.1", True),
        (("192.168.7.20",), "192.168.7.20", True),
        (("192.168.7.20",), "192.168.7.21", False),
        (("192.168.7.0/24", "8.8.8.8"), "192.168.7.21", True),
        (("192.168.7.0/24", "8.8.8.8"), "8.8.8.8", True),
        (("192.168.7.77/24",), "192.168.7.21", True),
        (("0.0.0.0/0",), "8.8.8.8", True),
    ],
)
def test_who_is_heard(allow: tuple[str, ...], host: str, heard: bool) -> None:
    assert Peers(allow).may_ask(host) is heard


def test_answers_go_to_who_asks_or_is_named() -> None:
    assert Peers().may_direct("192.168.7.20", "192.168.7.20")
    assert not Peers().may_direct("192.168.7.20", "192.168.7.21")
    assert not Peers().may_direct("192.168.7.20", "127.0.0.1")
    assert not Peers().may_direct("127.0.0.1", "192.168.7.20")
    assert Peers(["192.168.7.0/24"]).may_direct("127.0.0.1", "192.168.7.20")


@pytest.mark.parametrize("text", ["stage.local", "192.168.1.0/33", "", "::1"])
def test_peers_that_are_no_addresses_are_refused(text: str) -> None:
    with pytest.raises(PeerError, match=r"--allow wants an IPv4 address .* not"):
        Peers([text])


def test_serve_tells_a_wrong_peer_in_one_line() -> None:
    words = ["serve", "--preset", "fixture", "--port", "0", "--no-log", "--allow", "my-ipad"]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 2
    assert ran.stderr.startswith("midi-diffuse serve: --allow wants an IPv4 address")


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def test_a_peer_cannot_have_answers_sent_to_another(rig: Rig) -> None:
    for name in ("subscribe", "unsubscribe"):
        rig.tell(encode_packet(f"/diffuse/{name}", ("127.0.0.2", 9)))
        address, (what, text) = received(rig.replies)
        assert (address, what) == ("/diffuse/out/error", f"/diffuse/{name}")
        assert text == (
            "answers go to who asks; to let them go to 127.0.0.2, start with --allow 127.0.0.2"
        )
    assert rig.commands.empty()
    rig.tell(encode_packet("/diffuse/subscribe", ("127.0.0.1", 9)))
    command = rig.next()
    assert isinstance(command, Act)
    assert (command.name, command.arguments) == ("subscribe", ("127.0.0.1", 9))


def test_who_may_not_talk_is_not_answered() -> None:
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()

    class Nobody(Peers):
        def may_ask(self, host: str) -> bool:
            return False

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        reply_port = client.getsockname()[1]
        server = OscServer("127.0.0.1", 0, reply_port, commands.put, peers=Nobody())
        server.start()
        try:
            for packet in (encode_packet("/diffuse/help", ()), b"nonsense"):
                client.sendto(packet, (server.host, server.port))
            wait_until(lambda: server.counts.refused == 2)
        finally:
            server.stop()
        assert commands.empty()
        assert (server.counts.sent, server.counts.malformed) == (0, 0)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)


def test_long_answers_are_given_a_few_times_a_second_only() -> None:
    clock = ManualClock(1_000_000_000)
    rig = Rig(clock)
    try:
        for _ in range(20):
            rig.tell(encode_packet("/diffuse/help", ()))
        wait_until(lambda: rig.server.counts.dropped == 20 - MOST_PER_S["help"])
        assert rig.server.counts.acted == MOST_PER_S["help"]
        clock.advance(1_000_000_000)
        rig.tell(encode_packet("/diffuse/help", ()))
        wait_until(lambda: rig.server.counts.acted == MOST_PER_S["help"] + 1)
    finally:
        rig.close()


def test_answers_are_not_much_more_than_was_asked() -> None:
    """UDP senders can be forged: a server must not multiply what it is sent."""
    session = Session({})
    peer = ("1.2.3.4", 5)
    for command in (
        Act(0, "ping", (), peer),
        AskParameter(0, "temperature", peer),
        SetParameter(0, "temperature", 0.5, peer),
    ):
        asked = encode_packet(f"/diffuse/{command.name}", ())
        answers = [e for e in session.step(command) if isinstance(e, OscOut) and e.to]
        assert sum(len(encode_packet(e.address, e.arguments)) for e in answers) <= len(asked) + 16
    for name, most in MOST_PER_S.items():
        act = Act(0, name, ("mine",) if name == "save" else (), peer)
        rows = [e for e in session.step(act) if isinstance(e, OscOut)]
        size = sum(len(encode_packet(row.address, row.arguments)) for row in rows)
        assert most * size < 200_000  # bytes a second, at most, whatever the flood
        assert all(
            len(encode_packet(row.address, row.arguments)) <= MOST_REPLY_BYTES for row in rows
        )
