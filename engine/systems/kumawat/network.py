"""A 2-D U-Net over codes of note images, and the encoder-decoder they come from.

The layers are those of latent diffusion's own U-Net (Rombach et al. 2022), small: residual blocks
given the noise level, attention at the coarser levels. The 11 rows of codes are padded to 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.network_sizes import SizeRule, SizeRules
from engine.systems.common.autoencoder import ROWS, Coder
from engine.systems.common.layers import Level

_WIDER = (1, 2, 3)
_HEAD = 32
_GROUPS = 8


@dataclass(frozen=True)
class LatentUnetConfig:
    """width: channels of the finest level. numbers: of a place's code. coder: its width.

    coder_steps: of training, before the U-Net's. beats: of a window, a multiple of 4.
    """

    width: int = 128
    numbers: int = 8
    coder: int = 128
    coder_steps: int = 1000
    beats: int = 16

    rules: ClassVar[SizeRules] = {
        "width": SizeRule(multiple=_GROUPS),
        "beats": SizeRule(multiple=2 ** (len(_WIDER) - 1)),
    }


class KumawatBlock(nn.Module):
    """Two convolutions, shifted by the noise level, and a way past them."""

    def __init__(self, channels_in: int, channels: int, level: int) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(_GROUPS, channels_in)
        self.first = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.level = nn.Linear(level, channels)
        self.second_norm = nn.GroupNorm(_GROUPS, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.past = nn.Conv2d(channels_in, channels, 1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """[B, C, R, T], level [B, features]."""
        h = self.first(F.silu(self.first_norm(x))) + self.level(F.silu(level))[..., None, None]
        out: Tensor = self.second(F.silu(self.second_norm(h))) + self.past(x)
        return out


def _heads(channels: int) -> int:
    """Return how many heads share the channels evenly, each of `_HEAD` of them or a few more."""
    most = max(1, channels // _HEAD)
    return next(heads for heads in range(most, 0, -1) if channels % heads == 0)


class KumawatAttention(nn.Module):
    """Every place looks at every other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads, self.norm = _heads(channels), nn.GroupNorm(_GROUPS, channels)
        self.ask = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, R, T]."""
        parts = self.ask(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        query, key, value = parts.transpose(3, 4).unbind(1)
        found = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = x + self.out(found.transpose(2, 3).reshape(x.shape))
        return out


class LatentUnet(nn.Module):
    """Noisy codes and a noise level to v; `coder` makes codes of images."""

    def __init__(self, config: LatentUnetConfig) -> None:
        super().__init__()
        self.config = config
        self.coder = Coder(config.coder, config.numbers)
        widths = [config.width * times for times in _WIDER]
        level = 2 * config.width
        channels = 2 * config.numbers
        self.level = Level(level)
        self.enter = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.grow, self.up = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            self.down.append(_rung(width, width, level, attention=i > 0))
            if i + 1 < len(widths):
                self.shrink.append(nn.Conv2d(width, widths[i + 1], 3, stride=2, padding=1))
                self.grow.append(nn.Conv2d(widths[i + 1], width, 3, padding=1))
                self.up.append(_rung(2 * width, width, level, attention=i > 0))
        self.out = nn.Conv2d(widths[0], channels, 3, padding=1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """x: [B, 2 Z, R, T], both voices' codes, level: [B]; gives v like x."""
        condition = self.level(level)
        h = self.enter(F.pad(x, (0, 0, 0, 1)))
        kept: list[Tensor] = []
        for i, rung in enumerate(self.down):
            h = _through(rung, h, condition)
            if i < len(self.shrink):
                kept.append(h)
                h = self.shrink[i](h)
        for i in reversed(range(len(self.up))):
            h = self.grow[i](F.interpolate(h, scale_factor=2.0, mode="nearest"))
            h = _through(self.up[i], torch.cat([kept[i], h], dim=1), condition)
        out: Tensor = self.out(h)[:, :, :ROWS]
        return out


def _rung(channels_in: int, channels: int, level: int, attention: bool) -> nn.ModuleList:
    blocks: list[nn.Module] = [
        KumawatBlock(channels_in, channels, level),
        KumawatBlock(channels, channels, level),
    ]
    return nn.ModuleList([*blocks, KumawatAttention(channels)] if attention else blocks)


def _through(rung: nn.Module, h: Tensor, level: Tensor) -> Tensor:
    assert isinstance(rung, nn.ModuleList)
    for layer in rung:
        h = layer(h, level) if isinstance(layer, KumawatBlock) else layer(h)
    return h
