"""The binomial forward process and its posterior (Atassi 2023, equations 3 to 8).

A cell keeps its value with probability `alpha` and is redrawn from the prior B(p) otherwise:

    eq. 3   q(x[t] | x[t-1]) = B(alpha_t x[t-1] + (1 - alpha_t) p)
    eq. 8   q(x[t] | x0)     = B(alpha_bar_t x0 + (1 - alpha_bar_t) p),  alpha_bar_t = prod alpha_s

The paper writes p = 0.5 and then says the mean density of the data replaces it; so do we, per
voice and plane. All functions work on tensors of one shape or that broadcast; no state.
"""

import torch
from torch import Tensor

SCHEDULES = ("linear", "cosine")


def alpha_bar(level: Tensor, kind: str) -> Tensor:
    """Return share of the signal left at noise level 0 (clean) to 1 (pure prior, exactly 0)."""
    if kind == "linear":
        return 1.0 - level
    return torch.cos(level.clamp(0.0, 1.0) * (torch.pi / 2)) ** 2 * (level < 1.0)


def keep_probability(x: Tensor, alpha: Tensor, prior: Tensor) -> Tensor:
    """P(next cell = 1) after one kernel step (eq. 3), or from x0 with alpha_bar (eq. 8)."""
    return alpha * x + (1.0 - alpha) * prior


def diffuse(x0: Tensor, alpha: Tensor, prior: Tensor, uniform: Tensor) -> Tensor:
    """Draw x[t] given x0; `uniform` is U(0, 1) noise of x0's shape. Returns 0.0 or 1.0."""
    return (uniform < keep_probability(x0, alpha, prior)).to(x0.dtype)


def posterior(
    x_t: Tensor, x0: Tensor, alpha_bar_t: Tensor, alpha_bar_s: Tensor, prior: Tensor
) -> Tensor:
    """P(x[s] = 1 | x[t], x0) for an earlier level s < t, by Bayes from eq. 3 and eq. 8.

    x_t: 0 or 1. x0: 0 or 1, or a probability only if you mean to plug it in; the exact mixture
    over x0 is `predicted_posterior`.
    """
    alpha = alpha_bar_t / alpha_bar_s.clamp_min(1e-12)
    one = keep_probability(x0, alpha_bar_s, prior)
    up = keep_probability(torch.ones_like(x_t), alpha, prior)
    stay_low = keep_probability(torch.zeros_like(x_t), alpha, prior)
    if_one = torch.where(x_t > 0.5, up, 1.0 - up) * one
    if_zero = torch.where(x_t > 0.5, stay_low, 1.0 - stay_low) * (1.0 - one)
    return if_one / (if_one + if_zero).clamp_min(1e-12)


def log_decay(level: Tensor, kind: str) -> Tensor:
    """-d log(alpha_bar) / d level: how often a cell is redrawn, per unit of the noise level."""
    if kind == "linear":
        return 1.0 / (1.0 - level)
    return torch.pi * torch.tan(level * (torch.pi / 2))


def flip_rate(x_t: Tensor, x0: float, alpha_bar_t: Tensor, decay: Tensor, prior: Tensor) -> Tensor:
    """Return how often x[t] goes back across a flip, per unit of the noise level, given x0 (0 or
    1).

    The limit of `posterior` for s -> t: the forward rate of the flip that led here, times
    q(other value | x0) / q(x[t] | x0).
    """
    one = alpha_bar_t * x0 + (1.0 - alpha_bar_t) * prior
    was_zero = decay * prior * (1.0 - one) / one
    was_one = decay * (1.0 - prior) * one / (1.0 - one)
    return torch.where(x_t > 0.5, was_zero, was_one)


def own_evidence(x_t: Tensor, alpha_bar_t: Tensor, prior: Tensor) -> Tensor:
    """Return what a noisy cell alone says of its clean value: log q(x_t | x0 = 1) - log q(x_t | x0
    = 0).

    By Bayes, logit p(x0 | all cells) = logit p(x0 | the other cells) + this. A network whose
    tokens are too narrow to copy single cells through need only learn the first part.
    """
    up, low = alpha_bar_t + (1.0 - alpha_bar_t) * prior, (1.0 - alpha_bar_t) * prior
    seen = torch.log(up.clamp_min(1e-9)) - torch.log(low.clamp_min(1e-9))
    unseen = torch.log((1.0 - up).clamp_min(1e-9)) - torch.log((1.0 - low).clamp_min(1e-9))
    return x_t * seen + (1.0 - x_t) * unseen


def predicted_posterior(
    x_t: Tensor, p_x0: Tensor, alpha_bar_t: Tensor, alpha_bar_s: Tensor, prior: Tensor
) -> Tensor:
    """P(x[s] = 1 | x[t]) = sum over x0 of q(x[s] | x[t], x0) p(x0 | x[t])."""
    if_one = posterior(x_t, torch.ones_like(x_t), alpha_bar_t, alpha_bar_s, prior)
    if_zero = posterior(x_t, torch.zeros_like(x_t), alpha_bar_t, alpha_bar_s, prior)
    return p_x0 * if_one + (1.0 - p_x0) * if_zero
