"""`midi-diffuse` with an engine that misbehaves when a file says how. Run as a program by tests.

The engine process imports this file too, as its main module, and so gets the same engine. The
file holds the name of a fault and for how many calls; it is gone when the last of them is made.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridge.engine_host import main as engine_process
from bridge.engine_host.main import Engine, EngineSpec
from engine.requests.request import Plan, PlanRequest

ORDERS = Path(os.environ["FAULTY_ENGINE_ORDERS"])
LATE_S = 2.2
"""More than four beats at 120 bpm: the beats meanwhile come from a plan that is stale."""


class FaultyEngine:
    """An engine, whatever it is, that looks at every call for what to do wrong."""

    def __init__(self, sound: Engine) -> None:
        self.sound = sound
        self.metadata, self.pitches = sound.metadata, sound.pitches

    def plan(self, request: PlanRequest) -> Plan:
        """Answer, or do what was ordered."""
        if not ORDERS.exists():
            return self.sound.plan(request)
        fault, calls = ORDERS.read_text().split()
        if int(calls) > 1:
            ORDERS.write_text(f"{fault} {int(calls) - 1}")
        else:
            ORDERS.unlink()
        return FAULTS[fault](self.sound, request)

    def plan_many(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """One after the other."""
        return [self.plan(request) for request in requests]


def _raise(sound: Engine, request: PlanRequest) -> Plan:
    raise RuntimeError("the model broke")


def _die(sound: Engine, request: PlanRequest) -> Plan:
    os._exit(3)


def _babble(sound: Engine, request: PlanRequest) -> Plan:
    """Nothing that could be read comes through the pipe."""
    setattr(engine_process, "pack_plan", lambda plan: b"P\xff\xff\xff\xffnonsense")  # noqa: B010
    return sound.plan(request)


def _hang(sound: Engine, request: PlanRequest) -> Plan:
    time.sleep(3600)
    return sound.plan(request)


def _late(sound: Engine, request: PlanRequest) -> Plan:
    time.sleep(LATE_S)
    return sound.plan(request)


def _nan(sound: Engine, request: PlanRequest) -> Plan:
    return _with_first(sound.plan(request), pitch=math.nan)


def _garbage(sound: Engine, request: PlanRequest) -> Plan:
    return _with_first(sound.plan(request), pitch=300, length_steps=-7)


def _with_first(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, notes=(replace(plan.notes[0], **changes), *plan.notes[1:]))


def _nan_weights(sound: Engine, request: PlanRequest) -> Plan:
    """What the network gives is not a number; by the next call its weights are sound again."""
    import torch

    weights = list(getattr(sound, "sampler").parameters())  # noqa: B009 - the fixture has none
    kept = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        try:
            for weight in weights:
                weight.fill_(math.nan)
            return sound.plan(request)
        finally:
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)


FAULTS: dict[str, Callable[[Engine, PlanRequest], Plan]] = {
    "raise": _raise,
    "die": _die,
    "babble": _babble,
    "hang": _hang,
    "late": _late,
    "nan": _nan,
    "nan-weights": _nan_weights,
    "garbage": _garbage,
}

_load_sound = engine_process.load_engine


def _load(spec: EngineSpec) -> Engine:
    return FaultyEngine(_load_sound(spec))


engine_process.load_engine = _load

if __name__ == "__main__":
    from bridge.cli import main as cli

    cli.run(sys.argv[1:])
