"""A gateway on loopback with engines that the test writes: no Ray, real TLS, real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from bridge.engine_host.wire import pack_plan
from bridge.engine_link.address import ServerAddress, read_token
from bridge.engine_link.wire import FIXTURE_DIGEST, Offer
from bridge.engine_server.credentials import Credentials, make_missing
from bridge.engine_server.gateway import Door, Gateway
from bridge.realtime import HELPER_PRIORITY, raise_priority
from engine.requests.fixture import FixtureGenerator
from engine.requests.request import PlanRequest

OFFER = Offer(FIXTURE_DIGEST, "fixture", 1_000_000, 1, {"name": "fixture there"})
Engine = Callable[[PlanRequest, int], Awaitable[bytes]]


async def sound(request: PlanRequest, left_ns: int) -> bytes:
    """Answers at once, as the fixture does."""
    return pack_plan(FixtureGenerator().plan(request))


class RunningGateway:
    """A gateway in a thread. `engine` may be changed while it runs."""

    def __init__(
        self,
        folder: Path,
        engine: Engine = sound,
        players: int = 8,
        port: int = 0,
        offer: Offer = OFFER,
    ) -> None:
        self.credentials: Credentials = make_missing(folder, ["127.0.0.1"])
        self.engine = engine
        token = read_token(self.credentials.token)
        door = Door("127.0.0.1", port, self.credentials.tls(), token, players)
        self.gateway = Gateway(door, {offer.digest: self._ask}, [offer])
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._ready.wait(10)

    async def _ask(self, request: PlanRequest, left_ns: int) -> bytes:
        return await self.engine(request, left_ns)

    async def _run(self) -> None:
        raise_priority(HELPER_PRIORITY)  # a machine of its own, as far as the others can tell
        self._ended = asyncio.Event()
        async with self.gateway.open() as self.port:
            self._ready.set()
            await self._ended.wait()

    @property
    def address(self) -> ServerAddress:
        token = read_token(self.credentials.token)
        return ServerAddress("127.0.0.1", self.port, token, self.credentials.certificate)

    def end(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(10)
            self._loop.close()


@contextlib.contextmanager
def gateway(folder: Path, engine: Engine = sound, players: int = 8) -> Iterator[RunningGateway]:
    running = RunningGateway(folder, engine, players)
    try:
        yield running
    finally:
        running.end()
