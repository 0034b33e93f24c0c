"""What is told of the true plan in training."""

from __future__ import annotations

import numpy as np
import torch

from engine.diffusion.batch import Batch
from engine.diffusion.inputs import to_inputs, true_plan
from engine.diffusion.plan_dropout import CUT, FLIPPED, UNTOLD, shown_in_part
from engine.music.grid import ACCOMPANIMENT, ONSET, PIANO


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_how_often_how_much_is_told() -> None:
    truth = (torch.rand(4000, 24, 10, generator=random(1)) < 0.25).float()
    told, planned = shown_in_part(truth, random())
    beats = planned.sum(dim=1)
    # Cut at a random beat, a tenth of those windows is told nothing.
    assert abs(float((beats == 0).float().mean()) - UNTOLD - CUT / 10) < 0.02
    assert abs(float((beats == 10).float().mean()) - (1 - UNTOLD - CUT)) < 0.02
    cut = planned[(beats > 0) & (beats < 10)]
    assert bool((cut[:, :-1] >= cut[:, 1:]).all())  # the first ones are told
    assert not bool((told * (1 - planned[:, None])).any())
    wrong = ((told != truth) * planned[:, None]).sum() / (24 * planned.sum())
    assert abs(float(wrong) - FLIPPED) < 0.002


def windows() -> Batch:
    """Two beats of C3; what is heard of the first one is G3."""
    target = np.zeros((6, 2, 2, PIANO.size, 48), np.bool_)
    context, mask = target.copy(), np.zeros((6, 2, 48), np.bool_)
    target[:, ACCOMPANIMENT, ONSET, 48 - PIANO.low] = True
    context[:, ACCOMPANIMENT, ONSET, 55 - PIANO.low] = True
    mask[:, ACCOMPANIMENT, :24] = True
    tokens, none = np.zeros((6, 8), np.int64), np.zeros(6, np.int64)
    return Batch(target, context, mask, tokens, tokens + 96, none, none)


def test_the_plan_is_of_the_truth_and_of_what_is_heard_where_that_is_known() -> None:
    batch = windows()
    cells = [torch.from_numpy(a).float() for a in (batch.target, batch.context, batch.mask)]
    plan = true_plan(*cells)
    assert plan[0].nonzero().tolist() == [[0, 1], [7, 0], [12, 1], [19, 0]]


def test_inputs_are_told_in_training_alone_and_by_the_seed() -> None:
    prior, level = torch.full((2, 2, 1, 1), 0.02), torch.full((6,), 0.5)
    plain, _, _ = to_inputs(windows(), level, prior, "cosine", random())
    told, _, _ = to_inputs(windows(), level, prior, "cosine", random(), planned=True)
    again, _, _ = to_inputs(windows(), level, prior, "cosine", random(), planned=True)
    assert plain.plan.shape == told.plan.shape == (6, 24, 2)
    assert not plain.plan.any()
    assert not plain.planned.any()
    assert told.planned.any()
    assert torch.equal(plain.noisy, told.noisy)
    assert all(torch.equal(a, b) for a, b in zip(told, again, strict=True))


def test_cells_that_are_shown_wrong_are_cells_still() -> None:
    shown, planned = shown_in_part(torch.ones(200, 24, 10), random(3))
    assert set(shown.flatten().tolist()) == {0.0, 1.0}
    assert set(planned.flatten().tolist()) == {0.0, 1.0}


def test_known_cells_carry_no_noise() -> None:
    batch = windows()
    prior = torch.full((2, 2, 1, 1), 0.9)
    inputs, target, free = to_inputs(batch, torch.ones(6), prior, "linear", random())
    assert bool((inputs.noisy * inputs.mask == 0).all())
    assert float(inputs.noisy[..., 24:].mean()) > 0.8
    assert torch.equal(free, 1.0 - inputs.mask)
    assert torch.equal(inputs.known, torch.from_numpy(batch.context).float() * inputs.mask)
    assert set(target.flatten().tolist()) == {0.0, 1.0}
