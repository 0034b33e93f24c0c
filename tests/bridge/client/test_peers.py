"""The OSC peer: nothing that came is lost, and two threads may share it."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from bridge.client import peers
from bridge.client.peers import OscPeer
from bridge.osc.wire import OscMessage, OscWireError, decode_packet, encode_packet


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


def test_a_message_that_a_sender_has_just_read_ends_the_wait_of_another_thread(
    peer: OscPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between socket and list it is in nobody's hands but the sender's."""
    read = threading.Event()

    def decode_slowly(data: bytes) -> Iterator[OscMessage | OscWireError]:
        read.set()
        time.sleep(0.1)
        return decode_packet(data)

    def a_message_comes_and_a_sender_is_quicker(*_: object) -> None:
        if not senders:
            other.sendto(encode_packet("/first", ()), ("127.0.0.1", peer.port))
            senders.append(threading.Thread(target=peer.send, args=("/second",)))
            senders[0].start()
            assert read.wait(5.0)

    senders: list[threading.Thread] = []
    monkeypatch.setattr(peers, "decode_packet", decode_slowly)
    monkeypatch.setattr(select, "select", a_message_comes_and_a_sender_is_quicker)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        found = peer.receive(5.0)
    senders[0].join()
    assert found is not None
    assert found.address == "/first"


def test_one_thread_sends_while_another_receives(peer: OscPeer) -> None:
    """A sender that changed the socket's timeout would end the other thread's wait in an error."""
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
