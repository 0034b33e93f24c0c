"""How good the network of harmony plans is: its loss, its likelihood, and what it draws."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoisers.harmony_transformer import HarmonyTransformer
from engine.diffusion.bound import chain_term, even_steps
from engine.training.clocked_run import LEVELS
from engine.training.harmony_loss import draw_plan, noised, plan_logits, plan_loss
from engine.training.harmony_windows import HarmonyExample, HarmonyMusic, harmony_example


def kept_share(plan: Tensor) -> float:
    """Return share of sounding beats that have the chord of the beat before (chroma and bass)."""
    same = (plan[:, :, 1:] == plan[:, :, :-1]).all(dim=1)
    sounds = plan[:, :, 1:].amax(dim=1) > 0
    return float((same & sounds).sum() / sounds.sum().clamp_min(1))


@torch.no_grad()
def harmony_valid(
    network: HarmonyTransformer, music: HarmonyMusic, prior: Tensor, size: int
) -> float:
    """Loss, mean of all levels, of `size` windows each."""
    generator = torch.Generator(prior.device).manual_seed(1)
    network.eval()
    total = 0.0
    for level in LEVELS:
        example = harmony_example(music.batch(size, 32, generator), generator)
        levels = torch.full((size,), level, device=prior.device)
        total += float(plan_loss(network, example, levels, prior, generator))
    return total / len(LEVELS)


def harmony_scores(
    network: HarmonyTransformer, music: HarmonyMusic, prior: Tensor, size: int
) -> str:
    """Return valid loss, and of plans drawn for whole leads: chords kept, classes a beat,
    agreement."""
    generator = torch.Generator(prior.device).manual_seed(2)
    found = harmony_valid(network, music, prior, size)
    batch = music.batch(size // 2, 32, generator)
    plan, inputs = harmony_example(batch, generator)
    drawn = draw_plan(network, inputs, prior, 24, generator)
    return (
        f"valid {found:.4f} kept {kept_share(drawn):.3f} ({kept_share(plan):.3f}) classes "
        f"{float(drawn[:, :12].sum(1).mean()):.2f} "
        f"({float(plan[:, :12].sum(1).mean()):.2f}) "
        f"bass {float((drawn[:, 12:] * plan[:, 12:]).sum() / plan[:, 12:].sum()):.3f}"
    )


@torch.no_grad()
def plan_bound(
    network: HarmonyTransformer,
    example: HarmonyExample,
    prior: Tensor,
    generator: torch.Generator,
    levels: int = 100,
) -> Tensor:
    """Return the bound on -log p(free cells | the rest) of each plan, nats, float64 [B].

    As `engine.diffusion.bound` has it, of one step of the chain a window, times all `levels`.
    """
    t = even_steps(len(example.plan), levels, generator, prior.device)
    level = t.float() / levels
    noisy = noised(example, level, prior, generator)
    logits = plan_logits(network.in_c, noisy, level, example.inputs, prior)
    free = 1.0 - example.inputs.mask
    return levels * chain_term(logits, noisy, example.plan, free, t, levels, prior, "cosine")


def bound_a_beat(
    network: HarmonyTransformer, music: HarmonyMusic, prior: Tensor, size: int
) -> float:
    """Return the bound of `size` windows of 32 beats, nats for each beat that has free cells."""
    generator = torch.Generator(prior.device).manual_seed(3)
    network.eval()
    example = harmony_example(music.batch(size, 32, generator), generator)
    beats = (1.0 - example.inputs.mask).amax(dim=1).sum()
    return float(plan_bound(network, example, prior, generator).sum() / beats.double().cpu())
