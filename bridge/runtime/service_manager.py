"""What a service manager is told: ready, alive, stopping (the protocol of sd_notify(3)).

Knows nothing of what is ready or alive. Without a manager nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class ServiceManager:
    """Sends to the socket that `NOTIFY_SOCKET` names. Owner: the main thread; never blocks.

    watched: does the manager want a sign of life (`WATCHDOG_USEC`)?
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watched = bool(self._address) and environment.get("WATCHDOG_USEC", "0") != "0"

    def ready(self, status: str) -> None:
        """Say that the service has started."""
        self._send(f"READY=1\nSTATUS={' '.join(status.split())}")

    def alive(self) -> None:
        """Take note that every part of it made progress."""
        if self.watched:
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that it is about to end, as it was asked to."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # A name that begins with @ is in Linux's abstract namespace.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),  # the manager is gone; the music goes on
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer,
        ):
            peer.setblocking(False)
            peer.sendto(text.encode(), address)
