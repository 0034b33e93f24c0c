"""Gaussian diffusion on real numbers: the forward process, and the loop back (Ho et al. 2020).

    x[t] = sqrt(ab_t) x0 + sqrt(1 - ab_t) e,      e ~ N(0, 1),   ab = alpha bar, 1 clean, 0 noise

Networks here guess v = sqrt(ab) e - sqrt(1 - ab) x0 (Salimans and Ho 2022): at pure noise, where
every loop with few steps starts, the noise itself would tell nothing of x0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

_LEVELS = 1000
"""Noise levels the networks are trained on: level = t / 1000 for t in 1..1000."""
_OFFSET = 0.008  # Nichol and Dhariwal 2021: so that the first steps are not too small
WAYS = ("ddim", "ancestral")
"""Deterministic (Song et al. 2021), and with fresh noise in each step as in Ho et al."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""From x [B, ..] and level [B] to v of x's shape."""


def alpha_bar(level: Tensor) -> Tensor:
    """Cosine schedule: share of the signal's variance left at level 0 to 1."""
    shifted = (level + _OFFSET) / (1.0 + _OFFSET)
    return torch.cos(shifted.clamp(0.0, 1.0) * (torch.pi / 2)) ** 2


def draw_levels(size: int, generator: torch.Generator) -> Tensor:
    """Return levels [size], each of the 1,000 equally often."""
    return (torch.randint(0, _LEVELS, (size,), generator=generator) + 1) / _LEVELS


def _like(level: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(ab) and sqrt(1 - ab), shaped to multiply x [B, ..]."""
    kept = alpha_bar(level).reshape(-1, *[1] * (x.dim() - 1))
    return kept.sqrt(), (1.0 - kept).sqrt()


def diffuse(x0: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    """x at `level` [B]."""
    signal, rest = _like(level, x0)
    return signal * x0 + rest * noise


def velocity(x0: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    """Return what the network is to guess."""
    signal, rest = _like(level, x0)
    return signal * noise - rest * x0


def clean(x: Tensor, level: Tensor, v: Tensor) -> Tensor:
    """x0 of x and v."""
    signal, rest = _like(level, x)
    return signal * x - rest * v


@dataclass(frozen=True, slots=True)
class Walk:
    """How to go back. steps: calls of the network. way: one of WAYS.

    start: level to begin from; below 1 the source keeps its outline. limit: x0 is cut to
    [-limit, limit] in each step.
    """

    steps: int = 50
    way: str = "ddim"
    start: float = 1.0
    limit: float = 1.0


def _same(x0: Tensor) -> Tensor:
    return x0


def reverse(
    predict: Predict,
    source: Tensor,
    known: Tensor,
    walk: Walk,
    generator: torch.Generator,
    mend: Callable[[Tensor], Tensor] = _same,
) -> Tensor:
    """x0 like `source` [B, ..], with the elements where `known` is 1 as they are there.

    The known part is written over the noise in each step, noised to its level; `mend` puts each
    guess of x0 right before it is used (a sum that must hold, for example).
    """
    fixed = known > 0.5
    noise = torch.randn(source.shape, generator=generator).to(source.device)
    falls = [walk.start * (1.0 - i / walk.steps) for i in range(walk.steps + 1)]
    x = diffuse(source, torch.full([len(source)], falls[0]), noise)
    x0 = source
    for now, then in pairwise(falls):
        level = torch.full([len(source)], now, device=source.device)
        after = torch.full([len(source)], then, device=source.device)
        x = torch.where(fixed, diffuse(source, level, noise), x)
        x0 = clean(x, level, predict(x, level)).clamp(-walk.limit, walk.limit)
        x0 = mend(torch.where(fixed, source, x0))
        x = _next(x, x0, level, after, walk.way, generator)
    return torch.where(fixed, source, x0)


def _next(
    x: Tensor, x0: Tensor, level: Tensor, after: Tensor, way: str, generator: torch.Generator
) -> Tensor:
    """x at the level `after`; at level 0 that is x0."""
    signal, rest = _like(level, x)
    noise = (x - signal * x0) / rest.clamp_min(1e-4)
    kept, left = _like(after, x)
    if way == "ddim":
        return kept * x0 + left * noise
    # Ho et al.: the variance of q(x[s] | x[t], x0).
    fresh = (left / rest.clamp_min(1e-4)) * (1.0 - (signal / kept) ** 2).clamp_min(0.0).sqrt()
    drawn = torch.randn(x.shape, generator=generator).to(x.device)
    return kept * x0 + (left**2 - fresh**2).clamp_min(0.0).sqrt() * noise + fresh * drawn
