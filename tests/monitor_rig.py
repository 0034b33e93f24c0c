"""The monitor's server, with a socket that stands in for the daemon."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from websockets.sync.client import ClientConnection, connect

from bridge.osc.wire import OscMessage, decode_packet, encode_packet


@dataclass
class FakeDaemon:
    """Hears what the monitor sends, and answers by hand."""

    udp: socket.socket
    peer: tuple[str, int] | None = None

    def hear(self, address: str) -> tuple[Any, ...]:
        """Arguments of the next message at `address`."""
        end_s = time.monotonic() + 5
        while time.monotonic() < end_s:
            packet, self.peer = self.udp.recvfrom(8192)
            for message in decode_packet(packet):
                if isinstance(message, OscMessage) and message.address == address:
                    return message.arguments
        raise AssertionError(address)

    def say(self, name: str, *arguments: Any) -> None:
        assert self.peer is not None
        self.udp.sendto(encode_packet(f"/diffuse/out/{name}", arguments), self.peer)


@dataclass
class Site:
    daemon: FakeDaemon
    port: int

    def get(self, path: str, **headers: str) -> tuple[int, Any, str]:
        """Status, headers and text."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as err:
            with err:
                return err.code, err.headers, err.read().decode()

    def browse(self, path: str, **headers: str) -> tuple[int, Any, str]:
        """As a browser asks."""
        return self.get(path, Accept="text/html,*/*;q=0.8", **headers)

    def page(self, **options: Any) -> ClientConnection:
        found: ClientConnection = connect(f"ws://127.0.0.1:{self.port}/socket", **options)
        return found
