from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

pytest.importorskip("ray", reason="needs the extra `cluster`")

import grpc

from bridge.engine_host.main import EngineSpec, warm_up_request
from bridge.engine_host.wire import ERROR, PLAN, unpack
from bridge.engine_link.wire import DROPPED, FIXTURE_DIGEST, Offer
from bridge.engine_server.replica import HANG_NS, PinnedModel, Replica
from engine.requests.request import SampleSettings

SPEC = EngineSpec("fixture", preset="fixture", warm_up=SampleSettings(steps=1))
REQUEST = warm_up_request(SampleSettings())
S = 1_000_000_000


@pytest.fixture(scope="module")
def replica() -> Replica:
    return Replica(PinnedModel(SPEC, FIXTURE_DIGEST), 4)


def test_a_file_that_is_not_the_pinned_one_is_not_loaded() -> None:
    with pytest.raises(ValueError, match="fixture is not the file that was pinned"):
        Replica(PinnedModel(SPEC, "00" * 32), 1)


def test_it_offers_its_model_by_digest(replica: Replica) -> None:
    offer = Offer(**asyncio.run(replica.offer()))
    assert (offer.digest, offer.name, offer.calls) == (FIXTURE_DIGEST, "fixture", 1)
    assert offer.plan_ns > 0


def test_answers_say_how_many_shared_their_batch(replica: Replica) -> None:
    async def ask() -> list[bytes]:
        asked = [replica.plan(replace(REQUEST, id=i), S) for i in (1, 2, 3)]
        return await asyncio.gather(*asked, replica.plan(replace(REQUEST, id=4), 0))

    *plans, late = [unpack(frame) for frame in asyncio.run(ask())]
    assert [(kind, head["id"], head["batch"]) for kind, head, _ in plans] == [
        (PLAN, 1, 3),
        (PLAN, 2, 3),
        (PLAN, 3, 3),
    ]
    assert late[:2] == (DROPPED, {"id": 4, "text": "its time was over"})


def test_a_batch_that_fails_is_an_error_for_those_in_it_only(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(requests: object) -> None:
        raise RuntimeError("the model\nbroke")

    monkeypatch.setattr(replica._engine, "plan_many", breaks)
    kind, head, _ = unpack(asyncio.run(replica.plan(replace(REQUEST, id=5), S)))
    assert (kind, head) == (ERROR, {"id": 5, "text": "the model broke"})
    monkeypatch.undo()
    assert unpack(asyncio.run(replica.plan(REQUEST, S)))[0] == PLAN
    replica.check_health()


def test_it_is_unwell_when_a_batch_does_not_end(replica: Replica) -> None:
    replica._batcher.busy_ns = time.monotonic_ns() - HANG_NS - S
    with pytest.raises(RuntimeError, match="does not end"):
        replica.check_health()
    replica._batcher.busy_ns = None


def test_what_serve_opens_to_the_network_is_opened_on_loopback(replica: Replica) -> None:
    async def bound() -> None:
        server = grpc.aio.server()
        port = server.add_insecure_port("[::]:0")
        await server.start()
        try:
            with pytest.raises(OSError, match="Connect call failed"):
                await asyncio.open_connection("::1", port)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        finally:
            await server.stop(None)

    asyncio.run(bound())
