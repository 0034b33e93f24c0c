"""The daemon's figures for `stats`: how late notes leave, how long plans take, what was refused."""

from __future__ import annotations

from bridge.engine_host.keeper import EngineKeeper
from bridge.osc.server import OscCounts
from bridge.runtime.transport_thread import TransportThread
from bridge.timebase import NS_PER_MS

_LAST_NOTES = 32
"""Notes of which the latest is told as the lateness of this moment."""


def of_transport(transport: TransportThread) -> dict[str, float]:
    """Lateness of notes sent and of input handled, and what was not sent."""
    late = transport.lateness
    p50, p99, most = late.percentiles_ms((0.5, 0.99, 1.0))
    input_p99, input_most = transport.handling.percentiles_ms((0.99, 1.0))
    return {
        "send_late_p50_ms": p50,
        "send_late_p99_ms": p99,
        "send_late_max_ms": most,
        "send_late_last_ms": max(late.since(late.count - _LAST_NOTES), default=0) / NS_PER_MS,
        "input_late_p99_ms": input_p99,
        "input_late_max_ms": input_most,
        "unsent": float(transport.unsent),
        "stale_notes": float(transport.stale),
        "stalled_notes": float(transport.stalled),
        "faults": float(transport.faults),
    }


def of_engine(engine: EngineKeeper) -> dict[str, float]:
    """Time of recent plans, and the processes."""
    recent = [ns / NS_PER_MS for ns in engine.elapsed_ns]
    ordered, pids = sorted(recent) or [0.0], (*engine.pids, 0, 0)
    return {
        "plan_last_ms": recent[-1] if recent else 0.0,
        "plans": float(len(recent)),
        "plan_p50_ms": ordered[len(ordered) // 2],
        "plan_p95_ms": ordered[int(0.95 * len(ordered))],
        "engine_restarts": float(engine.restarts),
        "engine_pid": float(pids[0]),
        "standby_pid": float(pids[1]),
    }


def of_osc(counts: OscCounts) -> dict[str, float]:
    """Return messages that were not acted on."""
    names = ("dropped", "malformed", "refused", "lost")
    return {f"osc_{name}": float(getattr(counts, name)) for name in names}
