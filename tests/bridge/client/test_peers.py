"""The OSC peer: nothing that came is lost, and two threads may share it."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from bridge.client.peers import OscPeer
from bridge.osc.wire import encode_packet


@pytest.fixture
def peer() -> Iterator[OscPeer]:
    with closing(OscPeer()) as found:
        found.to_port = found.port  # it hears what it says
        yield found


def test_nothing_comes_in_time(peer: OscPeer) -> None:
    assert peer.receive(0.01) is None


def test_every_message_of_a_bundle_is_received(peer: OscPeer) -> None:
    parts = [encode_packet("/one", (1,)), encode_packet("/two", (2,))]
    bundle = b"#bundle\x00" + struct.pack(">Q", 1)
    bundle += b"".join(struct.pack(">i", len(part)) + part for part in parts)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(bundle, ("127.0.0.1", peer.port))
    addresses = [message.address for _ in range(2) if (message := peer.receive(1.0))]
    assert addresses == ["/one", "/two"]


@pytest.fixture
def switching_often() -> Iterator[None]:
    """Threads are switched at nearly every step: what may go wrong between two does so soon."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.parametrize("number_of_try", range(30))
def test_one_thread_sends_while_another_receives(
    peer: OscPeer, switching_often: None, number_of_try: int
) -> None:
    """A sender that changed the socket's timeout would end the other thread's wait in an error.

    One that has read a message, and has not put it in the list yet, would end it with nothing.
    """
    heard: list[int] = []

    def listen() -> None:
        while len(heard) < 500 and (message := peer.receive(5.0)) is not None:
            heard.append(int(str(message.arguments[0])))

    listener = threading.Thread(target=listen)
    listener.start()
    for number in range(500):
        peer.send("/number", number)
    listener.join()
    assert sorted(heard) == list(range(500))
