"""What single cells say, added to a network's logits: by a weight, or by the small network."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import silu

from engine.diffusion.cell_evidence import CellEvidence, CellRefiner

SHAPE = (2, 2, 2, 12, 12)  # two windows of two sixteenths and an octave


def cells(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def test_the_weight_of_evidence_falls_in_a_line_with_the_noise_level() -> None:
    level = torch.tensor([0.0, 0.5])
    found = CellEvidence(0.95, 0.5)(cells(0), cells(1), cells(2), cells(3), level)
    weight = torch.tensor([0.95, 0.7]).view(2, 1, 1, 1, 1)
    assert torch.allclose(found, cells(0) + weight * cells(1))


def test_a_fresh_refiner_adds_nine_tenths_of_the_evidence() -> None:
    refiner = CellRefiner(width=16)
    found = refiner(cells(0), cells(1), cells(2).sign(), cells(3).sign(), torch.tensor([0.1, 1.0]))
    assert torch.allclose(found, cells(0) + 0.9 * cells(1), atol=1e-5)


def test_what_a_refiner_has_learned_is_added_cell_by_cell() -> None:
    refiner = CellRefiner(width=16)
    assert refiner.out.bias is not None
    with torch.no_grad():
        refiner.out.bias[0] = 3.0  # the first plane's first step of a token
        refiner.weights.bias[:4] = 1.0  # twice the logits
    level = torch.tensor([0.1, 0.9])
    found = refiner(cells(0), cells(1), cells(2), cells(3), level)
    wanted = 2.0 * cells(0) + 0.9 * cells(1)
    wanted[:, 0, 0, :, ::6] += 3.0
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_refiner_hears_the_neighbourhood_of_a_cell() -> None:
    refiner = CellRefiner(width=16)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for part in (refiner.out, refiner.film):
            part.weight.copy_(0.1 * torch.randn(part.weight.shape, generator=generator))
    known, mask, level = cells(2), cells(3), torch.tensor([0.3, 0.3])
    seen = cells(1)
    before = refiner(cells(0), seen, known, mask, level)
    seen[0, 0, 0, 5, 0] += 1.0
    change = (refiner(cells(0), seen, known, mask, level) - before).abs()
    assert change[0, 1, 1, 5, 11] > 0, "another voice and plane, the next token"
    assert change[0, 0, 0, 11].max() > 0, "half an octave up"
    assert change[1].max() == 0, "not in another window"


def test_a_refiners_layers_are_scaled_and_shifted_by_the_noise_level() -> None:
    """By hand, with one channel whose weights are the same everywhere."""
    refiner = CellRefiner(width=8)
    layers = len(refiner.layers)
    generator = torch.Generator().manual_seed(3)
    film = 0.3 * torch.randn(layers + 1, 2, 3, generator=generator)
    with torch.no_grad():
        for part in (refiner.into, refiner.layers, refiner.out):
            for weights in part.parameters():
                weights.zero_()
        refiner.into.weight[:, 0, 0, 1] = 0.7  # the first plane's logits, first step of a token
        assert refiner.into.bias is not None
        refiner.into.bias.fill_(0.4)
        for index, layer in enumerate(refiner.layers):
            dict(layer.named_parameters())["bias"].fill_(0.1 * (index + 1))
        refiner.out.weight[0] = 1.0  # to the same cells
        # [layer, scale or shift, channel] by [level, its square, its curve]
        refiner.film.weight.copy_(film[:, :, None].expand(-1, -1, 8, -1).reshape(-1, 3))
    logits, level = cells(0), torch.tensor([0.3, 0.9])
    found = refiner(logits, cells(1), cells(2), cells(3), level)
    for window, t in enumerate(level.tolist()):
        features = torch.tensor([t, t * t, 0.25 * math.log(1 - t)])
        scale, shift = (film @ features).unbind(dim=1)
        h = silu((0.7 * 0.25 * logits[window, 0, 0, :, 0] + 0.4) * (1 + scale[0]) + shift[0])
        for index in range(layers):
            h = h + silu(0.1 * (index + 1) * (1 + scale[index + 1]) + shift[index + 1])
        wanted = logits[window, 0, 0, :, 0] + 0.9 * cells(1)[window, 0, 0, :, 0] + 8 * h
        assert torch.allclose(found[window, 0, 0, :, 0], wanted, atol=1e-4)
        untouched = logits[window, 1, 1] + 0.9 * cells(1)[window, 1, 1]
        assert torch.allclose(found[window, 1, 1], untouched, atol=1e-5)


def test_a_refiner_weighs_the_evidence_by_plane() -> None:
    refiner = CellRefiner(width=8)
    with torch.no_grad():
        refiner.weights.bias[4:] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    found = refiner(cells(0), cells(1), cells(2), cells(3), torch.tensor([0.5, 0.5]))
    weight = torch.tensor([1.0, 1.1, 1.2, 1.3]).view(1, 2, 2, 1, 1)
    assert torch.allclose(found, cells(0) + weight * cells(1), atol=1e-5)
