"""A TCP proxy that is as bad as it is asked to be: delay, jitter, stalls and cuts, from a seed.

Bytes come out as they went in, later. In user space, since not every kernel has netem; what would
be loss on the wire shows over TCP as a stall, and is one here.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from bridge.realtime import raise_priority

_CHUNK = 64 * 1024
_WAITING = 256
"""Messages under way in one direction; a sender that is faster has to wait."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is, each way. delay_ms: give or take `jitter_ms`. stall_ms: what a share
    of `stalls` messages waits longer, and all behind it."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    stall_ms: float = 0.0
    stalls: float = 0.0


class Way:
    """When each message of one direction comes out. Pure: time is an argument, chance is seeded."""

    def __init__(self, weather: Weather, rng: random.Random) -> None:
        self._weather = weather
        self._rng = rng
        self._last_s = 0.0

    def out_s(self, now_s: float, cut_until_s: float) -> float:
        """Return when a message that comes at `now_s` leaves; never before the one ahead of it."""
        weather, rng = self._weather, self._rng
        wait_ms = weather.delay_ms + weather.jitter_ms * rng.uniform(-1.0, 1.0)
        wait_ms += weather.stall_ms if rng.random() < weather.stalls else 0.0
        self._last_s = max(self._last_s, now_s + max(0.0, wait_ms) / 1000, cut_until_s)
        return self._last_s


class ShakyNetwork:
    """Owner: one event loop. `weather` is of connections made from now on."""

    def __init__(self, host: str, port: int, weather: Weather, seed: int = 0) -> None:
        """host, port: where it leads."""
        self._to = (host, port)
        self._weather = weather
        self._rng = random.Random(seed)
        self._cut_until_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self, seconds: float) -> None:
        """Nothing gets through for so long, as if a cable were out; then all that waited does."""
        self._cut_until_s = time.monotonic() + seconds

    @contextlib.asynccontextmanager
    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Take connections; gives the port."""
        async with await asyncio.start_server(self._connected, host, port) as server:
            yield server.sockets[0].getsockname()[1]
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await self._join(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until one side has no more."""
        there, back = (Way(self._weather, random.Random(self._rng.random())) for _ in range(2))
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        ways = [
            asyncio.create_task(self._carry(reader, far_writer, there)),
            asyncio.create_task(self._carry(far_reader, writer, back)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way
    ) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)
        delivering = asyncio.create_task(self._deliver(waiting, writer))
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(_CHUNK):
                    await waiting.put((way.out_s(time.monotonic(), self._cut_until_s), data))
                await waiting.join()
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)

    async def _deliver(
        self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            out_s, data = await waiting.get()
            while (left_s := max(out_s, self._cut_until_s) - time.monotonic()) > 0:
                await asyncio.sleep(left_s)
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            waiting.task_done()


class NetworkInThread:
    """A ShakyNetwork with an event loop of its own, for programs that have none."""

    def __init__(self, network: ShakyNetwork, host: str = "127.0.0.1", port: int = 0) -> None:
        self.port = 0
        self._network = network
        self._where = host, port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shaky-network", daemon=True)

    def __enter__(self) -> NetworkInThread:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def do(self, function: Callable[..., object], *arguments: object) -> None:
        """Have it done on the network's thread."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def _run(self) -> None:
        raise_priority()
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._ready.set()
            self._loop.close()

    async def _listen(self) -> None:
        self._ended = asyncio.Event()
        async with self._network.listen(*self._where) as self.port:
            self._ready.set()
            await self._ended.wait()


WEATHERS: dict[str, Weather] = {
    "fine": Weather(),
    "delay": Weather(delay_ms=50, jitter_ms=10),
    "stalls": Weather(stall_ms=200, stalls=0.02),
}
"""By name, for the bench. Delays are each way: 50 ms make 100 there and back."""
