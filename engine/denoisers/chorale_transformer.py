"""The denoiser of the JSB benchmark: a transformer across time whose tokens are whole frames.

The trunk hears each frame with its two neighbours, as keys and as pitch classes. What a single
pitch needs of its neighbourhood, an octave up and down and a frame to either side, is seen again
by a small convolution in the head, the same for every pitch. What a noisy cell says of its own
clean value is not the network's work: it is added to the logits (`noise.own_evidence`). Shapes:

    B batch, K pitch (88), S frame, D width, C channels of the head
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoisers.inputs import Denoiser, Inputs
from engine.denoisers.transformer import level_waves, rotary, rotated
from engine.network_sizes import SHARE_PERCENT, SizeRule, SizeRules

_CONDITION_WIDTH = 64
_PITCHES = 88


@dataclass(frozen=True)
class ChoraleTransformerConfig:
    """Sizes; `dropout_percent` is of what each layer adds. About 1 M parameters."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    channels: int = 8
    dropout_percent: int = 12

    rules: ClassVar[SizeRules] = {
        "width": SizeRule(multiple=2, per="heads"),  # rotary positions turn pairs of channels
        "dropout_percent": SHARE_PERCENT,
    }


class ChoraleBlock(nn.Module):
    """Pre-norm attention and MLP; the noise level scales and shifts what each one hears."""

    def __init__(self, config: ChoraleTransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.film = nn.Linear(_CONDITION_WIDTH, 4 * width)
        self.drop = nn.Dropout(config.dropout_percent / 100)
        for layer in (self.film, self.project, self.narrow):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, h: Tensor, condition: Tensor, cos: Tensor, sin: Tensor, there: Tensor
    ) -> Tensor:
        """Keep the shape: h [B, S, D]; there: bool [B, 1, 1, S], the frames to listen to."""
        batch, frames, width = h.shape
        scale_a, shift_a, scale_m, shift_m = self.film(condition).unsqueeze(1).chunk(4, dim=-1)
        x = self.norm_attention(h) * (1.0 + scale_a) + shift_a
        qkv = self.qkv(x).view(batch, frames, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(
            rotated(q, cos, sin), rotated(k, cos, sin), v, attn_mask=there
        )
        h = h + self.drop(self.project(x.transpose(1, 2).reshape(batch, frames, width)))
        x = self.norm_mlp(h) * (1.0 + scale_m) + shift_m
        out: Tensor = h + self.drop(self.narrow(F.gelu(self.widen(x))))
        return out


class ChoraleTransformer(Denoiser):
    """Noisy frames and the noise level to what the *other* cells say of each cell's x0."""

    fold: Tensor

    def __init__(self, config: ChoraleTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width, channels = config.width, config.channels
        self.channels = channels
        self.rotary_half = width // config.heads // 2
        self.register_buffer("fold", torch.eye(12)[torch.arange(_PITCHES) % 12], persistent=False)
        self.embed = nn.Linear(3 * (_PITCHES + 12), width)
        self.time = nn.Sequential(
            nn.Linear(32, _CONDITION_WIDTH),
            nn.SiLU(),
            nn.Linear(_CONDITION_WIDTH, _CONDITION_WIDTH),
        )
        self.drop = nn.Dropout(config.dropout_percent / 100)
        self.blocks = nn.ModuleList([ChoraleBlock(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(width)
        self.spread = nn.Linear(width, channels * _PITCHES)
        self.near = nn.Conv2d(1, channels, (25, 3), padding=(12, 1))
        self.film = nn.Linear(_CONDITION_WIDTH, 2 * channels)
        self.out = nn.Conv2d(channels, 1, 1)
        self.pitch_class = nn.Linear(width, 12)
        self.pitch_bias = nn.Parameter(torch.zeros(_PITCHES))
        # Most cells are silent: without this the first hundred steps only learn that.
        nn.init.constant_(self.out.bias, -3.0)  # type: ignore[arg-type]

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits of x0, [B, 1, 1, K, S].

        noisy: 0/1 cells, zero where known. mask: 1 where known: a frame after a piece's end, which
        nothing is used of. level [B]: 0..1. The others are for the families that have tasks.
        """
        there = inputs.mask[:, 0, 0, 0] < 0.5  # [B, S]
        x = inputs.noisy[:, 0, 0] * there.unsqueeze(1)  # [B, K, S]
        condition = self.time(level_waves(inputs.level))
        h = self._trunk(x, condition, there)
        batch, frames = there.shape
        wide = self.spread(h).view(batch, frames, self.channels, _PITCHES).permute(0, 2, 3, 1)
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        near = self.near(x.unsqueeze(1)) * (1.0 + scale) + shift
        logits = self.out(F.gelu(near + wide))[:, 0]  # [B, K, S]
        per_frame = self.pitch_class(h) @ self.fold.T + self.pitch_bias
        out: Tensor = (logits + per_frame.transpose(1, 2))[:, None, None]
        return out

    def _trunk(self, x: Tensor, condition: Tensor, there: Tensor) -> Tensor:
        """Noisy cells [B, K, S] to what is known of each frame, [B, S, D]."""
        frames = x.transpose(1, 2)
        frames = torch.cat([frames, frames @ self.fold], dim=-1)
        around = F.pad(frames, [0, 0, 1, 1])
        h = self.drop(self.embed(torch.cat([around[:, :-2], frames, around[:, 2:]], dim=-1)))
        cos, sin = rotary(h.shape[1], self.rotary_half, h)
        for block in self.blocks:
            h = block(h, condition, cos, sin, there[:, None, None])
        out: Tensor = self.norm(h)
        return out
