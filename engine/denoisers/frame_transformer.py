"""The default denoiser: a transformer across time whose tokens are whole sixteenths.

Six steps fold into one token (a sixteenth), so 24 steps a beat stay but the trunk runs on four
tokens a beat. A convolution across pitch around the trunk learned more per window, but less per
minute on a CPU, and cost twice the time to play (docs/training.md). Shapes:

    B batch, V voice (2), P plane (2), K pitch (88), S step, N token (S / 6), D width
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoisers.harmony import PLAN_ROWS
from engine.denoisers.inputs import Context, Denoiser, Inputs
from engine.denoisers.key_shift import key_profiles, key_shift, moved, turned
from engine.music.grid import PIANO, STEPS_PER_TOKEN
from engine.requests.request import DENSITY_BUCKETS

_CHANNELS = 4 * STEPS_PER_TOKEN  # voice x plane x step of a token, for one pitch
_LONGEST_BAR_TOKENS = 64


@dataclass(frozen=True)
class FrameTransformerConfig:
    """Sizes of the network; the default has about 6 M parameters."""

    width: int = 256
    layers: int = 6
    heads: int = 4
    condition_width: int = 64
    styles: int = 5
    pitches: int = 88
    in_key: int = 1  # 1 = every window is moved to C major or A minor
    plan: int = 1  # 1 = conditioned on a harmony plan (engine.denoisers.harmony)
    dropout_percent: int = 0  # of what each attention and MLP adds, in training


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


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position (Su et al. 2021): x [B, H, N, D/H], cos and sin [N, D/H/2]."""
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
        self.dropout = nn.Dropout(config.dropout_percent / 100)

    def forward(self, h: Tensor, condition: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Keep the shape: h [B, N, D], condition [B, C]."""
        batch, tokens, width = h.shape
        scale_a, shift_a, scale_m, shift_m = self.film(condition).unsqueeze(1).chunk(4, dim=-1)
        x = self.norm_attention(h) * (1.0 + scale_a) + shift_a
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(_rotate(q, cos, sin), _rotate(k, cos, sin), v)
        h = h + self.dropout(self.project(x.transpose(1, 2).reshape(batch, tokens, width)))
        x = self.norm_mlp(h) * (1.0 + scale_m) + shift_m
        out: Tensor = h + self.dropout(self.narrow(F.gelu(self.widen(x))))
        return out


class FrameTransformer(Denoiser):
    """All of `Inputs` to logits of x0."""

    profiles: list[float]

    def __init__(self, config: FrameTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.pitches, self.low_pitch = config.pitches, PIANO.low
        self.noisy_cells = _CHANNELS * config.pitches  # of a token
        self.rotary_half = width // config.heads // 2
        self.embed = nn.Linear(2 * _CHANNELS * config.pitches + _CHANNELS, width)
        self.phase = nn.Embedding(_LONGEST_BAR_TOKENS, width)
        self.bar = nn.Embedding(_LONGEST_BAR_TOKENS + 1, width)
        self.style = nn.Embedding(config.styles, config.condition_width)
        self.density = nn.Embedding(DENSITY_BUCKETS + 1, config.condition_width)
        self.time = nn.Sequential(
            nn.Linear(32, config.condition_width),
            nn.SiLU(),
            nn.Linear(config.condition_width, config.condition_width),
        )
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, _CHANNELS * config.pitches)
        self.in_key, self.planning = bool(config.in_key), bool(config.plan)
        self.plan = nn.Linear(PLAN_ROWS + 1, width) if config.plan else nn.Identity()
        # Numbers, not a buffer: weights are stored in half, and keys must not change with that.
        self.profiles = key_profiles()
        # Most cells are silent: without this the first thousand steps only learn that.
        nn.init.constant_(self.out.bias, -4.0)
        for block in self.blocks:
            nn.init.zeros_(block.film.weight)  # type: ignore[union-attr, arg-type]
            nn.init.zeros_(block.film.bias)  # type: ignore[union-attr, arg-type]
        if isinstance(self.plan, nn.Linear):  # untold, the network plays as without a plan
            nn.init.zeros_(self.plan.weight)
            nn.init.zeros_(self.plan.bias)
        nn.init.normal_(self.phase.weight, std=0.02)
        nn.init.normal_(self.bar.weight, std=0.02)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits of x0, [B, V, P, K, S]."""
        return self.denoise(inputs.noisy, inputs.level, self.encode(inputs))

    def encode(self, inputs: Inputs) -> Context:
        """Return the key, and what known cells, mask, meter and plan bring to the tokens."""
        shift = torch.zeros_like(inputs.style)
        cells, plan = self.fold(inputs.known), inputs.plan  # [B, N, C, K]
        if self.in_key:
            shift = key_shift(inputs.known, self.profiles, self.low_pitch)
            cells, plan = moved(cells, shift, 0.0), turned(plan, shift)
        mask_share = self.fold(inputs.mask).mean(dim=-1)  # [B, N, C]
        features = self._token_features(
            cells, mask_share, inputs.phase, inputs.bar, plan, inputs.planned
        )
        condition = self.style(inputs.style) + self.density(inputs.density)
        return Context(inputs, features, condition, shift)

    def denoise(self, noisy: Tensor, level: Tensor, context: Context) -> Tensor:
        """Return logits of x0, [B, V, P, K, S]."""
        cells = self.fold(noisy)
        if self.in_key:
            cells = moved(cells, context.shift, 0.0)
        logits = self._trunk(cells, level, context.tokens, context.condition)
        if self.in_key:
            logits = moved(logits, -context.shift, -10.0)  # never
        return self._unfold(logits, noisy.shape[0])

    def tokens(
        self,
        cells: Tensor,
        mask_share: Tensor,
        level: Tensor,
        phase: Tensor,
        bar: Tensor,
        style: Tensor,
        density: Tensor,
        plan: Tensor,
        planned: Tensor,
    ) -> Tensor:
        """Return logits of x0 by token, [B, N, C, K], of music that is folded and in its key
        already.

        cells: noisy and known ones, folded, [B, N, 2C, K]. mask_share: share of known cells of
        each channel, [B, N, C]. The others as in `Inputs`.
        """
        noisy, known = cells.chunk(2, dim=2)
        features = self._token_features(known, mask_share, phase, bar, plan, planned)
        return self._trunk(noisy, level, features, self.style(style) + self.density(density))

    def _token_features(
        self,
        known: Tensor,
        mask_share: Tensor,
        phase: Tensor,
        bar: Tensor,
        plan: Tensor,
        planned: Tensor,
    ) -> Tensor:
        """Return what all but the noisy cells bring to the tokens, [B, N, D]; the cells are
        folded."""
        tokens = known.shape[1]
        fixed = torch.cat([known.flatten(2), mask_share], dim=-1)
        h: Tensor = F.linear(fixed, self.embed.weight[:, self.noisy_cells :], self.embed.bias)
        h = h + self.phase((phase // 6).clamp(0, 63)) + self.bar((bar // 6).clamp(0, 64))
        if self.planning:
            chords = torch.cat([plan.transpose(1, 2), planned.unsqueeze(-1)], dim=-1)  # [B, T, 25]
            chord_features = self.plan(chords.to(h.dtype)).repeat_interleave(4, dim=1)
            h = h + chord_features[:, :tokens]
        return h

    def _trunk(self, noisy: Tensor, level: Tensor, features: Tensor, condition: Tensor) -> Tensor:
        """Return logits by token, [B, N, C, K], from folded noisy cells and `_token_features`."""
        batch, tokens = noisy.shape[0], noisy.shape[1]
        h = features + F.linear(noisy.flatten(2), self.embed.weight[:, : self.noisy_cells])
        condition = self.time(level_waves(level)) + condition
        cos, sin = rotary(tokens, self.rotary_half, h)
        for block in self.blocks:
            h = block(h, condition, cos, sin)
        logits: Tensor = self.out(self.norm(h)).view(batch, tokens, 24, self.pitches)
        return logits

    def fold(self, x: Tensor) -> Tensor:
        """[B, V, P, K, S] to [B, N, V*P*6, K]."""
        batch, voices, planes, pitches, steps = x.shape
        x = x.reshape(batch, voices, planes, pitches, steps // 6, 6)
        return x.permute(0, 4, 1, 2, 5, 3).reshape(batch, steps // 6, voices * planes * 6, pitches)

    def _unfold(self, x: Tensor, batch: int) -> Tensor:
        """[B, N, 24, K] to [B, 2, 2, K, S]."""
        tokens, pitches = x.shape[1], x.shape[3]
        x = x.reshape(batch, tokens, 2, 2, 6, pitches).permute(0, 2, 3, 5, 1, 4)
        return x.reshape(batch, 2, 2, pitches, tokens * 6)


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
