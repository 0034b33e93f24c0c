from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.engine_host.main import warm_up_request
from bridge.engine_host.wire import ERROR, PLAN, pack_request, unpack
from bridge.engine_link.address import ServerAddress
from bridge.engine_link.wire import (
    DROPPED,
    FIXTURE_DIGEST,
    MOST_BYTES,
    PROTOCOL,
    WELCOME,
    offers_of,
    pack_ask,
)
from bridge.engine_server.gateway import PendingSlot
from engine.requests.request import PlanRequest, SampleSettings
from tests.gateway_rig import OFFER, RunningGateway, gateway, sound

REQUEST = warm_up_request(SampleSettings())
S = 1_000_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningGateway]:
    with gateway(tmp_path) as running:
        yield running


class HasAddress(Protocol):
    @property
    def address(self) -> ServerAddress: ...


@asynccontextmanager
async def player(server: HasAddress, **more: Any) -> Any:
    address = server.address
    wanted: dict[str, Any] = {
        "ssl": address.tls(),
        "subprotocols": [PROTOCOL],
        "additional_headers": {"Authorization": f"Bearer {address.token}"},
        "compression": None,
        "proxy": None,
    }
    async with connect(address.url, **(wanted | more)) as connection:
        yield connection


def ask(number: int, left_ns: int = S, digest: str = FIXTURE_DIGEST) -> bytes:
    return pack_ask(replace(REQUEST, id=number), digest, left_ns)


async def answer(connection: ClientConnection) -> tuple[bytes, dict[str, Any]]:
    frame = await asyncio.wait_for(connection.recv(), 5)
    assert isinstance(frame, bytes)
    kind, head, _ = unpack(frame)
    return kind, head


def played(
    server: RunningGateway, play: Callable[[ClientConnection], Awaitable[Any]], **more: Any
) -> Any:
    """What `play` gives, once the welcome is read."""

    async def run() -> Any:
        async with player(server, **more) as connection:
            kind, head = await answer(connection)
            assert (kind, offers_of(head)) == (WELCOME, {FIXTURE_DIGEST: OFFER})
            return await play(connection)

    return asyncio.run(run())


def test_a_player_is_told_of_the_models_and_gets_plans(server: RunningGateway) -> None:
    async def play(connection: ClientConnection) -> tuple[bytes, int]:
        await connection.send(ask(7))
        kind, head = await answer(connection)
        return kind, head["id"]

    assert played(server, play) == (PLAN, 7)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"additional_headers": {}}, 401),
        ({"additional_headers": {"Authorization": "Bearer " + "x" * 40}}, 401),
        ({"additional_headers": {"Authorization": "Bearer ünïcode"}}, 401),
        ({"subprotocols": ["midi-diffuse.engine.0"]}, 400),
    ],
)
def test_nobody_gets_in_without_the_token_or_with_another_version(
    server: RunningGateway, more: dict[str, Any], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        played(server, answer, **more)
    assert refused.value.response.status_code == status


def test_nothing_is_said_without_tls(server: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            said = plain.recv(100)
        except ConnectionError:
            said = b""
        assert b"HTTP" not in said


def test_old_tls_is_refused(server: RunningGateway) -> None:
    assert server.credentials.tls().minimum_version is ssl.TLSVersion.TLSv1_2


def test_no_more_players_than_agreed(tmp_path: Path) -> None:
    with gateway(tmp_path, players=1) as server:

        async def another(connection: ClientConnection) -> None:
            async with player(server):
                raise AssertionError("let in")

        with pytest.raises(InvalidStatus, match="503"):
            played(server, another)


def test_no_more_players_than_agreed_though_all_come_at_once(tmp_path: Path) -> None:
    async def comes(server: RunningGateway) -> bool:
        try:
            async with player(server) as connection:
                await answer(connection)
                await asyncio.sleep(0.5)
                return True
        except (InvalidStatus, ConnectionClosed):
            return False

    async def all_come(server: RunningGateway) -> list[bool]:
        return await asyncio.gather(*(comes(server) for _ in range(24)))

    with gateway(tmp_path, players=8) as server:
        assert sum(asyncio.run(all_come(server))) == 8


def test_a_class_of_64_that_connects_at_once_is_served(tmp_path: Path) -> None:
    async def plays(server: RunningGateway, number: int) -> int:
        async with player(server, open_timeout=3.0) as connection:  # as the daemon has it
            await answer(connection)
            await connection.send(ask(number))
            return int((await answer(connection))[1]["id"])

    async def all_play(server: RunningGateway) -> list[int]:
        return await asyncio.gather(*(plays(server, number) for number in range(64)))

    with gateway(tmp_path, players=64) as server:
        assert asyncio.run(all_play(server)) == list(range(64))


def test_who_connects_and_says_nothing_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.engine_server.gateway._OPEN_S", 0.3)
    with (
        gateway(tmp_path) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as silent,
    ):
        assert silent.recv(100) == b""


def test_who_asks_and_never_reads_costs_the_others_nothing(server: RunningGateway) -> None:
    """Whose answers pile up is asked no more of, and is let go of when their machine is silent."""

    async def heavy(request: PlanRequest, left_ns: int) -> bytes:
        return await sound(request, left_ns) + bytes(4 * 200_000 * (request.id == 1))

    async def play(deaf: ClientConnection) -> int:
        deaf.transport.pause_reading()
        for _ in range(100):
            await deaf.send(ask(1))
            await asyncio.sleep(0.005)
        async with player(server) as other:
            await answer(other)
            begun_s = time.monotonic()
            for number in range(2, 12):
                await other.send(ask(number))
                assert (await answer(other))[1]["id"] == number
            assert time.monotonic() - begun_s < 2.0
        deaf.transport.abort()
        return server.gateway.counts["asked"]

    server.engine = heavy
    assert played(server, play) < 10 + 60


@pytest.mark.real_time
def test_the_newest_of_a_player_replaces_what_waits_and_never_what_is_being_made(
    server: RunningGateway,
) -> None:
    made: list[int] = []

    async def slow(request: PlanRequest, left_ns: int) -> bytes:
        made.append(request.id)
        await asyncio.sleep(0.15)
        return await sound(request, left_ns)

    async def play(connection: ClientConnection) -> list[int]:
        await connection.send(ask(1))
        await asyncio.sleep(0.05)
        for number in (2, 3, 4):
            await connection.send(ask(number))
        return [(await answer(connection))[1]["id"] for _ in range(2)]

    server.engine = slow
    assert played(server, play) == [1, 4]
    assert made == [1, 4]
    assert server.gateway.counts["replaced"] == 2


@pytest.mark.real_time
def test_time_left_counts_from_arrival_and_what_is_over_is_not_computed(
    server: RunningGateway,
) -> None:
    left: list[int] = []

    async def slow(request: PlanRequest, left_ns: int) -> bytes:
        left.append(left_ns)
        await asyncio.sleep(0.15)
        return await sound(request, left_ns)

    async def play(connection: ClientConnection) -> list[tuple[bytes, int]]:
        await connection.send(ask(1, 1 * S))
        await asyncio.sleep(0.05)
        await connection.send(ask(2, S // 20))  # over while it waits for the first
        answers = [await answer(connection) for _ in range(2)]
        await connection.send(ask(3, S // 10))  # over while it is made
        answers.append(await answer(connection))
        return [(kind, head["id"]) for kind, head in answers]

    server.engine = slow
    assert played(server, play) == [(PLAN, 1), (DROPPED, 2), (DROPPED, 3)]
    assert len(left) == 2
    assert 0.9 * S < left[0] <= S
    assert left[1] <= S // 10
    assert server.gateway.counts["over"] == 2


def test_a_request_outlives_one_engine_that_dies_but_not_two(server: RunningGateway) -> None:
    faults = [1, 1, 1]

    async def dies(request: PlanRequest, left_ns: int) -> bytes:
        if faults:
            raise RuntimeError(f"replica {faults.pop()}")
        return await sound(request, left_ns)

    async def play(connection: ClientConnection) -> list[bytes]:
        kinds = []
        for number in (1, 2):
            await connection.send(ask(number))
            kinds.append((await answer(connection))[0])
        return kinds

    server.engine = dies
    assert played(server, play) == [DROPPED, PLAN]


def test_another_model_is_an_error_and_the_player_stays(server: RunningGateway) -> None:
    async def play(connection: ClientConnection) -> list[bytes]:
        kinds = []
        for digest in ("00" * 32, FIXTURE_DIGEST):
            await connection.send(ask(1, digest=digest))
            kinds.append((await answer(connection))[0])
        return kinds

    assert played(server, play) == [ERROR, PLAN]


@pytest.mark.parametrize(
    "message",
    ["text", b"", b"A" + bytes(60), ask(1)[:50], pack_request(REQUEST), b"A" * (MOST_BYTES + 1)],
)
def test_who_sends_nonsense_is_shown_out_and_others_play_on(
    server: RunningGateway, message: str | bytes
) -> None:
    async def play(connection: ClientConnection) -> int:
        await connection.send(message)
        with pytest.raises(ConnectionClosed):
            await answer(connection)
        assert connection.close_code is not None
        async with player(server) as other:
            await answer(other)
            await other.send(ask(2))
            assert (await answer(other))[0] == PLAN
        return connection.close_code

    assert played(server, play) in (1003, 1008, 1009)


def test_who_floods_takes_no_more_than_their_turn(server: RunningGateway) -> None:
    made: list[int] = []
    lock = asyncio.Lock()

    async def one_at_a_time(request: PlanRequest, left_ns: int) -> bytes:
        async with lock:
            made.append(request.id)
            await asyncio.sleep(0.02)
            return await sound(request, left_ns)

    async def play(flooding: ClientConnection) -> int:
        async def flood() -> None:
            for number in range(1000, 2000):
                await flooding.send(ask(number))
                await asyncio.sleep(0)

        async with player(server) as modest:
            await answer(modest)
            task = asyncio.create_task(flood())
            for number in range(8):
                await modest.send(ask(number))
                assert (await answer(modest))[1]["id"] == number
            task.cancel()
            return len([number for number in made if number >= 1000])

    server.engine = one_at_a_time
    assert played(server, play) <= 10


def test_players_are_counted_and_leave_nothing_behind(server: RunningGateway) -> None:
    async def play(connection: ClientConnection) -> int:
        return server.gateway.players

    assert played(server, play) == 1
    end_s = time.monotonic() + 5
    while server.gateway.players and time.monotonic() < end_s:
        time.sleep(0.01)
    assert server.gateway.players == 0


def fetch(server: RunningGateway, path: str, token: str = "") -> tuple[int, str]:
    asked = urllib.request.Request(f"https://127.0.0.1:{server.port}{path}")
    asked.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(asked, context=server.address.tls(), timeout=5) as answered:
            return answered.status, answered.read().decode()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read().decode()


def test_health_is_for_all_and_figures_for_who_has_the_token(server: RunningGateway) -> None:
    async def play(connection: ClientConnection) -> None:
        await connection.send(ask(1))
        await answer(connection)

    played(server, play)
    assert fetch(server, "/health") == (200, "ok\n")
    assert fetch(server, "/stats")[0] == 401
    status, text = fetch(server, "/stats", server.address.token)
    assert (status, json.loads(text)["asked"]) == (200, 1)


@pytest.mark.real_time
def test_draining_answers_who_waits_and_lets_nobody_in(server: RunningGateway) -> None:
    async def slow(request: PlanRequest, left_ns: int) -> bytes:
        await asyncio.sleep(0.3)
        return await sound(request, left_ns)

    async def play(connection: ClientConnection) -> tuple[bytes, tuple[int, str], int | None]:
        await connection.send(ask(1))
        await asyncio.sleep(0.1)
        threading.Thread(target=server.end).start()
        await asyncio.sleep(0.1)
        health = await asyncio.to_thread(fetch, server, "/health")
        with pytest.raises(InvalidStatus, match="503"):
            async with player(server):
                pass
        kind, _ = await answer(connection)
        with pytest.raises(ConnectionClosed):
            await answer(connection)
        return kind, health, connection.close_code

    server.engine = slow
    assert played(server, play) == (PLAN, (503, "draining\n"), 1001)


def test_a_slot_keeps_the_newest_and_when_it_came() -> None:
    async def use() -> tuple[bytes, int]:
        slot = PendingSlot()
        assert not slot.put(b"old", 1)
        assert slot.put(b"new", 2)
        return await slot.take()

    assert asyncio.run(use()) == (b"new", 2)
