"""Between the daemon's OSC and the pages: hears everything, remembers it, passes it on.

Each page has a queue of its own; what does not fit is dropped and counted, so that a slow page
holds up nobody. Runs in one asyncio event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

from bridge.commands import Value
from bridge.monitor.memory import Memory
from bridge.osc.reading import OscProblem, hint, parse_packet
from bridge.osc.schema import OUT_PREFIX, PREFIX
from bridge.osc.server import RENEW_S
from bridge.osc.wire import OscMessage, decode_packet, encode_packet
from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import PARAMETERS

MOST_WAITING_MESSAGES = 4_000
"""Messages that wait for one page."""
_ASK_S = 1.0
"""How often the figures are asked for."""
_SILENT_S = 3.0
"""Without an answer for so long the daemon counts as gone."""
_NOT_FROM_PAGES = frozenset({"subscribe", "unsubscribe", "help", "stats", "ping"})
_NAMES = {*(row.name for row in PARAMETERS), *(row.name for row in ACTIONS)} - _NOT_FROM_PAGES


def now_ms() -> float:
    """Return the server's clock, in ms; pages reckon how far theirs is off."""
    return time.time() * 1000


class Page:
    """One browser's queue."""

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: deque[list[Any]] = deque()
        self._filled = asyncio.Event()

    def put(self, message: list[Any]) -> None:
        """Queue a message; the oldest goes when there are too many."""
        if len(self._waiting) >= MOST_WAITING_MESSAGES:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(message)
        self._filled.set()

    async def take(self) -> list[list[Any]]:
        """Return all that waits, at least one."""
        await self._filled.wait()
        self._filled.clear()
        messages = list(self._waiting)
        self._waiting.clear()
        return messages


class Relay(asyncio.DatagramProtocol):
    """The monitor's end of OSC. daemon: the address it listens at."""

    def __init__(self, daemon: tuple[str, int]) -> None:
        self.daemon = daemon
        self.memory = Memory()
        self.pages: set[Page] = set()
        self.online = False
        self._transport: asyncio.DatagramTransport | None = None
        self._heard_s = -_SILENT_S
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open a port, subscribe, ask for everything."""
        loop = asyncio.get_running_loop()
        local = "127.0.0.1" if self.daemon[0].startswith("127.") else "0.0.0.0"
        await loop.create_datagram_endpoint(lambda: self, local_addr=(local, 0))
        self._tasks = {loop.create_task(self._keep_asking())}

    async def stop(self) -> None:
        """Say good-bye."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)
        if self._transport is not None:
            self._send("unsubscribe", *self._own_address())
            self._transport.close()

    # -- asyncio's calls ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport: the port is open."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take answers and events, from the daemon and nobody else."""
        if addr[1] != self.daemon[1] or addr[0] != self.daemon[0]:
            return
        self._heard_s = time.monotonic()
        if not self.online:
            self._say_online(True)
        for message in decode_packet(data):
            if isinstance(message, OscMessage) and message.address.startswith(OUT_PREFIX):
                words = [each for each in message.arguments if not isinstance(each, bytes)]
                self._pass_on(message.address.removeprefix(OUT_PREFIX), words)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens at the daemon's port yet; it is asked again."""

    # -- for pages ---------------------------------------------------------------------------------

    def command(self, words: Sequence[Value]) -> str:
        """Do what a page wants, `name value` or `action arguments`; return what is wrong, or
        "".

        Checked by the daemon's own table, so that a page can do what any OSC client can.
        """
        name, *arguments = words
        if name not in _NAMES:
            return f"{name}: a page cannot do that"
        packet = encode_packet(PREFIX + str(name), arguments)
        for found in parse_packet(packet, 0):
            if isinstance(found, OscProblem):
                return f"{name}: {hint(found)}"
        self._send(str(name), *arguments)
        return ""

    # -- inside ------------------------------------------------------------------------------------

    def _pass_on(self, name: str, words: list[Any]) -> None:
        at_ms = now_ms()
        with contextlib.suppress(LookupError, TypeError, ValueError):  # from another version
            self.memory.take(name, words, at_ms)
        for page in self.pages:
            page.put([name, round(at_ms, 2), *words])

    def _say_online(self, online: bool) -> None:
        self.online = online
        for page in self.pages:
            page.put(["online", round(now_ms(), 2), online])
        if online:
            self._subscribe()
            self.memory.learned.clear()
            self._send("learn")  # tells all that are learned
            for row in PARAMETERS:
                self._send(row.name)

    def _subscribe(self) -> None:
        self._send("subscribe", *self._own_address())

    def _own_address(self) -> tuple[str, int]:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return (host if host != "0.0.0.0" else _address_towards(self.daemon)), port

    def _send(self, name: str, *arguments: Value) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(encode_packet(PREFIX + name, arguments), self.daemon)

    async def _keep_asking(self) -> None:
        renewed_s = 0.0
        while True:
            if time.monotonic() - renewed_s > (RENEW_S if self.online else _ASK_S):
                self._subscribe()
                renewed_s = time.monotonic()
            self._send("stats")
            await asyncio.sleep(_ASK_S)
            if self.online and time.monotonic() - self._heard_s > _SILENT_S:
                self._say_online(False)


def _address_towards(peer: tuple[str, int]) -> str:
    """Return the address of this machine that `peer` sees."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(peer)
        return str(probe.getsockname()[0])
