"""The simple models, against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine.diffusion.batch import Batch
from engine.evaluation.baselines import fit


def batch_of(target: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Batch:
    size, voices, steps = len(target), target.shape[1], target.shape[-1]
    tokens = np.zeros((size, steps // 6), np.int64)
    none = np.zeros(size, np.int64)
    mask = np.zeros((size, voices, steps), np.bool_)
    return Batch(target, target, mask, tokens, tokens, none, none)


def coin_flips(rate: float, size: int = 200) -> Batch:
    rng = np.random.default_rng(0)
    return batch_of(rng.random((size, 2, 1, 3, 48)) < rate)


def held_notes(size: int = 100) -> Batch:
    """One pitch of four: silent, or an onset and then 11 sustains, by a coin for each half beat."""
    rng = np.random.default_rng(1)
    target = np.zeros((size, 2, 2, 4, 96), np.bool_)
    plays = rng.random((size, 2, 8)) < 0.5
    for half in range(8):
        target[:, :, 0, 1, 12 * half] = plays[..., half]
        target[:, :, 1, 1, 12 * half + 1 : 12 * half + 12] = plays[..., half, None]
    return batch_of(target)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_coin_flips_cost_their_entropy_in_every_model(rate: float) -> None:
    music = coin_flips(rate)
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)) * 2 * 3 * 48
    found = fit([music]).nats(music)
    assert set(found) == {"marginal", "markov"}  # a single plane has no note states
    for nats in found.values():
        assert nats.mean() == pytest.approx(entropy, rel=0.01)


def test_knowing_more_costs_less() -> None:
    music = held_notes()
    costs = {name: nats.mean() for name, nats in fit([music]).nats(music).items()}
    assert costs["marginal"] > costs["markov"] > costs["note-markov"] > 0


def test_fitting_on_parts_is_fitting_on_the_whole() -> None:
    music = held_notes()
    halves = [batch_of(music.target[:50]), batch_of(music.target[50:])]
    whole, parts = fit([music]), fit(halves)
    assert np.allclose(whole.marginal, parts.marginal)
    assert whole.note is not None
    assert parts.note is not None
    assert np.allclose(whole.note, parts.note)


def test_known_cells_cost_nothing() -> None:
    music = held_notes()
    baselines = fit([music])
    whole = baselines.nats(music)
    music.mask[:, 0] = True
    half = baselines.nats(music)
    music.mask[:] = True
    for name, nats in baselines.nats(music).items():
        assert nats.sum() == 0
        assert 0 < half[name].sum() < whole[name].sum()


def test_rates_are_rates_even_for_what_was_never_seen() -> None:
    baselines = fit([held_notes()])
    assert baselines.note is not None
    assert np.allclose(baselines.note.sum(axis=1), 1)
    for rates in (baselines.marginal, baselines.cell, baselines.note):
        assert ((rates > 0) & (rates < 1)).all()


def test_no_windows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no windows"):
        fit([])
