"""From a batch of windows to what a network sees at a noise level. Used to train and to score."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.denoisers.harmony import known_beats, plan_of
from engine.denoisers.inputs import Inputs, no_plan
from engine.diffusion.batch import Batch
from engine.diffusion.noise import alpha_bar, diffuse, own_evidence
from engine.diffusion.plan_dropout import shown_in_part
from engine.music.grid import ACCOMPANIMENT, PIANO


def to_inputs(
    batch: Batch,
    level: Tensor,
    prior: Tensor,
    schedule: str,
    generator: torch.Generator,
    planned: bool = False,
) -> tuple[Inputs, Tensor, Tensor]:
    """Return the network's inputs at noise `level` [B], the target and the free cells, all 0.0 or
    1.0.

    planned: tell of the harmony plan what `plan_dropout` leaves of it, as in training; else
    nothing.
    """
    device = level.device

    def move(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(device)

    target, context = move(batch.target).float(), move(batch.context).float()
    steps = move(batch.mask)  # [B, V, S]
    mask = steps[:, :, None, None, :].expand_as(target).float()
    alpha = alpha_bar(level, schedule)[:, None, None, None, None]
    uniform = torch.rand(target.shape, generator=generator, device=device)
    noisy = diffuse(target, alpha, prior, uniform) * (1.0 - mask)
    plan, planned_beats = no_plan(target)
    if planned:
        truth = true_plan(target, context, steps.float())
        plan, planned_beats = shown_in_part(truth, generator)
    inputs = Inputs(
        noisy,
        context * mask,
        mask,
        level,
        move(batch.phase),
        move(batch.bar),
        move(batch.style),
        move(batch.density),
        plan,
        planned_beats,
    )
    return inputs, target, 1.0 - mask


def true_plan(target: Tensor, context: Tensor, steps: Tensor) -> Tensor:
    """Return the plan [B, 24, T] of the accompaniment as composed; in known beats as it sounds,
    since in playing it is read off there. target, context: [B, V, P, K, S]; steps: 1 = known, [B,
    V, S]."""
    known_to_sound = known_beats(steps[:, ACCOMPANIMENT])[:, None] > 0.5
    plans = [plan_of(cells[:, ACCOMPANIMENT], PIANO.low) for cells in (context, target)]
    return torch.where(known_to_sound, plans[0], plans[1])


def logits_of(
    network: nn.Module,
    inputs: Inputs,
    prior: Tensor,
    schedule: str,
    exact: nn.Module | None = None,
) -> Tensor:
    """Return logits of x0, float32; of the exact chain with what stands behind the network in
    it."""
    logits: Tensor = network(inputs).float()
    if exact is None:
        return logits
    alpha = alpha_bar(inputs.level, schedule)[:, None, None, None, None]
    seen = own_evidence(inputs.noisy, alpha, prior)
    found: Tensor = exact(logits, seen, inputs.known, inputs.mask, inputs.level)
    return found
