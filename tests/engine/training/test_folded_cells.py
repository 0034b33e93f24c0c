"""Folded cells say the same as the rolls they come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.denoisers.frame_transformer import FrameTransformer, FrameTransformerConfig
from engine.denoisers.harmony import lead_features, plan_of
from engine.denoisers.key_shift import key_profiles, key_shift
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, STEPS_PER_TOKEN
from engine.music.roll import drop_orphans
from engine.training.folded_cells import (
    folded,
    lead_of_tokens,
    plan_of_tokens,
    texture_key,
    without_orphans,
)

SEEDS = range(5)
STEPS = 96


def rolls(seed: int, size: int = 3) -> Tensor:
    """Music that no one wrote: cells uint8 [B, 2, 2, K, S] of short and long notes, with sustains
    that no onset leads into; the last window is silent."""
    rng = np.random.default_rng(seed)
    cells = np.zeros((size, 2, 2, PIANO.size, STEPS), np.uint8)
    for window in range(size - 1):
        for _ in range(60):
            voice, row, start = rng.integers((2, PIANO.size, STEPS))
            end = start + 1 + int(rng.exponential(20))
            cells[window, voice, 1, row, start + 1 : end] = 1
            cells[window, voice, 0, row, start] = rng.random() < 0.8
    cells[:, :, 1] &= 1 - cells[:, :, 0]
    return torch.from_numpy(cells)


def network() -> FrameTransformer:
    sizes = {"width": 16, "layers": 1, "heads": 2, "condition_width": 8}
    return FrameTransformer(FrameTransformerConfig(**sizes))


@pytest.mark.parametrize("seed", SEEDS)
def test_folded_as_the_network_folds_and_back(seed: int) -> None:
    cells = rolls(seed)
    tokens = folded(cells)
    assert tokens.shape == (3, STEPS // STEPS_PER_TOKEN, 24, PIANO.size)
    assert torch.equal(tokens, network().fold(cells))
    assert torch.equal(unfolded(tokens), cells)


def unfolded(tokens: Tensor) -> Tensor:
    """Cell by cell, by the meaning of a channel."""
    size, count, channels, pitches = tokens.shape
    cells = torch.zeros(size, 2, 2, pitches, count * STEPS_PER_TOKEN, dtype=tokens.dtype)
    for channel in range(channels):
        plane, step = divmod(channel, STEPS_PER_TOKEN)
        there = tokens[:, :, channel].transpose(1, 2)
        cells[:, plane // 2, plane % 2, :, step::STEPS_PER_TOKEN] = there
    return cells


@pytest.mark.parametrize("seed", SEEDS)
def test_the_plan_is_that_of_the_roll(seed: int) -> None:
    cells = rolls(seed)
    plan = plan_of_tokens(folded(cells))
    assert torch.equal(plan, plan_of(cells[:, ACCOMPANIMENT].float(), PIANO.low))
    assert plan[:2].any()
    assert not plan[2].any()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lead_is_that_of_the_roll(seed: int) -> None:
    cells = rolls(seed)
    lead = lead_of_tokens(folded(cells))
    assert torch.equal(lead, lead_features(cells[:, LEAD].float(), PIANO.low))
    assert lead[:2].any()


@pytest.mark.parametrize("seed", SEEDS)
def test_orphans_are_dropped_as_in_a_roll(seed: int) -> None:
    cells = rolls(seed)
    found = unfolded(without_orphans(folded(cells))).numpy()
    ours = cells.numpy().astype(bool)[:, ACCOMPANIMENT]
    wanted = np.stack([drop_orphans(window[None])[0] for window in ours])
    assert (found[:, ACCOMPANIMENT] == wanted).all()
    assert (wanted != ours).any()
    assert (found[:, LEAD] == cells.numpy()[:, LEAD]).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("told", ["lead", "accompaniment", "both", "half"])
def test_the_key_is_the_one_a_network_hears(seed: int, told: str) -> None:
    cells = rolls(seed)
    mask = torch.zeros(3, 2, STEPS // STEPS_PER_TOKEN, dtype=torch.bool)
    mask[:, LEAD, : 8 if told == "half" else None] = told != "accompaniment"
    mask[:, ACCOMPANIMENT, : 4 if told == "half" else None] = told != "lead"
    wide = mask.repeat_interleave(STEPS_PER_TOKEN, dim=2)[:, :, None, None, :]
    known = cells.float() * wide
    # The context counts where it is known, the truth nowhere.
    truth = torch.roll(cells, 1, 3)
    found = texture_key(folded(truth), folded(cells), mask)[:2]
    assert found.tolist() == key_shift(known, key_profiles(), PIANO.low)[:2].tolist()


def test_where_nothing_is_known_the_key_is_that_of_the_music() -> None:
    cells = rolls(1)
    mask = torch.zeros(3, 2, STEPS // STEPS_PER_TOKEN, dtype=torch.bool)
    found = texture_key(folded(cells), folded(torch.zeros_like(cells)), mask)
    wanted = key_shift(cells.float(), key_profiles(), PIANO.low, trust=1.0)
    assert found.tolist() == wanted.tolist()
