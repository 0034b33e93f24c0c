"""The only door to the players: TLS, a token, one long-lived connection each, newest request wins.

Runs beside Ray, not in it, and never unpickles or executes what comes in: a request is bytes until
`engine_link.limits` has read it. Knows of the engines only that they can be asked.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bridge.engine_host.wire import ERROR, pack, unpack
from bridge.engine_link.limits import read_request
from bridge.engine_link.wire import (
    DROPPED,
    MOST_BYTES,
    OVER,
    PROTOCOL,
    Offer,
    WireError,
    pack_dropped,
    pack_welcome,
    unpack_ask,
)
from bridge.timebase import NS_PER_S
from engine.requests.request import PlanRequest

_OPEN_S, _ALIVE_S, _CLOSE_S = 5.0, 5.0, 1.0
_DRAIN_S = 3.0
_LONGEST_NS = 10 * NS_PER_S
"""Nobody may wait longer for an answer."""

AskEngine = Callable[[PlanRequest, int], Awaitable[bytes]]
"""Give it a request and the ns that are left; it gives a frame."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """Where the gateway listens and whom it lets in. players: at most so many at once."""

    host: str
    port: int
    tls: ssl.SSLContext
    token: str
    players: int = 256


class PendingSlot:
    """A player's waiting request: the newest, and when it came. Owner: the event loop."""

    def __init__(self) -> None:
        self._waiting: tuple[bytes, int] | None = None
        self._something = asyncio.Event()

    def put(self, frame: bytes, now_ns: int) -> bool:
        """Have this one wait; True if it takes the place of another."""
        replaced = self._waiting is not None
        self._waiting = (frame, now_ns)
        self._something.set()
        return replaced

    async def take(self) -> tuple[bytes, int]:
        """Return the request that waits, once one does."""
        while self._waiting is None:
            self._something.clear()
            await self._something.wait()
        waiting, self._waiting = self._waiting, None
        return waiting


class Gateway:
    """Lets players in and asks the engines for them: one request of each at a time.

    counts: `asked`, `replaced` by a newer one, `over` (time was), `refused`, `failed`, and how many
    plans came from batches of n players (`batch n`).
    """

    def __init__(self, door: Door, engines: Mapping[str, AskEngine], offers: list[Offer]) -> None:
        """engines, offers: by the digest of their model."""
        self._door = door
        self._engines = engines
        self._welcome = pack_welcome(offers)
        self._draining = False
        self._busy = 0
        self.players = 0
        self.counts: Counter[str] = Counter()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Listen; gives the port. Drains at the end: who is being answered still is. OSError."""
        async with serve(
            self._play,
            self._door.host,
            self._door.port,
            ssl=self._door.tls,
            process_request=self._admit,
            subprotocols=[PROTOCOL],  # type: ignore[list-item]
            ssl_handshake_timeout=_OPEN_S,
            open_timeout=_OPEN_S,
            ping_interval=_ALIVE_S,
            ping_timeout=_ALIVE_S,
            close_timeout=_CLOSE_S,
            max_size=MOST_BYTES,
            max_queue=4,
            compression=None,
            server_header=None,
            logger=_quiet(),
        ) as server:
            yield next(iter(server.sockets)).getsockname()[1]
            self._draining = True
            end_s = time.monotonic() + _DRAIN_S
            while self._busy and time.monotonic() < end_s:
                await asyncio.sleep(0.02)

    # -- The door ----------------------------------------------------------------------------------

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets in. `/health` needs no token and tells nothing but whether we take players."""
        if request.path == "/health":
            return self._health(connection)
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._door.token.encode()):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "the token is not right\n")
        if request.path == "/stats":
            return connection.respond(HTTPStatus.OK, json.dumps(self.stats()) + "\n")
        if self._draining or self.players >= self._door.players:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no more players\n")
        return None

    def _health(self, connection: ServerConnection) -> Response:
        if self._draining:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        return connection.respond(HTTPStatus.OK, "ok\n")

    def stats(self) -> dict[str, int]:
        """Figures since the start, and how many play now."""
        return {"players": self.players, **self.counts}

    # -- A player ----------------------------------------------------------------------------------

    async def _play(self, player: ServerConnection) -> None:
        if player.subprotocol != PROTOCOL:
            await player.close(1002, "another version of the protocol")
            return
        if self.players >= self._door.players:  # others have come in since we looked
            await player.close(1013, "no more players")
            return
        raw = player.transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        slot = PendingSlot()
        self.players += 1
        answering = asyncio.create_task(self._answer_all(player, slot))
        try:
            await player.send(self._welcome)
            async for frame in player:
                if not isinstance(frame, bytes):
                    await player.close(1003, "binary messages only")
                    return
                self.counts["replaced"] += slot.put(frame, time.monotonic_ns())
        except ConnectionClosed:
            pass
        finally:
            self.players -= 1
            answering.cancel()

    async def _answer_all(self, player: ServerConnection, slot: PendingSlot) -> None:
        """One after the other, so that nobody has more than one request among the engines'."""
        while True:
            frame, came_ns = await slot.take()
            self._busy += 1
            try:
                await player.send(await self._answer(frame, came_ns))
            except WireError as err:
                self.counts["refused"] += 1
                await player.close(1008, str(err)[:100])
                return
            except ConnectionClosed:
                return
            finally:
                self._busy -= 1

    async def _answer(self, frame: bytes, came_ns: int) -> bytes:
        """Return the answer to one request. Raises WireError where it is none."""
        ask = unpack_ask(frame)
        request = read_request(ask.request)
        self.counts["asked"] += 1
        engine = self._engines.get(ask.digest)
        if engine is None:
            text = f"no model {ask.digest[:12]}... here"
            return pack(ERROR, {"id": request.id, "text": text})
        due_ns = came_ns + min(ask.left_ns, _LONGEST_NS)
        for _ in range(2):  # a replica may die with a request; another is asked once
            left_ns = due_ns - time.monotonic_ns()
            if left_ns <= 0:
                break
            try:
                answer = await asyncio.wait_for(engine(request, left_ns), left_ns / NS_PER_S)
            except TimeoutError:
                break
            except Exception as err:  # whatever Ray raises for an engine that died
                self.counts["failed"] += 1
                _log.warning("an engine failed: %s", type(err).__name__)
                continue
            self._count(answer)
            return answer
        self.counts["over"] += 1
        return pack_dropped(request.id, OVER)

    def _count(self, answer: bytes) -> None:
        kind, head, _ = unpack(answer)
        names = {DROPPED: "over", ERROR: "failed"}
        self.counts[names.get(kind) or f"batch {head.get('batch', 1)}"] += 1


def _quiet() -> logging.Logger:
    """Port scanners and broken handshakes are no news."""
    logger = logging.getLogger("midi-diffuse.gateway")
    logger.setLevel(logging.CRITICAL)
    return logger
