from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bridge.bench.shaky_network import NetworkInThread, ShakyNetwork, Way, Weather


def outs(weather: Weather, seed: int, arrivals_s: list[float], cut_s: float = 0.0) -> list[float]:
    way = Way(weather, random.Random(seed))
    return [way.out_s(at_s, cut_s) for at_s in arrivals_s]


def test_a_fine_network_takes_no_time() -> None:
    assert outs(Weather(), 1, [1.0, 2.0]) == [1.0, 2.0]


def test_the_same_seed_makes_the_same_weather_within_its_bounds() -> None:
    weather = Weather(delay_ms=50, jitter_ms=10)
    arrivals = [float(i) for i in range(200)]
    first = outs(weather, 7, arrivals)
    assert first == outs(weather, 7, arrivals)
    assert first != outs(weather, 8, arrivals)
    delays = [out - at for out, at in zip(first, arrivals, strict=True)]
    assert 0.04 <= min(delays) < 0.043
    assert 0.057 < max(delays) <= 0.0601


def test_what_is_behind_a_stall_waits_too() -> None:
    weather = Weather(stall_ms=200, stalls=0.3)
    arrivals = [i * 0.01 for i in range(100)]
    found = outs(weather, 3, arrivals)
    assert found == sorted(found)
    late = [out - at for out, at in zip(found, arrivals, strict=True)]
    assert max(late) == pytest.approx(0.2)


def test_a_share_of_two_in_a_hundred_stalls_that_often() -> None:
    weather = Weather(stall_ms=200, stalls=0.02)
    arrivals = [float(i) for i in range(5000)]
    stalled = sum(out > at for out, at in zip(outs(weather, 1, arrivals), arrivals, strict=True))
    assert 70 <= stalled <= 130


def test_nothing_comes_out_during_a_cut() -> None:
    assert outs(Weather(), 1, [1.0, 2.0, 7.0], cut_s=6.0) == [6.0, 6.0, 7.0]


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets, until the other side ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    while data := connection.recv(65536):
                        connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_bytes_come_out_as_they_went_in_later_and_after_a_cut(echo_port: int) -> None:
    data = random.Random(1).randbytes(300_000)
    network = ShakyNetwork("127.0.0.1", echo_port, Weather(delay_ms=20))
    with (
        NetworkInThread(network) as running,
        socket.create_connection(("127.0.0.1", running.port), timeout=10) as near,
    ):
        sender = threading.Thread(target=near.sendall, args=(data,))
        sender.start()
        came = b""
        while len(came) < len(data):
            came += near.recv(65536)
        sender.join()
        assert came == data
        running.do(network.cut, 0.4)
        time.sleep(0.05)
        begun_s = time.monotonic()
        near.sendall(b"x")
        assert near.recv(1) == b"x"
        assert time.monotonic() - begun_s >= 0.3


def test_where_nobody_listens_the_connection_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        NetworkInThread(ShakyNetwork("127.0.0.1", port, Weather())) as running,
        socket.create_connection(("127.0.0.1", running.port), timeout=10) as near,
    ):
        assert near.recv(1) == b""


def test_a_network_is_given_back_while_connections_are_open(echo_port: int) -> None:
    async def use() -> None:
        network = ShakyNetwork("127.0.0.1", echo_port, Weather(delay_ms=1000))
        async with network.listen() as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"never comes")
            await writer.drain()
        writer.close()

    asyncio.run(use())
