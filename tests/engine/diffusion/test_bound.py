"""The likelihood bound, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.denoisers.inputs import Denoiser, Inputs
from engine.diffusion.batch import Batch
from engine.diffusion.bound import (
    bound_rate,
    free_steps,
    kl_bernoulli,
    spread_levels,
    window_bound,
)
from engine.diffusion.cell_evidence import CellEvidence
from engine.diffusion.noise import (
    alpha_bar,
    keep_probability,
    own_evidence,
    posterior,
    predicted_posterior,
)

RATES = torch.linspace(0.005, 0.4, 12)
"""Chance of a cell of each pitch: the whole truth about a made-up music."""
PRIOR = torch.full((2, 2, 1, 1), 0.05)


class Exact(Denoiser):
    """Knows the rate of each pitch and what noise does: p(x0 | x_t) by Bayes, linear schedule."""

    def __init__(self, evidence: bool = True) -> None:
        super().__init__()
        self.evidence = evidence

    def forward(self, inputs: Inputs) -> Tensor:
        noisy, level = inputs.noisy, inputs.level
        prior_logit = torch.logit(RATES)[:, None].expand_as(noisy)
        if not self.evidence:
            return prior_logit
        kept = (1 - level.double())[:, None, None, None, None]
        rates = RATES.double()[:, None]
        prior = PRIOR.double()
        if_one, if_zero = (
            torch.where(noisy > 0.5, p, 1 - p)
            for p in (keep_probability(torch.tensor(x), kept, prior) for x in (1.0, 0.0))
        )
        one = rates * if_one
        return torch.logit(one / (one + (1 - rates) * if_zero), eps=1e-12)


def batch(size: int = 12, beats: int = 2, mask: float = 0.0) -> Batch:
    rng = np.random.default_rng(0)
    steps = 24 * beats
    target = rng.random((size, 2, 2, 12, steps)) < RATES.numpy()[:, None]
    known = rng.random((size, 2, steps)) < mask
    tokens = np.zeros((size, steps // 6), np.int64)
    none = np.zeros(size, np.int64)
    return Batch(target, target, known, tokens, tokens + 96, none, none)


def cross_entropy(music: Batch) -> torch.Tensor:
    """-log p of the free cells under the truth, [B]."""
    rates = RATES.double()[:, None]
    target = torch.from_numpy(music.target)
    cost = -torch.where(target, rates.log(), (1 - rates).log())
    free = torch.from_numpy(~music.mask)[:, :, None, None]
    return (cost * free).sum(dim=(1, 2, 3, 4))


def bound(network: nn.Module, music: Batch, **more: int | CellEvidence) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return window_bound(network, music, PRIOR, "linear", generator, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("mask", [0.0, 0.5])
def test_one_level_is_the_cross_entropy_itself(mask: float) -> None:
    music = batch(mask=mask)
    found = bound(Exact(), music, levels=1, draws=1)
    torch.testing.assert_close(found, cross_entropy(music), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("levels", [10, 100])
def test_independent_cells_are_bounded_without_a_gap(levels: int) -> None:
    # With independent cells and the exact denoiser the chain gives every term its true value.
    music = batch(size=40, beats=4)
    found = bound(Exact(), music, levels=levels, draws=10)
    exact = cross_entropy(music).sum()
    assert float(found.sum() / exact) == pytest.approx(1.0, abs=0.03)


def test_the_evidence_makes_the_rates_alone_exact() -> None:
    music = batch()
    whole = bound(Exact(), music, levels=20, draws=2)
    split = bound(Exact(evidence=False), music, levels=20, draws=2, exact=CellEvidence(1.0))
    torch.testing.assert_close(split, whole, rtol=1e-3, atol=1e-2)


def test_a_wrong_network_is_worse() -> None:
    class Wrong(Exact):
        def forward(self, inputs: Inputs) -> Tensor:
            return super().forward(inputs) + 1.0

    music = batch()
    assert float(bound(Wrong(), music, levels=20).sum()) > 1.05 * float(cross_entropy(music).sum())


def test_known_cells_cost_nothing() -> None:
    music = batch(mask=1.0)
    assert float(bound(Exact(), music).abs().sum()) == 0.0
    assert float(free_steps(music).sum()) == 0.0


def test_kl() -> None:
    p, q = (
        torch.tensor([0.3, 0.0, 1.0, 0.5], dtype=torch.float64),
        torch.tensor([0.6, 0.25, 0.5, 0.5], dtype=torch.float64),
    )
    exact = [0.3 * np.log(0.5) + 0.7 * np.log(0.7 / 0.4), -np.log(0.75), np.log(2.0), 0.0]
    assert kl_bernoulli(p, q).tolist() == pytest.approx(exact, abs=1e-12)
    assert bool(kl_bernoulli(torch.tensor([1.0]), torch.tensor([0.0])).isfinite().all())


def test_own_evidence_of_the_pure_prior_is_nothing() -> None:
    x = torch.tensor([0.0, 1.0])
    assert own_evidence(x, torch.tensor(0.0), torch.tensor(0.05)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_rate_is_the_bound_of_a_very_short_step(schedule: str) -> None:
    """Per unit of the noise level, cell by cell, against the posteriors themselves."""
    generator = torch.Generator().manual_seed(2)
    shape, step = (3, 2, 2, 4, 6), 1e-6
    x0, x_t = ((torch.rand(shape, generator=generator) < 0.4).double() for _ in range(2))
    logits = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    level, prior = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64), PRIOR.double()
    here, after = (
        alpha_bar(each, schedule)[:, None, None, None, None] for each in (level, level - step)
    )
    truth = posterior(x_t, x0, here, after, prior)
    guess = predicted_posterior(x_t, torch.sigmoid(logits), here, after, prior)
    wanted = kl_bernoulli(truth, guess) / step
    found = bound_rate(logits, x_t, x0, level, prior, schedule)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_the_rate_is_finite_at_either_end() -> None:
    x, level = torch.ones(2, 1, 1, 1, 1), torch.tensor([0.0, 1.0])
    for x0 in (x, 1 - x):
        rate = bound_rate(x - 1.0, x, x0, level, PRIOR[:1, :1], "linear")
        assert bool(rate.isfinite().all())
        assert bool((rate >= 0).all())


def test_levels_are_spread_evenly_and_in_random_order() -> None:
    generator = torch.Generator().manual_seed(1)
    levels = spread_levels(8, generator, torch.device("cpu"))
    assert (levels.sort().values * 8).long().tolist() == list(range(8))
    assert levels.tolist() != levels.sort().values.tolist()
    again = spread_levels(8, generator, torch.device("cpu"))
    assert not torch.equal(levels, again)


def test_a_step_is_free_where_a_voice_is() -> None:
    mask = np.array([[[True, True, False, False], [True, False, True, False]]])
    none = np.zeros(1, np.int64)
    cells = np.zeros((1, 2, 2, 1, 4), np.bool_)
    music = Batch(cells, cells, mask, none, none, none, none)
    assert free_steps(music).tolist() == [3.0]


def test_a_certain_mistake_costs_much_and_not_everything() -> None:
    sure = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert kl_bernoulli(sure, 1 - sure).tolist() == pytest.approx([27.631] * 2, abs=0.01)
