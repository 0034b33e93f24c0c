"""What the transformers of this package are built of: a block, blocks on whole beats, positions.

B batch, N token, D width, C condition, H heads
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BlockSizes(Protocol):
    """What a configuration says of its blocks."""

    @property
    def width(self) -> int:
        """Channels of a token."""

    @property
    def heads(self) -> int:
        """Attention heads."""

    @property
    def condition_width(self) -> int:
        """Channels of the condition."""

    @property
    def dropout_percent(self) -> int:
        """Of what attention and MLP add, in training."""


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn by rotary position (Su et al. 2021): x [B, H, N, D/H], cos and sin [N, D/H/2]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Block(nn.Module):
    """Pre-norm attention and MLP; the condition scales and shifts what each one hears (FiLM)."""

    def __init__(self, config: "BlockSizes") -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.film = nn.Linear(config.condition_width, 4 * width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        self.dropout = nn.Dropout(config.dropout_percent / 100)

    def forward(self, h: Tensor, condition: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Keep the shape: h [B, N, D], condition [B, C]."""
        batch, tokens, width = h.shape
        scale_a, shift_a, scale_m, shift_m = self.film(condition).unsqueeze(1).chunk(4, dim=-1)
        x = self.norm_attention(h) * (1.0 + scale_a) + shift_a
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(rotated(q, cos, sin), rotated(k, cos, sin), v)
        h = h + self.dropout(self.project(x.transpose(1, 2).reshape(batch, tokens, width)))
        x = self.norm_mlp(h) * (1.0 + scale_m) + shift_m
        out: Tensor = h + self.dropout(self.narrow(F.gelu(self.widen(x))))
        return out


@dataclass(frozen=True)
class BeatSizes:
    """Sizes of `BeatBlocks`. tokens: of a beat, which become one."""

    width: int
    heads: int
    condition_width: int
    dropout_percent: int
    layers: int
    tokens: int


class BeatBlocks(nn.Module):
    """Blocks on whole beats, amid others: the middle of an hourglass (Nawrot et al. 2021).

    The tokens of a beat are joined into one wider token, and what comes of it is added to them.
    """

    def __init__(self, outer_width: int, sizes: BeatSizes) -> None:
        super().__init__()
        self.tokens, self.rotary_half = sizes.tokens, sizes.width // sizes.heads // 2
        self.join = nn.Linear(sizes.tokens * outer_width, sizes.width)
        self.blocks = nn.ModuleList([Block(sizes) for _ in range(sizes.layers)])
        self.spread = nn.Linear(sizes.width, sizes.tokens * outer_width)

    def forward(self, h: Tensor, condition: Tensor, _cos: Tensor, _sin: Tensor) -> Tensor:
        """Keep the shape, as `Block`, h [B, N, D]; positions are counted in beats here."""
        batch, tokens, width = h.shape
        lacking = -tokens % self.tokens  # of the last beat
        whole = F.pad(h, (0, 0, 0, lacking)).reshape(batch, -1, self.tokens * width)
        beats = self.join(whole)
        cos, sin = rotary(beats.shape[1], self.rotary_half, beats)
        for block in self.blocks:
            beats = block(beats, condition, cos, sin)
        added = self.spread(beats).reshape(batch, -1, width)[:, :tokens]
        out: Tensor = h + added
        return out


def level_waves(level: Tensor) -> Tensor:
    """Sines and cosines of the noise level, [B] to [B, 32]."""
    frequencies = torch.exp(torch.arange(16, device=level.device) * (math.log(100.0) / 15))
    angle = level[:, None] * frequencies[None, :]
    return torch.cat([torch.sin(angle), torch.cos(angle)], dim=-1)


def rotary(tokens: int, half: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each [N, half], of rotary positions."""
    rate = torch.exp(torch.arange(half, device=like.device) * (-math.log(1000.0) / half))
    angle = torch.arange(tokens, device=like.device)[:, None] * rate[None, :]
    return torch.cos(angle).to(like.dtype), torch.sin(angle).to(like.dtype)
