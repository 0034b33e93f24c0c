"""Train the network of harmony plans on one device, by the clock."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.denoisers.harmony_transformer import HarmonyTransformer, HarmonyTransformerConfig
from engine.denoisers.inputs import HarmonyInputs
from engine.denoisers.key_shift import turned
from engine.diffusion.noise import alpha_bar, own_evidence, predicted_posterior
from engine.reports import Report
from engine.training.clocked_run import LEVELS, Optimiser, Recipe, autocast, draw_levels
from engine.training.dataset import Pack
from engine.training.device_windows import DevicePack
from engine.training.harmony_windows import HarmonyExample, HarmonyMusic, harmony_example

_HARMONY_PRIOR = (0.2, 0.075)
"""Chance of a redrawn cell of the plan: pitch classes, bass classes (densities of the music)."""

_OWN_FROM = 0.4
"""Share of a run after which a network that began with nothing draws plans worth hearing."""


def plan_prior(device: torch.device) -> Tensor:
    """[1, 24, 1]."""
    chroma, bass = _HARMONY_PRIOR
    return torch.tensor([chroma] * 12 + [bass] * 12, device=device).view(1, 24, 1)


def _harmony_loss(
    network: HarmonyTransformer,
    example: HarmonyExample,
    level: Tensor,
    prior: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Cross-entropy of the free cells, nats a beat that has any."""
    plan, free = example.plan, 1.0 - example.inputs.mask
    alpha = alpha_bar(level, "cosine")[:, None, None]
    chance = alpha * plan + (1.0 - alpha) * prior
    uniform = torch.rand(plan.shape, generator=generator, device=level.device)
    noisy = (uniform < chance).float() * free
    with autocast(level.device):
        logits = network.in_c(noisy, level, example.inputs)
    logits = logits.float() + own_evidence(noisy, alpha, prior)
    cells = F.binary_cross_entropy_with_logits(logits, plan, reduction="none") * free
    return cells.sum() / free.amax(dim=1).sum().clamp_min(1.0)


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
        with autocast(known.device):
            logits = network.in_c(noisy, level, inputs)
        here, there = (alpha_bar(each, "cosine")[:, None, None] for each in (level, after))
        p = torch.sigmoid(logits.float() + own_evidence(noisy, here, prior))
        chance = predicted_posterior(noisy, p, here, there, prior)
        x = (torch.rand(x.shape, generator=generator, device=x.device) < chance).float()
    return x * free + known


def kept_share(plan: Tensor) -> float:
    """Return share of sounding beats that have the chord of the beat before (chroma and bass)."""
    same = (plan[:, :, 1:] == plan[:, :, :-1]).all(dim=1)
    sounds = plan[:, :, 1:].amax(dim=1) > 0
    return float((same & sounds).sum() / sounds.sum().clamp_min(1))


def train_harmony(
    pack: Pack,
    recipe: Recipe,
    device: torch.device,
    out: Path,
    report: Report,
    weights: dict[str, Tensor] | None = None,
) -> HarmonyTransformer:
    """Train until the clock says so; the averaged network, and `out`, written at each score.

    weights: a checkpoint's, to begin with.
    """
    torch.manual_seed(recipe.seed)
    music = HarmonyMusic(DevicePack(pack, 0, device, recipe.most_pieces))
    valid = HarmonyMusic(DevicePack(pack, 1, device, recipe.most_pieces))
    network = HarmonyTransformer(HarmonyTransformerConfig(**recipe.sizes)).to(device)
    if weights is not None:
        network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    prior = plan_prior(device)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    run = Optimiser(network, recipe)
    report(
        f"harmony: {sum(p.numel() for p in network.parameters())} weights; density "
        f"{float(music.plan[0, :, :12].float().mean()):.3f} "
        f"{float(music.plan[0, :, 12:].float().mean()):.3f}"
    )
    scored = -1
    own_from = _OWN_FROM if weights is None else 0.0
    while not run.over:
        beats = (32, 16, 64)[run.step % 3]
        size = max(recipe.beats // beats, 1)
        drawn = music.batch(size, beats, generator)
        own = None
        if own_from <= run.share and run.step % 2 == 0:  # the past as it will be live: its own
            shown = harmony_example(drawn, generator)
            shifted = draw_plan(run.averaged, shown.inputs, prior, 8, generator)
            own = turned(shifted, -_key_between(drawn.plan, shown.plan))
        example = harmony_example(drawn, generator, own)
        level = draw_levels(size, generator, device)
        network.train()
        loss = _harmony_loss(network, example, level, prior, generator)
        run.update(loss)
        if int(run.share * 8) > scored:
            scored = int(run.share * 8)
            report(
                f"harmony {run.share:.2f} step {run.step} loss {float(loss.detach()):.4f} "
                + _harmony_scores(run.averaged, valid, prior, recipe.scored)
            )
            torch.save(run.state("harmony", prior, math.nan), out)
    found = _harmony_valid(run.averaged, valid, prior, recipe.scored)
    torch.save(run.state("harmony", prior, found), out)
    report(f"harmony done: {run.step} steps, valid {found:.4f}")
    return run.averaged


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


@torch.no_grad()
def _harmony_valid(
    network: HarmonyTransformer, music: HarmonyMusic, prior: Tensor, size: int
) -> float:
    """Loss, mean of all levels, of `size` windows each."""
    generator = torch.Generator(prior.device).manual_seed(1)
    network.eval()
    total = 0.0
    for level in LEVELS:
        example = harmony_example(music.batch(size, 32, generator), generator)
        levels = torch.full((size,), level, device=prior.device)
        total += float(_harmony_loss(network, example, levels, prior, generator))
    return total / len(LEVELS)


def _harmony_scores(
    network: HarmonyTransformer, music: HarmonyMusic, prior: Tensor, size: int
) -> str:
    """Return valid loss, and of plans drawn for whole leads: chords kept, classes a beat,
    agreement."""
    generator = torch.Generator(prior.device).manual_seed(2)
    found = _harmony_valid(network, music, prior, size)
    batch = music.batch(size // 2, 32, generator)
    plan, inputs = harmony_example(batch, generator)
    drawn = draw_plan(network, inputs, prior, 24, generator)
    return (
        f"valid {found:.4f} kept {kept_share(drawn):.3f} ({kept_share(plan):.3f}) classes "
        f"{float(drawn[:, :12].sum(1).mean()):.2f} "
        f"({float(plan[:, :12].sum(1).mean()):.2f}) "
        f"bass {float((drawn[:, 12:] * plan[:, 12:]).sum() / plan[:, 12:].sum()):.3f}"
    )
