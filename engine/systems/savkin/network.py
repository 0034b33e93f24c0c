"""A 1-D U-Net over numbers: dim 64, multipliers 1, 2, 4, 8 in the document.

The layers are those such networks have had since Ho et al. 2020, as the library the document uses
describes them: at each level two residual blocks given the noise level and a linear attention
(Katharopoulos et al. 2020), attention in the middle, the length halved between levels.

    B batch, C channels, L length (a multiple of 8)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.network_sizes import SizeRule, SizeRules
from engine.systems.common.layers import Level

_WIDER = (1, 2, 4, 8)
_HEADS, _HEAD = 4, 16
_GROUPS = 8


@dataclass(frozen=True)
class Unet1dConfig:
    """width: channels of the finest level, the document's dim. length: of a sequence."""

    width: int = 64
    length: int = 1024

    rules: ClassVar[SizeRules] = {
        "width": SizeRule(multiple=_GROUPS),
        "length": SizeRule(multiple=2 ** len(_WIDER)),
    }


class SavkinBlock(nn.Module):
    """Two convolutions, scaled and shifted by the noise level, and a way past them."""

    def __init__(self, channels_in: int, channels: int, condition: int) -> None:
        super().__init__()
        self.told = nn.Linear(condition, 2 * channels)
        self.first = nn.Conv1d(channels_in, channels, 3, padding=1)
        self.second = nn.Conv1d(channels, channels, 3, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, channels) for _ in range(2))
        self.past = nn.Conv1d(channels_in, channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[B, C, L], condition [B, width]."""
        scale, shift = self.told(F.silu(condition))[..., None].chunk(2, dim=1)
        h = F.silu(self.norms[0](self.first(x)) * (1 + scale) + shift)
        out: Tensor = F.silu(self.norms[1](self.second(h))) + self.past(x)
        return out


class SavkinAttention(nn.Module):
    """Self-attention; `linear` costs no more than the length."""

    def __init__(self, channels: int, linear: bool) -> None:
        super().__init__()
        self.linear, self.norm = linear, nn.GroupNorm(1, channels)
        self.ask = nn.Conv1d(channels, 3 * _HEADS * _HEAD, 1, bias=False)
        self.out = nn.Conv1d(_HEADS * _HEAD, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, L]."""
        parts = self.ask(self.norm(x)).unflatten(1, (3, _HEADS, _HEAD)).transpose(3, 4)
        query, key, value = parts.unbind(1)  # [B, heads, L, head]
        if self.linear:
            context = key.softmax(dim=2).transpose(2, 3) @ value
            found = (query.softmax(dim=3) * _HEAD**-0.5) @ context
        else:
            found = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = x + self.out(found.transpose(2, 3).flatten(1, 2))
        return out


class Unet1d(nn.Module):
    """Noisy numbers and a noise level to v."""

    def __init__(self, config: Unet1dConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * times for times in _WIDER]
        condition = 4 * config.width
        self.level = Level(condition)
        self.enter = nn.Conv1d(1, widths[0], 7, padding=3)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.grow, self.up = nn.ModuleList(), nn.ModuleList()
        for width, wider in zip(widths, [*widths[1:], widths[-1]], strict=True):
            self.down.append(_rung(width, width, condition))
            self.shrink.append(nn.Conv1d(width, wider, 4, stride=2, padding=1))
            self.grow.append(nn.Conv1d(wider, width, 3, padding=1))
            self.up.append(_rung(2 * width, width, condition))
        self.middle = nn.ModuleList(
            [
                SavkinBlock(widths[-1], widths[-1], condition),
                SavkinAttention(widths[-1], linear=False),
                SavkinBlock(widths[-1], widths[-1], condition),
            ]
        )
        self.out = nn.Conv1d(widths[0], 1, 1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """x: [B, 1, L], level: [B]; gives v like x."""
        condition = self.level(level)
        h, kept = self.enter(x), list[Tensor]()
        for rung, shrink in zip(self.down, self.shrink, strict=True):
            kept.append(_through(rung, h, condition))
            h = shrink(kept[-1])
        h = _through(self.middle, h, condition)
        for i in reversed(range(len(self.up))):
            h = self.grow[i](h.repeat_interleave(2, dim=2))
            h = _through(self.up[i], torch.cat([kept[i], h], dim=1), condition)
        out: Tensor = self.out(h)
        return out


def _rung(channels_in: int, channels: int, condition: int) -> nn.ModuleList:
    return nn.ModuleList(
        [
            SavkinBlock(channels_in, channels, condition),
            SavkinBlock(channels, channels, condition),
            SavkinAttention(channels, linear=True),
        ]
    )


def _through(rung: nn.Module, h: Tensor, condition: Tensor) -> Tensor:
    assert isinstance(rung, nn.ModuleList)
    for layer in rung:
        h = layer(h, condition) if isinstance(layer, SavkinBlock) else layer(h)
    return h
