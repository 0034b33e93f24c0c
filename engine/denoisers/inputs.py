"""What the denoisers are given, and how those of a piano-roll are called. Scriptable. Shapes:

B batch, V voice, P plane, K pitch, S step, N token (S / 6), T beat (S / 24, rounded up)
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Inputs(NamedTuple):
    """All that a network is given.

    noisy: 0/1 cells, zero where known. known: 0/1 cells, zero where free. mask: 1 where known.
    Those three [B, V, P, K, S]. level [B]: noise level 0..1. phase, bar int64 [B, N]: steps since
    the bar line and bar length at each token's first step. style, density int64 [B]: index, 0 =
    any. plan: 0/1 [B, 24, T], the harmony plan (`harmony.py`), zero where not given; planned
    [B, T]: 1 where it is given.
    """

    noisy: Tensor
    known: Tensor
    mask: Tensor
    level: Tensor
    phase: Tensor
    bar: Tensor
    style: Tensor
    density: Tensor
    plan: Tensor
    planned: Tensor


class HarmonyInputs(NamedTuple):
    """All that a network of harmony plans is given, but for the noisy plan and its level.

    known: 0/1 cells of the plan, zero where free. mask: 1 where known. Both [B, 24, T]. lead
    [B, T, 96]: `harmony.lead_features`, zero where unknown. lead_known [B, T, 4]: 1 where a
    sixteenth of it is known. phase, bar int64 [B, T]: steps since the bar line and bar length at
    each beat's first step. style int64 [B]: index, 0 = any.
    """

    known: Tensor
    mask: Tensor
    lead: Tensor
    lead_known: Tensor
    phase: Tensor
    bar: Tensor
    style: Tensor


class Context(NamedTuple):
    """What stays the same from call to call of one request, computed once.

    inputs: of which `noisy` and `level` count no more. tokens: what all but the noisy cells bring
    to the first layer. condition: what style and density bring to each block. shift int64 [B]:
    semitones to the key the network hears in. Networks without such parts leave the last three
    empty.
    """

    inputs: Inputs
    tokens: Tensor
    condition: Tensor
    shift: Tensor


class Denoiser(nn.Module):
    """From noisy and known cells to logits of the clean ones, [B, V, P, K, S].

    `forward` is one call. A loop asks `encode` once and then `denoise` each time; what cannot be
    split takes all of it each time, as here.
    """

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits of x0, [B, V, P, K, S]."""
        raise NotImplementedError

    def encode(self, inputs: Inputs) -> Context:
        """Return what does not change while only the noise does."""
        nothing = torch.zeros([0], device=inputs.noisy.device)
        return Context(inputs, nothing, nothing, nothing)

    def denoise(self, noisy: Tensor, level: Tensor, context: Context) -> Tensor:
        """Return logits of x0, [B, V, P, K, S], as `forward` of the same inputs with this noise."""
        fixed = context.inputs
        logits: Tensor = self.forward(
            Inputs(
                noisy,
                fixed.known,
                fixed.mask,
                level,
                fixed.phase,
                fixed.bar,
                fixed.style,
                fixed.density,
                fixed.plan,
                fixed.planned,
            )
        )
        return logits


def no_plan(cells: Tensor) -> tuple[Tensor, Tensor]:
    """`plan` and `planned` for cells [B, .., S] of which no harmony is fixed."""
    beats = (cells.size(-1) + 23) // 24
    plan = torch.zeros([cells.size(0), 24, beats], dtype=cells.dtype, device=cells.device)
    return plan, plan[:, 0]


def conditional_and_unconditional(inputs: Inputs) -> Inputs:
    """Return the same windows twice in one batch: as they are, then without their style and
    density."""
    zero = torch.zeros_like(inputs.style)
    return Inputs(
        _twice(inputs.noisy),
        _twice(inputs.known),
        _twice(inputs.mask),
        _twice(inputs.level),
        _twice(inputs.phase),
        _twice(inputs.bar),
        torch.cat([inputs.style, zero]),
        torch.cat([inputs.density, zero]),
        _twice(inputs.plan),
        _twice(inputs.planned),
    )


def _twice(x: Tensor) -> Tensor:
    return torch.cat([x, x])
