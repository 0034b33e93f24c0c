"""What a service manager is told: ready, alive, stopping (the protocol of sd_notify(3)).

Knows nothing of what is ready or alive. Without a manager nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

_SIGNS = 4
"""Signs of life in the time after which the manager acts."""
_PATIENCE_S = 1.0
"""The manager reads a few messages only before it must be waited for; what comes once only waits
so long for it to read."""


class ServiceManager:
    """Sends to the socket that `NOTIFY_SOCKET` names. Owner: the main thread.

    watched: does the manager want a sign of life (`WATCHDOG_USEC`)?
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "0")
        self._every_ns = int(usec) * 1000 // _SIGNS if usec.isdecimal() else 0
        self._next_ns = 0
        self.watched = bool(self._address) and self._every_ns > 0

    def ready(self, status: str) -> None:
        """Say that the service has started."""
        self._send(f"READY=1\nSTATUS={' '.join(status.split())}", _PATIENCE_S)

    def alive(self, now_ns: int) -> None:
        """Say that every part of it made progress, a few times in the manager's patience."""
        if self.watched and now_ns >= self._next_ns:
            self._next_ns = now_ns + self._every_ns
            self._send("WATCHDOG=1", 0.0)

    def stopping(self) -> None:
        """Say that it is about to end, as it was asked to."""
        self._send("STOPPING=1", _PATIENCE_S)

    def _send(self, text: str, patience_s: float) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # A name that begins with @ is in Linux's abstract namespace.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),  # the manager is gone, or does not read
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer,
        ):
            peer.settimeout(patience_s)
            peer.sendto(text.encode(), address)
