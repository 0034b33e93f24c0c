"""Noise that depends on its place alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diffusion.keyed_noise import keyed_uniform

SHAPE = [2, 2, 16, 96]
GOLDEN = [9038824, 917598, 6041090, 15158024, 5704588]


def noise(
    seed: int = 1, call: int = 0, first: int = 0, shape: list[int] = SHAPE, low: int = 21
) -> torch.Tensor:
    return keyed_uniform(torch.tensor([seed]), call, torch.tensor([first]), shape, low)[0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), first=st.integers(-5000, 10**7), shift=st.integers(1, 95))
def test_the_same_place_has_the_same_number_in_any_window(
    seed: int, first: int, shift: int
) -> None:
    early, late = noise(seed, 3, first), noise(seed, 3, first + shift)
    assert torch.equal(early[..., shift:], late[..., : 96 - shift])


def test_the_same_pitch_has_the_same_number_in_any_range() -> None:
    assert torch.equal(noise(low=21)[:, :, 12:], noise(low=33, shape=[2, 2, 4, 96]))


def test_a_batch_is_its_single_seeds_and_places() -> None:
    both = keyed_uniform(torch.tensor([5, 9]), 2, torch.tensor([-7, 40]), SHAPE, 21)
    assert torch.equal(both[0], noise(5, 2, -7))
    assert torch.equal(both[1], noise(9, 2, 40))


def test_uniform() -> None:
    values = noise(shape=[2, 2, 88, 2400]).flatten()
    assert 0.0 < float(values.min()) < float(values.max()) < 1.0
    counts = torch.histc(values.double(), bins=64, min=0, max=1)
    expected = len(values) / 64
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 63 + 5 * (2 * 63) ** 0.5


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"seed": 2**31 - 1},
        {"call": 1},
        {"call": 2},
        {"first": 1},
        {"first": 24},
        {"first": 96},
        {"low": 22},
        {"low": 33},
    ],
)
def test_other_keys_are_unrelated(other: dict[str, int]) -> None:
    shape = [2, 2, 88, 960]
    assert abs(correlation(noise(shape=shape), noise(shape=shape, **other))) < 0.01


def test_planes_voices_and_diagonals_are_unrelated() -> None:
    cells = noise(shape=[2, 2, 88, 960])
    assert abs(correlation(cells[0], cells[1])) < 0.01
    assert abs(correlation(cells[:, 0], cells[:, 1])) < 0.01
    assert abs(correlation(cells[:, :, 1:, :-1], cells[:, :, :-1, 1:])) < 0.01
    assert abs(correlation(cells[:, :, 1:, 1:], cells[:, :, :-1, :-1])) < 0.01


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_the_numbers_are_these_for_good() -> None:
    """Another generator would play other notes for every seed that was noted down."""
    found = keyed_uniform(torch.tensor([7]), 3, torch.tensor([-2]), [2, 2, 2, 3], 60).flatten()
    assert [round(value * 2**24 - 0.5) for value in found.double().tolist()[::5]] == GOLDEN
