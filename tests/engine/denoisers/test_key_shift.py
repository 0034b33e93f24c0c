"""Hearing in one key: which key is heard, what moves, and that the network then hears the same."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.denoisers.inputs import Inputs, no_plan
from engine.denoisers.key_shift import key_profiles, key_shift, moved
from engine.model import checkpoint
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO

MAJOR = (0, 2, 4, 5, 7, 9, 11, 12)
MINOR = (0, 2, 3, 5, 7, 8, 11, 12)
BACK = {0: 0, 1: -1, 2: -2, 3: -3, 4: -4, 5: -5, 6: -6, 7: 5, 8: 4, 9: 3, 10: 2, 11: 1}
"""The shift that moves each major key to C."""


def rolls(*notes: tuple[int, int], steps: int = 24) -> Tensor:
    """Known cells [1, 2, 2, 88, steps] of (voice, pitch), each for `steps`."""
    cells = torch.zeros(1, 2, 2, PIANO.size, steps)
    for voice, pitch in notes:
        cells[0, voice, 0, pitch - PIANO.low, 0] = 1.0
        cells[0, voice, 1, pitch - PIANO.low, 1:] = 1.0
    return cells


def shift_of(cells: Tensor) -> int:
    return int(key_shift(cells, key_profiles(), PIANO.low))


@pytest.mark.parametrize("tonic", range(12))
def test_a_scale_is_heard_in_its_key(tonic: int) -> None:
    major = rolls(*((LEAD, 60 + tonic + degree) for degree in MAJOR))
    assert shift_of(major) == BACK[tonic]
    minor = rolls(*((LEAD, 57 + tonic + degree) for degree in MINOR))  # A minor, moved
    assert shift_of(minor) == BACK[tonic]


def test_where_nothing_is_known_nothing_moves() -> None:
    assert shift_of(rolls()) == 0


def test_the_lead_is_believed_before_our_own_part() -> None:
    lead = [(LEAD, 62 + degree) for degree in MAJOR]
    wrong = [(ACCOMPANIMENT, 51 + degree) for degree in MAJOR]
    assert shift_of(rolls(*wrong)) == BACK[3]
    assert shift_of(rolls(*lead, *wrong)) == BACK[2]


def test_each_window_of_a_batch_by_itself() -> None:
    scales = [rolls(*((LEAD, 60 + tonic + d) for d in MAJOR)) for tonic in (7, 0, 5)]
    assert key_shift(torch.cat(scales), key_profiles(), PIANO.low).tolist() == [5, 0, -5]


def test_pitches_move_and_the_edges_stay_empty() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    assert moved(x, torch.tensor([1, 0, -2]), -9.0).tolist() == [
        [-9.0, 1.0, 2.0, 3.0],
        [1.0, 2.0, 3.0, 4.0],
        [3.0, 4.0, -9.0, -9.0],
    ]


@given(st.integers(-6, 5), st.integers(0, 2**31))
def test_there_and_back_is_the_same_but_for_the_edges(shift: int, seed: int) -> None:
    x = torch.rand(2, 3, 88, generator=torch.Generator().manual_seed(seed))
    by = torch.tensor([shift, 0])
    back = moved(moved(x, by, 0.0), -by, 0.0)
    inside = slice(max(0, -shift), 88 - max(0, shift))
    assert torch.equal(back[0, :, inside], x[0, :, inside])
    assert torch.equal(back[1], x[1])


@pytest.mark.parametrize("by", [-5, 2, 6])
def test_music_in_another_key_is_the_same_music(by: int) -> None:
    """A network of random weights gives a transposed window transposed logits; without `in_key`
    it does not."""
    heard, free = 24, 48
    lead = rolls(*((LEAD, 60 + degree) for degree in MAJOR), steps=heard)
    known = torch.cat([lead, torch.zeros(1, 2, 2, 88, free)], dim=-1)
    mask = torch.zeros_like(known)
    mask[..., :heard] = 1.0
    noisy = (torch.rand(known.shape, generator=torch.Generator().manual_seed(1)) < 0.03).float()
    noisy[..., :12, :], noisy[..., 76:, :], noisy[..., :heard] = 0.0, 0.0, 0.0

    def same(in_key: int) -> bool:
        torch.manual_seed(0)
        sizes = {"width": 32, "layers": 1, "heads": 2, "in_key": in_key}
        network = checkpoint.build("frame-transformer", sizes).eval()
        index = torch.zeros(1, dtype=torch.int64)
        tokens = torch.zeros(1, known.shape[-1] // 6, dtype=torch.int64)

        def call(moved_by: int) -> Tensor:
            there = (torch.roll(noisy, moved_by, 3), torch.roll(known, moved_by, 3), mask)
            with torch.no_grad():
                logits: Tensor = network(
                    Inputs(
                        *there, torch.ones(1), tokens, tokens + 96, index, index, *no_plan(known)
                    )
                )
            return torch.roll(logits, -moved_by, 3)[..., 12:76, :]

        return torch.allclose(call(0), call(by), atol=1e-5)

    assert same(1)
    assert not same(0)
