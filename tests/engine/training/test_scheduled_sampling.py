"""Windows that hear the model's own past."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.denoisers.inputs import Denoiser, Inputs
from engine.diffusion.batch import Batch
from engine.diffusion.sampler import Sampler
from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, PIANO
from engine.training.scheduled_sampling import with_sampled_past

STEPS = 48
PRIOR = torch.full((2, 2, 1, 1), 0.01)
OURS = 40 - PIANO.low


class OneChord(Denoiser):
    """Sure of an onset of OURS on every sixteenth of the accompaniment, and of nothing else."""

    def forward(self, inputs: Inputs) -> Tensor:
        logits = torch.full_like(inputs.noisy, -20.0)
        logits[:, ACCOMPANIMENT, ONSET, OURS, ::6] = 20.0
        return logits


def window(known: NDArray[np.bool_]) -> Batch:
    """Two equal windows: the lead on C5, the composer's part on C4, onsets on every step."""
    cells = np.zeros((2, 2, 2, PIANO.size, STEPS), np.bool_)
    cells[:, LEAD, ONSET, 72 - PIANO.low] = True
    cells[:, ACCOMPANIMENT, ONSET, 60 - PIANO.low] = True
    tokens = np.zeros((2, STEPS // 6), np.int64)
    none = np.zeros(2, np.int64)
    return Batch(cells, cells, np.stack([known, known]), tokens, tokens + 96, none, none)


def heard(known: NDArray[np.bool_], seed: int = 0) -> tuple[Batch, Batch]:
    batch = window(known)
    sampler = Sampler(OneChord(), PRIOR, "cosine", PIANO.low)
    return batch, with_sampled_past(batch, sampler, torch.Generator().manual_seed(seed))


def past(lead: int, accompaniment: int, first: int = 0) -> NDArray[np.bool_]:
    known = np.zeros((2, STEPS), np.bool_)
    known[LEAD, :lead], known[ACCOMPANIMENT, first:accompaniment] = True, True
    return known


@pytest.mark.parametrize("first", [0, 18], ids=["all known", "the last of it known"])
@pytest.mark.parametrize("seed", range(5))
def test_from_a_random_sixteenth_on_the_past_is_ours(seed: int, first: int) -> None:
    before, after = heard(past(24, 36, first), seed)
    assert np.array_equal(before.target, after.target)
    assert np.array_equal(before.context[:, LEAD], after.context[:, LEAD])
    for row in range(2):
        cells = after.context[row, ACCOMPANIMENT, ONSET]
        theirs = np.flatnonzero(cells[60 - PIANO.low])
        start = theirs[-1] + 1 if len(theirs) else 0
        assert start % 6 == 0
        assert start < 36
        assert theirs.tolist() == list(range(start))
        assert np.flatnonzero(cells[OURS]).tolist() == list(range(start, STEPS, 6))
        assert cells.sum() == len(theirs) + len(range(start, STEPS, 6))


@pytest.mark.parametrize(
    "known", [past(48, 0), past(48, 48), past(0, 6)], ids=["harmonize", "all", "too short"]
)
def test_a_window_without_a_past_of_ours_stays(known: NDArray[np.bool_]) -> None:
    before, after = heard(known)
    assert after is before


def test_what_is_known_after_a_gap_is_left_alone() -> None:
    known = past(48, 48)
    known[ACCOMPANIMENT, 12:24] = False
    before, after = heard(known)
    assert after is before


def test_the_same_seed_gives_the_same_past() -> None:
    first, again = (heard(past(24, 36), 3)[1] for _ in range(2))
    assert np.array_equal(first.context, again.context)
