"""Layers that several systems have. Shapes: B batch, C channels, L length, T tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def waves(values: Tensor, width: int, longest: float = 10_000.0) -> Tensor:
    """Sines and cosines of `values` [..], [.., width]; the encoding of Vaswani et al. 2017."""
    half = width // 2
    steps = torch.arange(half, device=values.device, dtype=torch.float32)
    angles = values.float()[..., None] * torch.exp(-math.log(longest) / half * steps)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Level(nn.Module):
    """The noise level 0..1 [B] as features [B, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, level: Tensor) -> Tensor:
        """Return the level in thousandths, as the steps of the documents are counted."""
        out: Tensor = self.layers(waves(1000.0 * level, self.width))
        return out
