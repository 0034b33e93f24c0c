"""Train the network of harmony plans on one device, by the clock."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from engine.denoisers.harmony_transformer import HarmonyTransformer
from engine.model import checkpoint
from engine.reports import Report
from engine.training.clocked_run import Optimiser, Recipe, draw_levels
from engine.training.dataset import Pack
from engine.training.device_windows import DevicePack
from engine.training.harmony_loss import (
    LENGTHS_BEATS,
    OWN_FROM,
    plan_loss,
    plan_prior,
    training_example,
)
from engine.training.harmony_scores import harmony_scores, harmony_valid
from engine.training.harmony_windows import HarmonyMusic


def begun_planner(sizes: dict[str, int], start: dict[str, Tensor] | None) -> HarmonyTransformer:
    """Return a network of plans, with the weights `start`.

    Raises CheckpointError for sizes it cannot have, and for weights that do not fit.
    """
    network = checkpoint.build("harmony", sizes)
    assert isinstance(network, HarmonyTransformer)
    if start is not None:
        checkpoint.load_weights(network, {name: x.float() for name, x in start.items()})
    return network


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
    network = begun_planner(recipe.sizes, weights).to(device)
    prior = plan_prior(device)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    run = Optimiser(network, recipe)
    report(
        f"harmony: {sum(p.numel() for p in network.parameters())} weights; density "
        f"{float(music.plan[0, :, :12].float().mean()):.3f} "
        f"{float(music.plan[0, :, 12:].float().mean()):.3f}"
    )
    scored = -1
    own_from = OWN_FROM if weights is None else 0.0
    while not run.over:
        beats = LENGTHS_BEATS[run.step % len(LENGTHS_BEATS)]
        size = max(recipe.beats // beats, 1)
        planner = run.averaged if own_from <= run.share and run.step % 2 == 0 else None
        example = training_example(music, size, beats, prior, generator, planner)
        level = draw_levels(size, generator, device)
        network.train()
        loss = plan_loss(network, example, level, prior, generator)
        run.update(loss)
        if int(run.share * 8) > scored:
            scored = int(run.share * 8)
            report(
                f"harmony {run.share:.2f} step {run.step} loss {float(loss.detach()):.4f} "
                + harmony_scores(run.averaged, valid, prior, recipe.scored)
            )
            torch.save(run.state("harmony", prior, math.nan, corpora=list(pack.corpora)), out)
    found = harmony_valid(run.averaged, valid, prior, recipe.scored)
    torch.save(run.state("harmony", prior, found, corpora=list(pack.corpora)), out)
    report(f"harmony done: {run.step} steps, valid {found:.4f}")
    return run.averaged
