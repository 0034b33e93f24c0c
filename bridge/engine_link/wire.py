"""Requests and plans between a player and an engine server: `engine_host.wire`, and what is added.

A message is one binary WebSocket message of at most MOST_BYTES. A player's is an ask: its kind,
the time left in ms (clocks differ, so no instant crosses), the model's SHA-256, and a request as
the local engine gets it. The server's are a welcome, plans, errors and refusals.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge.engine_host.wire import pack, pack_request
from bridge.settings import model_trust
from bridge.settings.presets import FIXTURE
from bridge.timebase import NS_PER_MS
from engine.requests.request import PlanRequest

PROTOCOL = "midi-diffuse.engine.1"
"""WebSocket subprotocol: the version. Raised when a message changes its meaning."""
MOST_BYTES = 128 * 1024
"""A request of 32 beats with 16 notes a beat has 12 KB."""
ASK, WELCOME, DROPPED = b"A", b"W", b"D"
"""Kinds beside those of `engine_host.wire`: a request with its time; which models there are
(`models`, rows of Offer); a request that was not computed, for its time was over (`id`, `text`)."""
OVER = "its time was over"
FIXTURE_DIGEST = hashlib.sha256(FIXTURE.encode()).hexdigest()
_ASK = struct.Struct("<cI32s")


class WireError(ValueError):
    """A message that must not be acted on; says why in one line."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that a server has. plan_ns, calls: of a plan when it had warmed up."""

    digest: str
    name: str
    plan_ns: int
    calls: int
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlanAsk:
    """A player's message, its request still packed. left_ns: counted from its arrival."""

    digest: str
    left_ns: int
    request: bytes


def digest_of(model: str) -> str:
    """SHA-256 by which a model is pinned, in hex; the fixture has one too. Raises TrustError."""
    return FIXTURE_DIGEST if model == FIXTURE else model_trust.checksum(Path(model))


def pack_ask(request: PlanRequest, digest: str, left_ns: int) -> bytes:
    """Return a request for the model `digest`, of use for `left_ns` from now on."""
    left_ms = max(0, left_ns) // NS_PER_MS
    return _ASK.pack(ASK, left_ms, bytes.fromhex(digest)) + pack_request(request)


def unpack_ask(frame: bytes) -> PlanAsk:
    """Return the inverse of `pack_ask`, its request left packed. Raises WireError."""
    if len(frame) < _ASK.size or len(frame) > MOST_BYTES or frame[:1] != ASK:
        raise WireError("not a request of this protocol")
    _, left_ms, digest = _ASK.unpack_from(frame)
    return PlanAsk(digest.hex(), left_ms * NS_PER_MS, frame[_ASK.size :])


def pack_welcome(offers: list[Offer]) -> bytes:
    """Return what a server says first."""
    return pack(WELCOME, {"models": [asdict(offer) for offer in offers]})


def offers_of(head: dict[str, Any]) -> dict[str, Offer]:
    """Return the models of a welcome by digest. Raises what reading nonsense raises."""
    rows = [
        Offer(str(r["digest"]), str(r["name"]), int(r["plan_ns"]), int(r["calls"]), r["metadata"])
        for r in head["models"]
    ]
    return {row.digest: row for row in rows}


def pack_dropped(number: int, text: str) -> bytes:
    """Request `number` is not computed."""
    return pack(DROPPED, {"id": number, "text": text})
