"""Numbers brought to mean 0 and standard deviation 1 for diffusion, and back.

The noise of diffusion has standard deviation 1. Numbers spread by a tenth of it drown at most of
the levels that a network learns and a loop visits (Rombach et al. 2022 scale their codes for that).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Standard(nn.Module):
    """Running moments of features, axis 1 of [B, features, ..]; as they come they change
    nothing."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Return x with the mean taken off, by the spread."""
        return (x - _along(self.mean, x)) / _along(self.spread, x)

    def back(self, x: Tensor) -> Tensor:
        """Return the numbers that `forward` would give x for."""
        return x * _along(self.spread, x) + _along(self.mean, x)

    def note(self, x: Tensor, share: float, together: Callable[[Tensor], Tensor]) -> None:
        """Let the moments of x replace that share of the running ones.

        together: sums a tensor over all processes that share the batch out.
        """
        axes = [axis for axis in range(x.dim()) if axis != 1]
        numbers = x.detach().float()
        count = torch.full_like(self.mean, numbers.numel() / numbers.size(1))
        count, total = together(torch.stack([count, numbers.sum(axes)]))
        mean = total / count
        squares = together((numbers - _along(mean, numbers)).pow(2).sum(axes))
        self.mean.lerp_(mean, share)
        self.spread.lerp_((squares / (count - 1.0)).sqrt().clamp_min(1e-3), share)


def _along(moment: Tensor, x: Tensor) -> Tensor:
    return moment.view(-1, *[1] * (x.dim() - 2))
