"""A diffusion transformer over codes of note images, with anticipation.

A patch is one voice's code of one beat. Each patch has its own noise level: a known one comes
clean, at level 0, the others at the level of the step. Blocks are the diffusion transformer's
(Peebles and Xie 2023): level, style and density scale, shift and gate each of them, and the gates
begin at zero. The last layer gives v of the patch.

Anticipation (Thickstun et al. 2023, of whom the document speaks) is the order of the patches:
    .. melody up to beat b + k, accompaniment of beat b, melody of beat b + k + 1, ..
and with it every patch looks at those before it alone. With k = ALL each looks at all.

    B batch, T beats, N = 2 T patches (melody first), Z x R numbers in a patch
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.network_sizes import SizeRule, SizeRules
from engine.requests.request import DENSITY_BUCKETS, STYLES
from engine.systems.common.autoencoder import ROWS, Coder
from engine.systems.common.layers import Level, waves

_MOST_AHEAD = 8
"""Beats of the melody that may come before the accompaniment's current one."""
ALL = _MOST_AHEAD + 1
_LONGEST_BAR = 16


@dataclass(frozen=True)
class TransformerConfig:
    """width, layers, heads: of the transformer. numbers, coder, coder_steps: as kumawat's.

    The default is DiT-S of its document, as far as sizes go: 12 layers of 384.
    """

    width: int = 384
    layers: int = 12
    heads: int = 6
    numbers: int = 8
    coder: int = 128
    coder_steps: int = 1000
    beats: int = 16

    rules: ClassVar[SizeRules] = {"width": SizeRule(multiple=2, per="heads")}


class ZikoMunimBlock(nn.Module):
    """Attention, then each patch by itself, both under the condition's scale, shift and gate."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.ask, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.condition = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.condition.weight)
        nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, condition: Tensor, sees: Tensor) -> Tensor:
        """[B, N, width] twice; sees bool[B, 1, N, N]."""
        shift, scale, gate, shift2, scale2, gate2 = self.condition(F.silu(condition)).chunk(6, -1)
        h = self.norms[0](x) * (1 + scale) + shift
        parts = self.ask(h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=sees)
        x = x + gate * self.out(found.transpose(1, 2).flatten(2))
        h = self.norms[1](x) * (1 + scale2) + shift2
        out: Tensor = x + gate2 * self.narrow(F.gelu(self.wide(h)))
        return out


class AnticipatingTransformer(nn.Module):
    """Noisy and known codes to v; `coder` makes codes of images."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width, numbers = config.width, config.numbers * ROWS
        self.coder = Coder(config.coder, config.numbers)
        self.level = Level(width)
        self.enter = nn.Linear(numbers, width)
        self.voice = nn.Embedding(2, width)
        self.given = nn.Embedding(2, width)
        self.style = nn.Embedding(len(STYLES), width)
        self.density = nn.Embedding(DENSITY_BUCKETS + 1, width)
        self.ahead = nn.Embedding(ALL + 1, width)
        self.in_bar = nn.Embedding(_LONGEST_BAR, width)
        self.bar = nn.Embedding(_LONGEST_BAR + 1, width)
        self.blocks = nn.ModuleList(
            ZikoMunimBlock(width, config.heads) for _ in range(config.layers)
        )
        self.last_condition = nn.Linear(width, 2 * width)
        self.last_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.last = nn.Linear(width, numbers)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, level: Tensor, known: Tensor, given: Condition) -> Tensor:
        """x: [B, 2, Z, R, T], clean where known is 1, [B, 2, T]. level: [B]. Gives v like x."""
        size, beats = len(x), x.shape[4]
        patches = x.permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
        condition = known.flatten(1)
        levels = level[:, None] * (1.0 - condition)
        voice = torch.arange(2, device=x.device).repeat_interleave(beats)
        beat = torch.arange(beats, device=x.device).repeat(2)
        in_bar = given.place[..., 0].clamp(0, _LONGEST_BAR - 1).repeat(1, 2)
        bar = given.place[..., 1].clamp(0, _LONGEST_BAR).repeat(1, 2)
        h = self.enter(patches) + self.voice(voice) + waves(beat, self.config.width)
        h = h + self.given(condition.long()) + self.in_bar(in_bar) + self.bar(bar)
        whole = self.style(given.style) + self.density(given.density) + self.ahead(given.ahead)
        condition = self.level(levels.flatten()).unflatten(0, (size, -1)) + whole[:, None]
        sees = may_see(given.ahead, beats)[:, None]
        for block in self.blocks:
            h = block(h, condition, sees)
        shift, scale = self.last_condition(F.silu(condition)).chunk(2, dim=-1)
        v = self.last(self.last_norm(h) * (1 + scale) + shift)
        out: Tensor = v.unflatten(2, (-1, ROWS)).unflatten(1, (2, beats)).permute(0, 1, 3, 4, 2)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """What a window is to be. place: int64 [B, T, 2], beat in the bar and beats of the bar.

    style, density: int64 [B], 0 = any. ahead: int64 [B], k of anticipation, or ALL.
    """

    place: Tensor
    style: Tensor
    density: Tensor
    ahead: Tensor

    def free(self) -> Condition:
        """Return the same without style and density, for guidance."""
        nothing = torch.zeros_like(self.style)
        return Condition(self.place, nothing, nothing, self.ahead)


def may_see(ahead: Tensor, beats: int) -> Tensor:
    """bool[B, N, N]: whether the row's patch sees the column's; N is melody, then the rest.

    In the order of anticipation beat m of the melody stands at m - k, before the accompaniment
    of that beat: accompaniment b sees melody up to b + k, melody m accompaniment before m - k.
    """
    beat = torch.arange(beats, device=ahead.device).float()
    melody = (beat[None] - ahead[:, None]) - 0.5
    order = torch.cat([melody, beat[None].expand(len(ahead), -1)], dim=1)
    earlier = order[:, None, :] <= order[:, :, None]
    return earlier | (ahead == ALL)[:, None, None]
