"""The forward process and its posterior, against the paper's equations and brute force."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.diffusion.noise import (
    SCHEDULES,
    alpha_bar,
    diffuse,
    flip_rate,
    keep_probability,
    log_decay,
    own_evidence,
    posterior,
    predicted_posterior,
)

SHARE = st.floats(0.001, 0.999)


def one(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def kernel(x: int, alpha: float, prior: float, to: int) -> float:
    """B(to; alpha x + (1 - alpha) prior), written out."""
    up = alpha * x + (1 - alpha) * prior
    return up if to else 1 - up


@pytest.mark.parametrize("x0", [0.0, 1.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_forward_marginals(x0: float, alpha: float) -> None:
    count, prior = 200_000, 0.07
    uniform = torch.rand(count, generator=torch.Generator().manual_seed(0))
    drawn = diffuse(torch.full((count,), x0), one(alpha), one(prior), uniform)
    expected = alpha * x0 + (1 - alpha) * prior
    spread = math.sqrt(expected * (1 - expected) / count)
    assert set(drawn.tolist()) <= {0.0, 1.0}
    assert abs(float(drawn.mean()) - expected) <= 5 * spread


@given(x0=st.integers(0, 1), alphas=st.lists(SHARE, min_size=1, max_size=12), prior=SHARE)
def test_single_steps_compose_to_the_closed_form(
    x0: int, alphas: list[float], prior: float
) -> None:
    stepwise = one(float(x0))
    for alpha in alphas:  # eq. 3 is linear in x, so the mean passes through it
        stepwise = keep_probability(stepwise, one(alpha), one(prior))
    closed = keep_probability(one(float(x0)), one(math.prod(alphas)), one(prior))
    assert float(stepwise) == pytest.approx(float(closed), abs=1e-12)


@given(x_t=st.integers(0, 1), x0=st.integers(0, 1), bar_s=SHARE, ratio=SHARE, prior=SHARE)
def test_posterior_is_bayes(x_t: int, x0: int, bar_s: float, ratio: float, prior: float) -> None:
    joint = [kernel(x0, bar_s, prior, x_s) * kernel(x_s, ratio, prior, x_t) for x_s in (0, 1)]
    found = posterior(one(float(x_t)), one(float(x0)), one(bar_s * ratio), one(bar_s), one(prior))
    assert float(found) == pytest.approx(joint[1] / sum(joint), rel=1e-9)


@given(x_t=st.integers(0, 1), p=SHARE, bar_s=SHARE, ratio=SHARE, prior=SHARE)
def test_predicted_posterior_mixes_over_x0(
    x_t: int, p: float, bar_s: float, ratio: float, prior: float
) -> None:
    def given_x0(x0: int) -> float:
        bar_t = one(bar_s * ratio)
        return float(posterior(one(float(x_t)), one(float(x0)), bar_t, one(bar_s), one(prior)))

    found = predicted_posterior(one(float(x_t)), one(p), one(bar_s * ratio), one(bar_s), one(prior))
    assert float(found) == pytest.approx(p * given_x0(1) + (1 - p) * given_x0(0), rel=1e-9)


@given(x_t=st.integers(0, 1), p=SHARE, bar_t=SHARE, prior=SHARE)
def test_the_last_step_takes_the_prediction_itself(
    x_t: int, p: float, bar_t: float, prior: float
) -> None:
    found = predicted_posterior(one(float(x_t)), one(p), one(bar_t), one(1.0), one(prior))
    assert float(found) == pytest.approx(p, rel=1e-9)


@given(x_t=st.integers(0, 1), p=SHARE, bar_t=st.floats(0.01, 0.99), prior=SHARE)
def test_own_evidence_is_what_bayes_adds_to_the_log_odds(
    x_t: int, p: float, bar_t: float, prior: float
) -> None:
    if_one, if_zero = (kernel(x0, bar_t, prior, x_t) for x0 in (1, 0))
    exact = p * if_one / (p * if_one + (1 - p) * if_zero)
    logit = one(math.log(p / (1 - p))) + own_evidence(one(float(x_t)), one(bar_t), one(prior))
    assert float(torch.sigmoid(logit)) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedules_fall_from_all_signal_to_none(kind: str) -> None:
    kept = alpha_bar(torch.linspace(0, 1, 101), kind)
    assert float(kept[0]) == 1.0
    assert float(kept[-1]) == 0.0
    assert bool((kept.diff() < 0).all())


@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_decay_is_the_slope_of_the_kept_share(kind: str) -> None:
    level = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    step = 1e-6
    below, above = (alpha_bar(level + by, kind).log() for by in (-step, step))
    assert torch.allclose(log_decay(level, kind), (below - above) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("x", [0.0, 1.0])
@pytest.mark.parametrize("x0", [0.0, 1.0])
def test_the_flip_rate_is_the_posterior_of_a_short_step(kind: str, x: float, x0: float) -> None:
    step, level, prior = 1e-6, one(0.6), one(0.03)
    here, before = alpha_bar(level, kind), alpha_bar(level - step, kind)
    was_one = posterior(one(x), one(x0), here, before, prior)
    flipped = (1 - was_one if x else was_one) / step
    found = flip_rate(one(x), x0, here, log_decay(level, kind), prior)
    assert float(found) == pytest.approx(float(flipped), rel=1e-3)
