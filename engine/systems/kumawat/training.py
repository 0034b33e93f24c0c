"""First the encoder-decoder, then diffusion in its space."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from engine.systems.common.autoencoder import coder_loss
from engine.systems.common.draws import Draws, Mean
from engine.systems.common.gaussian import diffuse, velocity
from engine.systems.common.images import Images
from engine.systems.common.latents import codes_of
from engine.systems.kumawat.network import LatentUnet, LatentUnetConfig
from engine.training.dataset import Pack


def material(pack: Pack, split: int, config: LatentUnetConfig) -> Images:
    """Return windows as images."""
    return Images(pack, split, config.beats)


def loss(network: nn.Module, batch: tuple[Tensor, ...], draws: Draws, step: int) -> Mean:
    """Return the coder's for the first `coder_steps`, then the mean squared error of v."""
    assert isinstance(network, LatentUnet)
    images = batch[0]
    if step < network.config.coder_steps:
        return coder_loss(network.coder, images.flatten(0, 1), draws)
    with torch.no_grad():
        x0 = codes_of(network.coder, images).flatten(1, 2)
    level = draws.levels(len(x0)).to(x0.device)
    noise = draws.normal(x0)
    guess: Tensor = network(diffuse(x0, level, noise), level)
    error = (guess - velocity(x0, level, noise)).pow(2)
    return Mean(error.mean(), error.numel())


def settle(network: Any, averaged: Any, step: int) -> None:
    """Fix the coder once it is learned: its averaged weights are the ones to diffuse in."""
    if step == network.config.coder_steps:
        network.coder.load_state_dict(averaged.coder.state_dict())
