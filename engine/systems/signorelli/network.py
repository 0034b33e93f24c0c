"""The causal 1-D U-Net with squeeze and excitation (Signorelli's Diffusion-Music-Composer).

Each output depends on the notes up to it alone: convolutions are padded on the left, attention
looks back, normalisation is within a note, and squeeze and excitation squeezes what has come so
far (a mean over the whole length would tell of notes to come). Only the length is halved from
level to level. What the document leaves open, and our choice: channels, kernels 9, 7, 5, 3 from
the finest level down, two blocks a level, attention at the lower two, SiLU.

    B batch, C channels, L length (a multiple of 8)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.network_sizes import SizeRule, SizeRules, exactly
from engine.systems.common.layers import Level, waves
from engine.systems.common.standard import Standard

_KERNELS = (9, 7, 5, 3)
_WIDER = (1, 2, 3, 4)
_SQUEEZE = 8
_HEADS = 4


@dataclass(frozen=True)
class CausalUnetConfig:
    """width: channels of the finest level. length: notes in a window, a multiple of 8.

    The default is the full size, 12 M parameters.
    """

    width: int = 92
    features: int = 3
    length: int = 128

    rules: ClassVar[SizeRules] = {
        "width": SizeRule(multiple=_HEADS),
        "features": exactly(3),
        "length": SizeRule(multiple=2 ** (len(_WIDER) - 1)),
    }


class Norm(nn.Module):
    """Over the channels of each note."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, L]."""
        out: Tensor = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return out


class CausalConv(nn.Module):
    """A convolution that hears what has come so far, and its squeeze and excitation."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.before = kernel - 1
        self.conv = nn.Conv1d(channels_in, channels, kernel, stride=stride)
        hidden = max(channels // _SQUEEZE, 4)
        self.squeeze = nn.Conv1d(channels, hidden, 1)
        self.excite = nn.Conv1d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, L] to [B, C', L / stride]."""
        out = self.conv(F.pad(x, (self.before, 0)))
        count = torch.arange(1, out.size(2) + 1, device=x.device)
        so_far = out.cumsum(dim=2) / count
        gate: Tensor = torch.sigmoid(self.excite(F.silu(self.squeeze(so_far))))
        gated: Tensor = out * gate
        return gated


class SignorelliBlock(nn.Module):
    """Two convolutions around the noise level, and a way past them."""

    def __init__(self, channels_in: int, channels: int, kernel: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            Norm(channels_in), nn.SiLU(), CausalConv(channels_in, channels, kernel)
        )
        self.told = nn.Linear(condition, channels)
        self.second = nn.Sequential(
            Norm(channels), nn.SiLU(), CausalConv(channels, channels, kernel)
        )
        self.past = nn.Conv1d(channels_in, channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[B, C, L], condition [B, width]."""
        out: Tensor = self.first(x) + self.told(F.silu(condition))[..., None]
        after: Tensor = self.second(out) + self.past(x)
        return after


class LookBack(nn.Module):
    """Causal self-attention over notes."""

    def __init__(self, channels: int, heads: int = _HEADS) -> None:
        super().__init__()
        self.heads, self.norm = heads, Norm(channels)
        self.ask = nn.Conv1d(channels, 3 * channels, 1)
        self.out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, L]."""
        parts = self.ask(self.norm(x)).unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        query, key, value = parts.unbind(1)  # [B, heads, L, C / heads]
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: Tensor = x + self.out(found.transpose(2, 3).flatten(1, 2))
        return out


class CausalUnet(nn.Module):
    """Noisy standard triples and a noise level to v; `standard` makes them of triples."""

    def __init__(self, config: CausalUnetConfig) -> None:
        super().__init__()
        self.config = config
        self.standard = Standard(config.features)
        widths = [config.width * times for times in _WIDER]
        condition = 2 * config.width
        self.level = Level(condition)
        self.place = nn.Conv1d(config.features, widths[0], 1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for i, (width, kernel) in enumerate(zip(widths, _KERNELS, strict=True)):
            self.down.append(_rung(width, width, kernel, condition, attention=i >= 2))
            if i + 1 < len(widths):
                self.shrink.append(CausalConv(width, widths[i + 1], 4, stride=2))
                self.grow.append(CausalConv(widths[i + 1], width, 3))
                self.up.append(_rung(2 * width, width, kernel, condition, attention=i >= 2))
        self.out = nn.Sequential(
            Norm(widths[0]), nn.SiLU(), nn.Conv1d(widths[0], config.features, 1)
        )

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """x: [B, features, L], level: [B]; gives v like x."""
        condition = self.level(level)
        position = torch.arange(x.size(2), device=x.device)
        h = self.place(x) + waves(position, self.config.width).T
        kept: list[Tensor] = []
        for i, rung in enumerate(self.down):
            h = _climb(rung, h, condition)
            if i < len(self.shrink):
                kept.append(h)
                h = self.shrink[i](h)
        for i in reversed(range(len(self.up))):
            h = self.grow[i](h.repeat_interleave(2, dim=2))
            h = _climb(self.up[i], torch.cat([kept[i], h], dim=1), condition)
        out: Tensor = self.out(h)
        return out


def _rung(
    channels_in: int, channels: int, kernel: int, condition: int, attention: bool
) -> nn.ModuleList:
    """Return one level's layers."""
    blocks: list[nn.Module] = [
        SignorelliBlock(channels_in, channels, kernel, condition),
        SignorelliBlock(channels, channels, kernel, condition),
    ]
    return nn.ModuleList([*blocks, LookBack(channels)] if attention else blocks)


def _climb(rung: nn.Module, h: Tensor, condition: Tensor) -> Tensor:
    assert isinstance(rung, nn.ModuleList)
    for layer in rung:
        h = layer(h, condition) if isinstance(layer, SignorelliBlock) else layer(h)
    return h
