"""Timing: what is measured, not how long it took."""

from __future__ import annotations

import pytest
import torch

from engine.evaluation.bench import bench, harmonize_request, measure, paper_model, torch_machine
from engine.model.generator import Generator
from engine.music.grid import LEAD
from engine.requests.request import PlanRequest, SampleSettings


class Counting:
    """Notes what was asked; takes no time."""

    def __init__(self) -> None:
        self.asked: list[PlanRequest] = []

    def plan(self, request: PlanRequest) -> None:
        self.asked.append(request)


def test_every_model_request_and_number_of_steps(tiny_generator: Generator) -> None:
    request = harmonize_request(SampleSettings())
    models = {"a": tiny_generator, "b": tiny_generator}
    rows = list(bench(models, {"four bars": request}, [1, 2], plans=3))
    assert [(row.model, row.steps) for row in rows] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert all(0 < row.p50_ms <= row.p95_ms for row in rows)
    assert all(row.beats == 16 and row.plans == 3 for row in rows)
    assert all(row.estimated_from is None for row in rows)


def test_what_takes_too_long_is_estimated_and_says_so(tiny_generator: Generator) -> None:
    request = harmonize_request(SampleSettings())
    (row,) = bench({"a": tiny_generator}, {"x": request}, [100], plans=3, longest_s=1e-6)
    assert row.estimated_from == 4
    assert row.plans == 3


def test_seeds_differ_and_warm_up_is_not_counted() -> None:
    counting = Counting()
    times = measure(counting, harmonize_request(SampleSettings()), 5)  # type: ignore[arg-type]
    assert len(times) == 5
    assert len({request.settings.seed for request in counting.asked}) == 7


def test_the_papers_network_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = paper_model("cpu")
    assert "random weights" in str(generator.metadata["name"])
    assert sum(p.numel() for p in generator.sampler.parameters()) > 5e6
    request = harmonize_request(SampleSettings(steps=1))
    plan = generator.plan(request)
    assert [n for n in plan.notes if n.voice == LEAD] == list(request.notes)


def test_the_machine_is_named() -> None:
    found = torch_machine(torch.device("cpu"))
    assert found["cpu"]
    assert found["cores"] >= 1
    assert found["torch_threads"] == torch.get_num_threads()
