"""First the encoder-decoder, then the transformer, on the tasks that the windows draw.

k is drawn from 0 to 8 for each window, and in three of ten the order is none: all see all.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from engine.systems.common.autoencoder import coder_loss
from engine.systems.common.draws import Draws, Mean
from engine.systems.common.gaussian import diffuse, velocity
from engine.systems.common.images import Images
from engine.systems.common.latents import codes_of
from engine.systems.ziko_munim.network import (
    ALL,
    AnticipatingTransformer,
    Condition,
    TransformerConfig,
)
from engine.training.dataset import Pack

_UNORDERED = 0.3


def material(pack: Pack, split: int, config: TransformerConfig) -> Images:
    """Return windows as images."""
    return Images(pack, split, config.beats)


def loss(network: nn.Module, batch: tuple[Tensor, ...], draws: Draws, step: int) -> Mean:
    """Return the coder's for the first `coder_steps`, then the mean squared error of free v."""
    assert isinstance(network, AnticipatingTransformer)
    images, known, place, style, density = batch
    if step < network.config.coder_steps:
        return coder_loss(network.coder, images.flatten(0, 1), draws)
    with torch.no_grad():
        x0 = codes_of(network.coder, images)
    size = len(x0)
    level = draws.levels(size).to(x0.device)
    noise = draws.normal(x0)
    ahead = draws.below(ALL, size)
    ahead = torch.where(draws.chances(size) < _UNORDERED, ALL, ahead)
    clean = known[:, :, None, None] > 0.5
    x = torch.where(clean, x0, diffuse(x0, level, noise))
    guess = network(x, level, known, Condition(place, style, density, ahead.to(x0.device)))
    error: Tensor = (guess - velocity(x0, level, noise)).pow(2) * ~clean
    free = (~clean).expand_as(error).sum().clamp_min(1)
    return Mean(error.sum() / free, free)


def settle(network: Any, averaged: Any, step: int) -> None:
    """Fix the coder once it is learned: its averaged weights are the ones to diffuse in."""
    if step == network.config.coder_steps:
        network.coder.load_state_dict(averaged.coder.state_dict())
