"""What single cells say, added to a network's logits: by a weight, or by the small network."""

from __future__ import annotations

import torch

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
