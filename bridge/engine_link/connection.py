"""One long-lived connection to an engine server, opened again whenever it is lost.

A thread of its own with an event loop. Knows nothing of requests and plans: bytes in, bytes out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from bridge.engine_link.address import LinkError, ServerAddress
from bridge.engine_link.wire import MOST_BYTES, PROTOCOL
from bridge.service_thread import TURN_S, Health, ServiceThread

_OPEN_S = 3.0
_ALIVE_S = 2.0
"""Between two signs of life while nothing else is said, and how long one may take."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 2.0

_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Whom to call with what comes, on the connection's thread."""

    def received(self, frame: bytes) -> None:
        """Take a message."""
        ...

    def lost(self, why: str) -> None:
        """Take note that the connection, or an attempt at one, came to an end."""
        ...

    def turned_away(self, why: str) -> None:
        """Take note that the server is there and does not let us in, which somebody has to mend."""
        ...


class Connection:
    """Owner: its own thread, on which the listener and everything given to `call` run.

    `start`, `stop` and `call` are safe from any thread and never wait for the network; `send` and
    `later` belong to the connection's thread.
    """

    def __init__(self, server: ServerAddress, listener: Listener) -> None:
        self._server = server
        self._listener = listener
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._out: deque[bytes] = deque(maxlen=1)
        self._something = asyncio.Event()
        self._missed: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque(maxlen=64)
        self._faults = 0
        self._thread = ServiceThread("engine-link", self._turn)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """End the connection and the thread. Returns when both are gone."""
        self._thread.halt()
        self.call(self._stop_work)
        self._thread.join()

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the connection's thread do it soon; nothing, once that has ended."""
        loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(function, *arguments)
                return
        except RuntimeError:  # it has just ended
            pass
        self._missed.append((function, arguments))  # for the loop that comes next

    def later(self, seconds: float, function: Callable[..., object], *arguments: Any) -> None:
        """Have it done in so many seconds."""
        asyncio.get_running_loop().call_later(seconds, function, *arguments)

    def send(self, frame: bytes) -> None:
        """Send soon; replaces a message that the network has not taken yet."""
        self._out.append(frame)
        self._something.set()

    @property
    def health(self) -> Health:
        """How the thread does; safe from any thread."""
        health = self._thread.health
        return replace(health, faults=health.faults + self._faults)

    def _turn(self) -> None:
        """Keep connected until `stop`; whatever ends it before, the next turn begins anew."""
        self._something = asyncio.Event()
        try:
            # Its end ends whatever else is under way on its loop.
            with asyncio.Runner() as runner, contextlib.suppress(asyncio.CancelledError):
                runner.run(self._work_on(runner.get_loop()))
        finally:
            self._loop = None
            self.call(self._tell, self._listener.lost, "had to be begun anew")

    async def _work_on(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.set_exception_handler(self._failed)
        self._work, self._loop = asyncio.current_task(), loop
        self._tick()
        # `stop` says so first, and then wakes the loop that it finds.
        if not self._thread.halted.is_set():
            await self._keep_connected()

    def _stop_work(self) -> None:
        if self._work is not None:
            self._work.cancel()

    def _tick(self) -> None:
        """Note that the loop turns, and that callbacks come to their turn."""
        self._thread.tick()
        while self._missed:
            function, arguments = self._missed.popleft()
            self.later(0.0, function, *arguments)
        self.later(TURN_S, self._tick)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Count and log a fault in a callback, and let the loop go on."""
        self._faults += 1
        loop.default_exception_handler(context)

    def _tell(self, listener: Callable[[str], None], why: str) -> None:
        """Tell the listener, whatever that makes of it."""
        try:
            listener(why)
        except Exception:
            self._faults += 1
            _log.exception("engine link")

    async def _keep_connected(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            tell = self._listener.lost
            try:
                await self._converse()
                pause_s, why = _FIRST_PAUSE_S, "closed the connection"
            except (OSError, WebSocketException, LinkError, EOFError) as err:
                why = _reason(err)
                if _to_be_mended(err):
                    tell = self._listener.turned_away
            except Exception as err:  # a fault here must not cost the musician the way back
                self._faults += 1
                _log.exception("engine link")
                why = f"failed ({type(err).__name__})"
            self._tell(tell, why)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _converse(self) -> None:
        """Connect, and hand on what comes until the connection ends."""
        self._out.clear()
        async with connect(
            self._server.url,
            ssl=self._server.tls(),
            subprotocols=[PROTOCOL],  # type: ignore[list-item]
            additional_headers={"Authorization": f"Bearer {self._server.token}"},
            open_timeout=_OPEN_S,
            close_timeout=0.2,
            ping_interval=_ALIVE_S,
            ping_timeout=_ALIVE_S,
            max_size=MOST_BYTES,
            compression=None,
            proxy=None,
        ) as socket_:
            if socket_.subprotocol != PROTOCOL:
                raise LinkError("does not speak this version's protocol; upgrade both alike")
            _send_at_once(socket_)
            sending = asyncio.create_task(self._send_all(socket_))
            try:
                async for frame in socket_:
                    if isinstance(frame, bytes):
                        self._listener.received(frame)
            finally:
                sending.cancel()

    async def _send_all(self, socket_: ClientConnection) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._out:
                await socket_.send(self._out.popleft())


def _send_at_once(connection: ClientConnection) -> None:
    """Send at once: a request must not wait for the answer to the one before."""
    raw = connection.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


_BY_STATUS = {
    400: "does not speak this version's protocol; upgrade both alike",
    401: "does not know the token in --engine-token-file",
    503: "takes no players now",
}


def _to_be_mended(err: BaseException) -> bool:
    """Return whether trying again is in vain until somebody does something about it."""
    if isinstance(err, InvalidStatus):
        return err.response.status_code in (400, 401)
    return isinstance(err, ssl.SSLCertVerificationError | LinkError)


def _reason(err: BaseException) -> str:
    """Why there is no connection, to stand after the server's name."""
    if isinstance(err, InvalidStatus):
        code = err.response.status_code
        return _BY_STATUS.get(code, f"answers with HTTP {code}")
    if isinstance(err, ssl.SSLCertVerificationError):
        return f"is not who --engine-ca vouches for ({err.verify_message})"
    if isinstance(err, socket.gaierror):
        return "is not known by that name"
    if isinstance(err, ConnectionRefusedError):
        return "has no engine server at that port"
    if isinstance(err, TimeoutError):
        return "does not answer"
    return str(err) if isinstance(err, LinkError) else "cannot be reached"
