"""What the network of harmony plans learns from: examples, their noise, and the loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.denoisers.harmony_transformer import HarmonyTransformer
from engine.denoisers.inputs import HarmonyInputs
from engine.denoisers.key_shift import turned
from engine.diffusion.noise import alpha_bar, own_evidence, predicted_posterior
from engine.training.clocked_run import autocast
from engine.training.harmony_windows import HarmonyExample, HarmonyMusic, harmony_example

_HARMONY_PRIOR = (0.2, 0.075)
"""Chance of a redrawn cell of the plan: pitch classes, bass classes (densities of the music)."""

LENGTHS_BEATS = (32, 16, 64)
"""Of the windows of a step, in turn."""
_PAST_CALLS = 8
"""Of the loop that draws the past."""
OWN_FROM = 0.4
"""Share of a run after which a network that began with nothing draws plans worth hearing."""


def plan_prior(device: torch.device) -> Tensor:
    """[1, 24, 1]."""
    chroma, bass = _HARMONY_PRIOR
    return torch.tensor([chroma] * 12 + [bass] * 12, device=device).view(1, 24, 1)


def noised(
    example: HarmonyExample, level: Tensor, prior: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the plan at noise `level` [B], its free cells alone: [B, 24, T]."""
    plan = example.plan
    alpha = _kept(level)
    chance = alpha * plan + (1.0 - alpha) * prior
    uniform = torch.rand(plan.shape, generator=generator, device=level.device)
    return (uniform < chance).float() * (1.0 - example.inputs.mask)


def plan_logits(
    network: Callable[[Tensor, Tensor, HarmonyInputs], Tensor],
    noisy: Tensor,
    level: Tensor,
    inputs: HarmonyInputs,
    prior: Tensor,
) -> Tensor:
    """Return logits of the clean plan, a cell's own evidence with them, float32.

    network: called as `HarmonyTransformer.in_c` is.
    """
    with autocast(level.device):
        logits = network(noisy, level, inputs)
    return logits.float() + own_evidence(noisy, _kept(level), prior)


def plan_nats(logits: Tensor, example: HarmonyExample) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of the free cells in nats, and how many beats have any."""
    free = 1.0 - example.inputs.mask
    cells = F.binary_cross_entropy_with_logits(logits, example.plan, reduction="none") * free
    return cells.sum(), free.amax(dim=1).sum().clamp_min(1.0)


def plan_loss(
    network: HarmonyTransformer,
    example: HarmonyExample,
    level: Tensor,
    prior: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Return the cross-entropy at noise `level` [B], nats a beat that has free cells."""
    noisy = noised(example, level, prior, generator)
    logits = plan_logits(network.in_c, noisy, level, example.inputs, prior)
    nats, beats = plan_nats(logits, example)
    return nats / beats


def _kept(level: Tensor) -> Tensor:
    return alpha_bar(level, "cosine")[:, None, None]


@torch.no_grad()
def draw_plan(
    network: HarmonyTransformer,
    inputs: HarmonyInputs,
    prior: Tensor,
    calls: int,
    generator: torch.Generator,
) -> Tensor:
    """Return a plan by the exact chain, in the key the inputs are in."""
    known, free = inputs.known, 1.0 - inputs.mask
    size = len(known)
    x = (torch.rand(known.shape, generator=generator, device=known.device) < prior).float()
    for i in range(calls):
        level = torch.full((size,), 1.0 - i / calls, device=known.device)
        after = torch.full((size,), 1.0 - (i + 1) / calls, device=known.device)
        noisy = x * free
        p = torch.sigmoid(plan_logits(network.in_c, noisy, level, inputs, prior))
        chance = predicted_posterior(noisy, p, _kept(level), _kept(after), prior)
        x = (torch.rand(x.shape, generator=generator, device=x.device) < chance).float()
    return x * free + known


def training_example(
    music: HarmonyMusic,
    size: int,
    beats: int,
    prior: Tensor,
    generator: torch.Generator,
    planner: HarmonyTransformer | None,
) -> HarmonyExample:
    """Draw `size` windows of `beats` beats, and what is known of them.

    planner: who plays the chords of the past where live they would be its own; None: the composer.
    """
    drawn = music.batch(size, beats, generator)
    if planner is None:
        return harmony_example(drawn, generator)
    shown = harmony_example(drawn, generator)
    shifted = draw_plan(planner, shown.inputs, prior, _PAST_CALLS, generator)
    own = turned(shifted, -_key_between(drawn.plan, shown.plan))
    return harmony_example(drawn, generator, own)


def _key_between(plain: Tensor, moved_plan: Tensor) -> Tensor:
    """Return how far `moved_plan` [B, 24, T] is turned against `plain`, int64 [B], -6 to 5."""
    fits = torch.stack(
        [
            (turned(plain, torch.full((len(plain),), s, device=plain.device)) == moved_plan)
            .all(dim=2)
            .all(dim=1)
            for s in range(-6, 6)
        ]
    )
    return fits.long().argmax(dim=0) - 6
