from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.systems.common.gaussian import (
    Walk,
    alpha_bar,
    clean,
    diffuse,
    draw_levels,
    reverse,
    velocity,
)


def test_the_schedule_runs_from_clean_to_noise() -> None:
    kept = alpha_bar(torch.tensor([0.0, 0.5, 1.0]))
    assert kept[0] > 0.999
    assert 0.45 < kept[1] < 0.5
    assert kept[2] < 1e-12


def test_x0_comes_back_of_x_and_v() -> None:
    torch.manual_seed(0)
    x0, noise, level = torch.randn(4, 3, 8), torch.randn(4, 3, 8), torch.rand(4)
    x, v = diffuse(x0, level, noise), velocity(x0, level, noise)
    assert torch.allclose(clean(x, level, v), x0, atol=1e-5)


def test_levels_are_thousandths() -> None:
    levels = draw_levels(1000, torch.Generator().manual_seed(0))
    assert torch.allclose(levels * 1000, (levels * 1000).round(), atol=1e-3)
    assert 0.001 <= float(levels.min()) < 0.01
    assert float(levels.max()) <= 1.0


@pytest.mark.parametrize("way", ["ddim", "ancestral"])
def test_a_network_that_knows_leads_to_what_it_knows(way: str) -> None:
    truth = torch.linspace(-1, 1, 8)[None]

    def predict(x: Tensor, level: Tensor) -> Tensor:
        kept = alpha_bar(level)[:, None]
        return (kept.sqrt() * x - truth) / (1 - kept).sqrt()

    found = reverse(predict, torch.zeros(1, 8), torch.zeros(1, 8), Walk(10, way), torch.Generator())
    assert torch.allclose(found, truth, atol=1e-4)


def test_known_values_stay_and_the_mending_is_asked_each_time() -> None:
    known = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    source = torch.tensor([[0.25, 0.0, 0.0, -0.5]])
    asked: list[Tensor] = []

    def mend(x0: Tensor) -> Tensor:
        asked.append(x0)
        return x0

    found = reverse(
        lambda x, level: torch.zeros_like(x), source, known, Walk(5), torch.Generator(), mend
    )
    assert found[0, 0] == 0.25
    assert found[0, 3] == -0.5
    assert [float(each[0, 0]) for each in asked] == [0.25] * 5


def test_the_seed_decides() -> None:
    def run(seed: int) -> Tensor:
        nothing = torch.zeros(1, 8)
        return reverse(
            lambda x, level: 0.1 * x,
            nothing,
            nothing,
            Walk(4, "ancestral"),
            torch.Generator().manual_seed(seed),
        )

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
