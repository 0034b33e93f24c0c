"""`midi-diffuse` with an engine that misbehaves when a file says how. Run as a program by tests.

The engine process imports this file too, as its main module, and so gets the same engine.
"""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import engine.fixture
from bridge import engine_process, worker
from engine.request import Plan, PlanRequest

ORDERS = Path(os.environ["FAULTY_ENGINE_ORDERS"])
SOUND = engine.fixture.FixtureGenerator

worker.LEAST_HANG_NS = 1_000_000_000  # five times as short, so that a test need not wait


class FaultyGenerator(SOUND):
    """The fixture engine, which looks at every call for what to do wrong; once for each order."""

    def plan(self, request: PlanRequest) -> Plan:
        order = ORDERS.read_text() if ORDERS.exists() else ""
        plan = super().plan(request)
        if order:
            ORDERS.unlink()
            FAULTS[order](plan)
            if order in ALTERED:
                return ALTERED[order](plan)
        return plan


def _raise(_: Plan) -> None:
    raise RuntimeError("the model broke")


def _die(_: Plan) -> None:
    os._exit(3)


def _babble(_: Plan) -> None:
    """Nothing that could be read comes through the pipe."""
    setattr(engine_process, "pack_plan", lambda plan: b"P\xff\xff\xff\xffnonsense")  # noqa: B010


def _nothing(_: Plan) -> None:
    """What is wrong is in the plan."""


def _with_first(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, notes=(replace(plan.notes[0], **changes), *plan.notes[1:]))


FAULTS = {
    "raise": _raise,
    "die": _die,
    "babble": _babble,
    "hang": lambda _: time.sleep(3600),
    "late": lambda _: time.sleep(0.9),  # more than three beats at 240 bpm
    "nan": _nothing,
    "garbage": _nothing,
}
ALTERED = {
    "nan": lambda plan: _with_first(plan, pitch=math.nan),
    "garbage": lambda plan: _with_first(plan, pitch=300, length_steps=-7),
}

engine.fixture.FixtureGenerator = FaultyGenerator  # type: ignore[misc]

if __name__ == "__main__":
    from bridge import cli

    cli.run(sys.argv[1:])
