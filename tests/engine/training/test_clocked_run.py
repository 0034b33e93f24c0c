"""A run by the clock: when it ends, how the rate falls, and what one bad batch may do."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from engine.training.clocked_run import (
    Optimiser,
    Recipe,
    autocast,
    draw_levels,
    rate_at,
    sound_attention,
)


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    recipe = Recipe(1.0, rate=2.0, warmup=4)
    assert [rate_at(recipe, step, 0.0) for step in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rate_at(recipe, 100, 0.5) == pytest.approx(1.0)
    assert rate_at(recipe, 100, 1.0) == rate_at(recipe, 100, 1.2) == 0.0


def test_a_run_ends_by_the_clock_or_after_the_steps_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = itertools.count(0.0, 10.0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(seconds))
    run = Optimiser(network(), Recipe(1.0))
    assert [run.over for _ in range(7)] == [False] * 5 + [True] * 2
    short = Optimiser(network(), Recipe(60.0, most_steps=1))
    assert not short.over
    short.update(short.network(torch.ones(3)).sum())
    assert short.over


def test_a_step_is_taken_and_averaged() -> None:
    run = Optimiser(network(), Recipe(60.0, warmup=1, rate=0.1))
    before = run.network.weight.clone()
    run.update(run.network(torch.ones(3)).sum())
    step = run.network.weight - before
    assert (step < 0).all()
    mean = run.averaged.weight - before
    assert torch.allclose(mean, step * (1 - 1 / 11))  # at first it follows nearly at once


def test_a_batch_without_finite_gradients_changes_nothing() -> None:
    run = Optimiser(network(), Recipe(60.0, warmup=1))
    before = run.network.weight.clone()
    run.update(run.network(torch.full((3,), torch.nan)).sum())
    assert (run.step, run.skipped) == (1, 1)
    assert torch.equal(run.network.weight, before)
    assert torch.equal(run.averaged.weight, before)
    run.update(run.network(torch.ones(3)).sum())
    assert (run.step, run.skipped) == (2, 1)
    assert run.network.weight.isfinite().all()


@pytest.fixture
def given_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The attention kernels that are switched off, in order; really none is."""
    names: list[str] = []

    def switch(name: str) -> Callable[[bool], None]:
        return lambda on: None if on else names.append(name)

    for name in ("cudnn", "flash", "mem_efficient"):
        monkeypatch.setattr(torch.backends.cuda, f"enable_{name}_sdp", switch(name))
    return names


@pytest.mark.parametrize("bad", [0, 1, 2, 3])
def test_attention_kernels_are_given_up_until_gradients_are_finite(
    bad: int, given_up: list[str]
) -> None:
    norms = iter([torch.tensor(torch.nan)] * bad + [torch.tensor(1.0)])
    lines: list[str] = []
    sound_attention(lambda: next(norms), lines.append)
    assert given_up == ["cudnn", "flash", "mem_efficient"][:bad]
    assert len(lines) == 1


def test_no_sound_attention_kernel_is_an_error(given_up: list[str]) -> None:
    def gradients() -> Tensor:
        return torch.tensor(torch.inf)

    with pytest.raises(ArithmeticError, match="attention"):
        sound_attention(gradients, print)


def test_one_level_in_six_is_full_noise() -> None:
    levels = draw_levels(6000, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert float((levels == 1.0).float().mean()) == pytest.approx(1 / 6, abs=0.02)
    assert float(levels[levels < 1].mean()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("has_it", [True, False])
def test_a_processor_without_bf16_computes_in_fp32(
    monkeypatch: pytest.MonkeyPatch, has_it: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_it)
    linear = nn.Linear(3, 1)
    with autocast(torch.device("cpu")):
        found = linear(torch.ones(2, 3))
    assert found.dtype == (torch.bfloat16 if has_it else torch.float32)
