"""A request answered by the transformer: known beats are clean patches beside the noisy ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engine.diffusion.batch import density_bucket
from engine.music.grid import STEPS_PER_BEAT
from engine.music.roll import PianoRoll
from engine.requests.request import STYLES, FillRequest
from engine.systems.common.autoencoder import LARGEST
from engine.systems.common.gaussian import Walk, reverse
from engine.systems.common.image import encode
from engine.systems.common.latents import LatentWindow, fill_by_windows, through_code
from engine.systems.common.system import Facts, Recoded, SystemAnswer
from engine.systems.ziko_munim.network import ALL, AnticipatingTransformer, Condition

ANTICIPATION = "anticipation"
"""Among a player's facts: k, where the melody is to be known only so many beats ahead."""


def fill(network: nn.Module, request: FillRequest, facts: Facts) -> SystemAnswer:
    """Return the request's cells."""
    assert isinstance(network, AnticipatingTransformer)
    settings = request.settings
    generator = torch.Generator().manual_seed(settings.seed)
    way = "ancestral" if settings.sampler == "ancestral" else "ddim"
    walk = Walk(settings.steps, way, settings.variation, LARGEST)
    ahead = int(facts.get(ANTICIPATION, ALL))

    def sample(window: LatentWindow) -> Tensor:
        given = _condition(request, window, ahead)
        unconditional = not bool(given.style.any() or given.density.any())
        known = torch.from_numpy(window.known).to(window.codes)[None]

        def predict(x: Tensor, level: Tensor) -> Tensor:
            # The loop noises what is known; here it comes clean.
            x = torch.where(known[:, :, None, None] > 0.5, window.codes, x)
            if settings.guidance == 1.0 or unconditional:
                out: Tensor = network(x, level, known, given)
                return out
            conditional, free = (network(x, level, known, each) for each in (given, given.free()))
            guided: Tensor = free + settings.guidance * (conditional - free)
            return guided

        mask = known[:, :, None, None].expand_as(window.codes)
        return reverse(predict, window.codes, mask, walk, generator)

    return fill_by_windows(network.coder, request, network.config.beats, sample)


def _condition(request: FillRequest, window: LatentWindow, ahead: int) -> Condition:
    settings, beats = request.settings, window.known.shape[1]
    steps = window.first_step + STEPS_PER_BEAT * np.arange(beats)
    phase, bar = request.meters.phase(steps)
    place = np.stack([phase, bar], axis=1) // STEPS_PER_BEAT
    style = STYLES.index(settings.style) if settings.style in STYLES else 0
    density = 0 if settings.density is None else density_bucket(settings.density)
    device = window.codes.device

    def whole(value: int) -> Tensor:
        return torch.tensor([value], device=device)

    return Condition(
        torch.from_numpy(place)[None].to(device), whole(style), whole(density), whole(ahead)
    )


def recode(network: nn.Module, roll: PianoRoll) -> Recoded:
    """Return a roll through the encoder-decoder, without diffusion."""
    assert isinstance(network, AnticipatingTransformer)
    return Recoded(through_code(network.coder, roll), encode(roll)[1])
