"""A model of a family that cannot do what is asked: said once, and the process goes on."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import torch

from bridge.commands import Command, EngineState, PlanArrived
from bridge.engine_host.main import EngineSpec, warm_up_request
from bridge.engine_host.supervisor import MOST_ERRORS, EngineSupervisor
from engine.model import checkpoint
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.requests.request import SampleSettings, Span
from engine.systems.registry import SYSTEMS

PLAYED = SampleSettings(steps=1, sampler="ddim")
GOES_ON = warm_up_request(PLAYED)
HARMONY = replace(GOES_ON, known=(Span(LEAD, -192, 384), Span(ACCOMPANIMENT, -192, 0)))


def savkin(path: Path) -> Path:
    system = SYSTEMS["savkin"]
    network = system.build(system.config(width=8, length=64))
    state = {"format": 1, "family": "savkin", "sizes": checkpoint.sizes_of(network), "facts": {}}
    weights = {name: value.half() for name, value in network.state_dict().items()}
    checkpoint.save_atomically({**state, "weights": weights}, path)
    return path


def test_a_task_it_has_not_is_said_once_and_costs_no_process(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reports: list[Command] = []
    supervisor = EngineSupervisor(reports.append)
    supervisor.start(EngineSpec(str(savkin(tmp_path / "s.pt")), "cpu", "savkin", warm_up=PLAYED))

    def wait_for(kind: type[Command], word: str) -> None:
        end_s = time.monotonic() + 60
        while not any(isinstance(each, kind) and word in str(each) for each in reports):
            assert time.monotonic() < end_s, [str(each)[:90] for each in reports]
            time.sleep(0.01)

    try:
        wait_for(EngineState, "ready")
        pids = supervisor.pids
        for number in range(MOST_ERRORS + 1):
            supervisor.submit(replace(HARMONY, id=2 * number + 1))
            supervisor.submit(replace(GOES_ON, id=2 * number + 2))
            wait_for(PlanArrived, f"id={2 * number + 2},")
        said = [r.detail for r in reports if isinstance(r, EngineState) and r.state == "error"]
        assert len(said) <= 1
        assert all(text.startswith("savkin cannot harmonize") for text in said)
        assert supervisor.pids == pids
        supervisor.submit(replace(HARMONY, id=99))
        wait_for(EngineState, "savkin cannot harmonize")
    finally:
        supervisor.stop()
