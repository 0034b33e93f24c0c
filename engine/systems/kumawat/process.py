"""A request answered in the space of codes, from pure Gaussian noise.

Codes of beats that are known are written over the noise in each step. The document speaks of
generating only; this much any diffusion can do, since each beat and voice has codes of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engine.music.roll import PianoRoll
from engine.requests.request import FillRequest
from engine.systems.common.autoencoder import LARGEST
from engine.systems.common.gaussian import Walk, reverse
from engine.systems.common.image import encode
from engine.systems.common.latents import LatentWindow, fill_by_windows, through_code
from engine.systems.common.system import Facts, Recoded, SystemAnswer
from engine.systems.kumawat.network import LatentUnet


def fill(network: nn.Module, request: FillRequest, facts: Facts) -> SystemAnswer:
    """Return the request's cells."""
    assert isinstance(network, LatentUnet)
    settings = request.settings
    generator = torch.Generator().manual_seed(settings.seed)
    way = "ancestral" if settings.sampler == "ancestral" else "ddim"
    walk = Walk(settings.steps, way, settings.variation, LARGEST)

    def sample(window: LatentWindow) -> Tensor:
        source = window.codes.flatten(1, 2)
        known = _known_codes(window.known, window.codes).flatten(1, 2)
        found = reverse(network, source, known, walk, generator)
        return found.reshape(window.codes.shape)

    return fill_by_windows(network.coder, request, network.config.beats, sample)


def _known_codes(known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], codes: Tensor) -> Tensor:
    """bool[2, T] as 0/1 of the codes' shape [1, 2, Z, R, T]."""
    beats = torch.from_numpy(known).to(codes)[None, :, None, None, :]
    return beats.expand_as(codes)


def recode(network: nn.Module, roll: PianoRoll) -> Recoded:
    """Return a roll through the encoder-decoder, without diffusion."""
    assert isinstance(network, LatentUnet)
    return Recoded(through_code(network.coder, roll), encode(roll)[1])
