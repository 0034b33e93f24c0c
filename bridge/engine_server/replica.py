"""One copy of a model that answers batches of requests. Runs in a process of Ray Serve."""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import grpc

from bridge.engine_host.main import Cue, EngineSpec, fault_message, load_engine, plain, warm_up
from bridge.engine_host.wire import ERROR, PLAN, pack, pack_plan, unpack
from bridge.engine_link.wire import OVER, Offer, digest_of, pack_dropped
from bridge.engine_server.batcher import Batcher, OverError
from bridge.timebase import NS_PER_S
from engine.requests.request import Plan, PlanRequest

_BATCH_ON_GPU, _BATCH = 32, 2
"""On a CPU a batch saves next to nothing, and who is in it waits for all of it."""
HANG_NS = 30 * NS_PER_S
"""A batch that takes longer never ends: the replica is unwell and Serve replaces it."""


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model by its bytes: a file whose checksum is another is not loaded."""

    spec: EngineSpec
    digest: str


class Replica:
    """Owner: Serve's event loop in this process; the model belongs to one thread beside it."""

    def __init__(self, model: PinnedModel, most: int) -> None:
        """Load and warm up. most: requests in a batch, 0: chosen.

        Raises ModelError, TrustError, or ValueError where the file is another one.
        """
        _keep_to_loopback()
        _quick_threads()
        if digest_of(model.spec.model) != model.digest:
            raise ValueError(f"{model.spec.model} is not the file that was pinned when we started")
        self._model = model
        self._engine = load_engine(model.spec)
        self._thread = ThreadPoolExecutor(1)  # TorchScript leaks when fresh threads call it
        cue = Cue(model.spec)
        self._plan_ns = self._thread.submit(warm_up, self._engine, cue).result()
        self._batcher = Batcher(self._compute, most or (_BATCH_ON_GPU if self._on_gpu else _BATCH))

    @property
    def _on_gpu(self) -> bool:
        return str(self._engine.metadata.get("device", "")).startswith("cuda")

    def check_health(self) -> None:
        """Serve asks now and then; raising makes it start another in our place."""
        since_ns = self._batcher.busy_ns
        if since_ns is not None and time.monotonic_ns() - since_ns > HANG_NS:
            raise RuntimeError("a batch does not end")

    async def offer(self) -> dict[str, Any]:
        """Return the model as players know it: the fields of `engine_link.wire.Offer`."""
        spec = self._model.spec
        metadata = plain(self._engine.metadata)
        return asdict(
            Offer(self._model.digest, spec.name, self._plan_ns, spec.warm_up.steps, metadata)
        )

    async def plan(self, request: PlanRequest, left_ns: int) -> bytes:
        """Return the answer as a frame: a plan, an error, or that its time was over before its
        turn."""
        try:
            return await self._batcher.ask(request, left_ns)
        except OverError:
            return pack_dropped(request.id, OVER)

    async def _compute(self, requests: list[PlanRequest]) -> list[bytes]:
        loop = asyncio.get_running_loop()
        try:
            plans = await loop.run_in_executor(self._thread, self._engine.plan_many, requests)
            return [_pack_share(plan, len(plans)) for plan in plans]
        except Exception as err:  # one bad batch must not cost the others their engine
            text = fault_message(err)
            return [pack(ERROR, {"id": request.id, "text": text}) for request in requests]


def _pack_share(plan: Plan, players: int) -> bytes:
    """Return a plan as a frame that also tells how many players' plans were made with it."""
    kind, head, numbers = unpack(pack_plan(plan))
    assert kind == PLAN
    return pack(PLAN, head | {"batch": players}, numbers)


def _quick_threads() -> None:
    """Let a thread that wants Python's lock wait 0.5 ms for it, not 5: Ray's own threads hold it
    while a batch or an answer is ready."""
    sys.setswitchinterval(0.0005)


def _keep_to_loopback() -> None:
    """Serve has every replica listen on all addresses, and what comes in there is unpickled."""
    for implementation in grpc.aio.Server.__subclasses__():
        _listen_on_loopback(implementation)


def _listen_on_loopback(implementation: Any) -> None:
    original = implementation.add_insecure_port

    def on_loopback(self: object, address: str) -> int:
        return int(original(self, f"127.0.0.1:{address.rpartition(':')[2]}"))

    implementation.add_insecure_port = on_loopback
