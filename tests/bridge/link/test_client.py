"""The peer that follows an Ableton Link session: what it says and when, on the real clock.

The session is played by hand; with aalink and a network it is in tests/live/test_live_link.py.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from bridge.commands import Command, FollowLink, LinkHeard
from bridge.link import client as link_client
from bridge.link.client import LinkClient, is_news, look
from bridge.link.neighbours import Neighbours, is_peer
from bridge.runtime.config import DaemonConfig
from bridge.runtime.daemon import Daemon, StartError
from bridge.timebase import NS_PER_MS

MS = NS_PER_MS
TOLD = LinkHeard(1000 * MS, 1, 8.0, 120.0, True, 4.0)


@pytest.mark.parametrize(
    ("change", "news"),
    [
        ({}, False),
        ({"at_ns": 1050 * MS, "beat": 8.1}, False),
        ({"at_ns": 1050 * MS, "beat": 8.1003}, True),  # 0.15 ms
        ({"at_ns": 1050 * MS, "beat": 12.1}, True),
        ({"at_ns": 1100 * MS, "beat": 8.2}, True),  # still here
        ({"bpm": 120.01}, True),
        ({"peers": 2}, True),
        ({"rolling": False}, True),
        ({"quantum_beats": 3.0}, True),
    ],
)
def test_only_what_does_not_follow_from_before_is_told(
    change: dict[str, int | float | bool], news: bool
) -> None:
    assert is_news(TOLD, replace(TOLD, **change)) is news  # type: ignore[arg-type]
    assert is_news(None, TOLD)


class FakeLink:
    """aalink's Link, as far as it is looked at. What it is told besides is noted in `told`."""

    made: list[FakeLink]
    told: list[tuple[str, object]]
    enabled: bool

    def __init__(self, bpm: float) -> None:
        self.__dict__["told"] = []
        self.__dict__.update(num_peers=0, beat=0.0, tempo=bpm, playing=False)
        self.made.append(self)

    def __setattr__(self, name: str, value: object) -> None:
        self.told.append((name, value))
        self.__dict__[name] = value

    def show(self, **what: float | bool) -> None:
        """Another peer did this."""
        self.__dict__.update(what)


class FakeNeighbours:
    near = threading.Event()

    def announced(self) -> bool:
        return self.near.is_set()

    def close(self) -> None: ...


class Client:
    """A LinkClient with its listeners."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.lines: list[tuple[int, str]] = []
        self.client = LinkClient(self.commands.append, lambda level, text: self.say(level, text))

    def say(self, level: int, text: str) -> None:
        self.lines.append((level, text))


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    module = ModuleType("aalink")
    module.Link = FakeLink  # type: ignore[attr-defined]
    FakeLink.made = []
    FakeNeighbours.near.clear()
    monkeypatch.setitem(sys.modules, "aalink", module)
    monkeypatch.setattr(link_client, "Neighbours", FakeNeighbours)
    monkeypatch.setattr(link_client, "SETTLE_NS", 20 * MS)
    made = Client()
    yield made
    made.client.stop()


def test_nothing_is_opened_until_another_peer_is_heard(fake: Client) -> None:
    fake.client.follow(FollowLink(3.0))
    wait_for(lambda: fake.lines)
    assert fake.lines == [(logging.INFO, "Ableton Link: waiting for a peer")]
    assert not FakeLink.made
    FakeNeighbours.near.set()
    wait_for(lambda: FakeLink.made)
    assert not fake.commands  # joined, but it is alone so far


def test_it_follows_and_tells_the_session_nothing(fake: Client) -> None:
    FakeNeighbours.near.set()
    fake.client.follow(FollowLink(3.0))
    wait_for(lambda: FakeLink.made)
    (link,) = FakeLink.made
    link.show(num_peers=2, tempo=90.0, beat=7.25)
    wait_for(lambda: fake.commands)
    first = fake.commands[0]
    assert isinstance(first, LinkHeard)
    assert replace(first, at_ns=0) == LinkHeard(0, 2, 7.25, 90.0, False, 3.0)
    assert fake.client.peers == 2
    link.show(playing=True)
    wait_for(lambda: isinstance(fake.commands[-1], LinkHeard) and fake.commands[-1].rolling)
    fake.client.follow(FollowLink(4.0))
    wait_for(
        lambda: isinstance(fake.commands[-1], LinkHeard) and fake.commands[-1].quantum_beats == 4
    )
    fake.client.follow(FollowLink(None))
    wait_for(lambda: not link.enabled)
    wait_for(lambda: isinstance(fake.commands[-1], LinkHeard) and fake.commands[-1].peers == 0)
    assert fake.client.peers == 0
    assert [told for told in link.told if told[0] != "quantum"] == [
        ("start_stop_sync_enabled", True),
        ("enabled", True),
        ("enabled", False),
    ]


def test_when_everybody_has_gone_it_goes_too_and_waits_anew(fake: Client) -> None:
    """An open session of ours would be older than the next peer's, and our tempo would hold."""
    FakeNeighbours.near.set()
    fake.client.follow(FollowLink(4.0))
    wait_for(lambda: FakeLink.made)
    FakeLink.made[0].show(num_peers=1)
    wait_for(lambda: fake.commands)
    FakeNeighbours.near.clear()
    FakeLink.made[0].show(num_peers=0)
    wait_for(lambda: not FakeLink.made[0].enabled)
    assert isinstance(fake.commands[-1], LinkHeard)
    assert fake.commands[-1].peers == 0
    FakeNeighbours.near.set()
    wait_for(lambda: len(FakeLink.made) == 2)


def test_who_was_heard_but_is_not_met_has_gone(
    fake: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_client, "LONELY_NS", 30 * MS)
    FakeNeighbours.near.set()
    fake.client.follow(FollowLink(4.0))
    wait_for(lambda: len(FakeLink.made) == 2)
    assert not FakeLink.made[0].enabled
    assert not fake.commands


def test_stopping_leaves_the_session(fake: Client) -> None:
    FakeNeighbours.near.set()
    fake.client.follow(FollowLink(4.0))
    wait_for(lambda: FakeLink.made)
    fake.client.stop()
    assert not FakeLink.made[0].enabled
    assert not any(thread.name == "link" for thread in threading.enumerate())


def test_where_nothing_can_be_listened_to_it_joins_and_says_so(
    fake: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf() -> Neighbours:
        raise OSError("no multicast here")

    monkeypatch.setattr(link_client, "Neighbours", deaf)
    fake.client.follow(FollowLink(4.0))
    wait_for(lambda: FakeLink.made)
    level, text = fake.lines[0]
    assert level == logging.WARNING
    assert "no multicast here" in text


def test_the_quickest_of_a_few_reads_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0, 900, 1000, 1010, 2000, 2400])
    monkeypatch.setattr("bridge.link.client.time.perf_counter_ns", lambda: next(times))
    link = FakeLink.__new__(FakeLink)
    link.__dict__.update(num_peers=1, beat=3.5, tempo=99.0, playing=True, quantum=4.0)
    assert look(link) == LinkHeard(1005, 1, 3.5, 99.0, True, 4.0)


# -- Without the package -----------------------------------------------------------------------


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aalink", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


@pytest.mark.usefixtures("not_installed")
def test_without_the_package_the_daemon_says_how_to_get_it() -> None:
    with pytest.raises(StartError, match=r"pip install 'midi-diffuse\[link\]'") as told:
        Daemon(DaemonConfig(preset="fixture", port=0, settings={"clock": "link"}))
    assert "\n" not in str(told.value)


@pytest.mark.usefixtures("not_installed")
def test_chosen_later_without_the_package_it_is_told_too() -> None:
    late = Client()
    late.client.follow(FollowLink(4.0))
    wait_for(lambda: late.lines)
    assert late.lines == [(logging.ERROR, link_client.NO_AALINK)]
    late.client.stop()


def test_who_does_not_choose_link_never_loads_it() -> None:
    code = "import sys, bridge.runtime.daemon, bridge.cli.live; print('aalink' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "False\n"


# -- Who is there ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "there"),
    [
        (b"_asdp_v\x01\x01\x05\x00\x00nodenode", True),
        (b"_asdp_v\x01\x02\x05\x00\x00nodenode", True),
        (b"_asdp_v\x01\x03\x00\x00\x00nodenode", False),  # it leaves
        (b"_asdp_v\x01", False),
        (b"_asdp_v\x02\x01\x05\x00\x00nodenode", False),
        (b"", False),
        (b"\xff" * 600, False),
    ],
)
def test_an_announcement_is_told_from_the_rest(packet: bytes, there: bool) -> None:
    assert is_peer(packet) is there


def test_an_announcement_is_heard_once() -> None:
    try:
        neighbours = Neighbours()
    except OSError as err:
        pytest.skip(f"no multicast on this machine: {err}")
    try:
        neighbours.announced()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"_asdp_v\x01\x01\x05\x00\x00nodenode", ("127.0.0.1", 20808))
        wait_for(neighbours.announced)
        assert not neighbours.announced()
    finally:
        neighbours.close()
