"""The paper's network as section 5 and figure 2 describe it."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from engine.denoisers.inputs import Inputs, no_plan
from engine.diffusion.sampler import Loop, Request, Sampler, no_chords
from engine.model import checkpoint
from engine.music.grid import PAPER

SMALL = {"full": 4, "half": 4, "quarter": 8, "eighth": 8}


def network() -> nn.Module:
    torch.manual_seed(0)
    return checkpoint.build("paper-unet", SMALL).eval()


def inputs(steps: int = 384, batch: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    cells = (torch.rand((batch, 1, 1, 56, steps), generator=generator) < 0.1).float()
    mask = (torch.rand(cells.shape, generator=generator) < 0.3).float()
    tokens = torch.zeros((batch, steps // 6), dtype=torch.int64)
    none = torch.zeros(batch, dtype=torch.int64)
    level = torch.full((batch,), 0.5)
    return [
        cells * (1 - mask),
        cells * mask,
        mask,
        level,
        tokens,
        tokens + 96,
        none,
        none,
        *no_plan(cells),
    ]


def call(module: nn.Module, given: list[Tensor]) -> Tensor:
    with torch.no_grad():
        out: Tensor = module(Inputs(*given))
    return out


def test_shape_is_56_by_384() -> None:
    assert PAPER.size == 56
    assert call(network(), inputs()).shape == (1, 1, 1, 56, 384)
    assert call(network(), inputs(96, 3)).shape == (3, 1, 1, 56, 96)


def test_three_halvings_one_last_filter() -> None:
    convolutions = [m for m in network().modules() if isinstance(m, nn.Conv2d)]
    assert sum(m.stride == (2, 2) for m in convolutions) == 3
    assert sum(m.out_channels == 1 for m in convolutions) == 1
    assert not any(isinstance(m, nn.ConvTranspose2d) for m in network().modules())


def test_it_hears_the_roll_and_nothing_else() -> None:
    given = inputs()
    before = call(network(), given)
    for place, value in [
        (2, 1 - given[2]),
        (3, given[3] / 9),
        (4, given[4] + 7),
        (5, given[5] / 2),
        (6, given[6] + 1),
        (7, given[7] + 1),
        (8, given[8] + 1),
        (9, given[9] + 1),
    ]:
        other = list(given)
        other[place] = value.to(given[place].dtype)
        assert torch.equal(before, call(network(), other))
    assert not torch.equal(before, call(network(), [given[0] * 0, *given[1:]]))


def test_known_cells_are_written_over_the_noise() -> None:
    given = inputs()
    pasted = [given[0] + given[1], given[1] * 0, *given[2:]]
    assert torch.equal(call(network(), given), call(network(), pasted))


def test_scripted_equals_eager() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted: Any = torch.jit.script(network())
    assert torch.allclose(call(network(), inputs()), call(scripted, inputs()), atol=1e-5)


def test_it_learns_by_l2_over_100_levels_without_evidence() -> None:
    family = checkpoint.family_of("paper-unet")
    assert (family.schedule, family.levels, family.merged) == ("linear", 100, True)
    assert not family.evidence
    assert family.loss is not None
    loss = family.loss(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0]))
    assert torch.allclose(loss, torch.tensor([0.25, float(torch.sigmoid(torch.tensor(2.0))) ** 2]))


def test_the_sampler_runs_it_and_keeps_known_cells() -> None:
    sampler = Sampler(network(), torch.full((1, 1, 1, 1), 0.05), "linear", PAPER.low)
    noisy, known, mask, _, phase, bar, none, *_ = inputs(96)
    source = noisy + known
    with torch.inference_mode():
        asked = Request(
            source,
            mask,
            torch.ones_like(source),
            phase,
            bar,
            none,
            none,
            none,
            none,
            *no_chords(source),
        )
        cells = sampler(asked, Loop(100, "algorithm1-threshold")).cells
    assert torch.equal(cells * mask, source * mask)
