"""Bars that share a rhythm: hand-made chances."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.diffusion.figure import places_in_bar, tied_bars

BAR = 12
PHASE = torch.tensor([[0, 6, 0, 6, 0, 6]])
PLACES = places_in_bar(PHASE, 3 * BAR)


def chances(onsets: list[list[float]], pitches: int = 1) -> Tensor:
    """[1, 2, 2, pitches, 36]: each pitch begins with these chances on the first steps of a bar."""
    found = torch.zeros(1, 2, 2, pitches, 3 * BAR)
    for bar, row in enumerate(onsets):
        found[0, 1, 0, :, bar * BAR : bar * BAR + len(row)] = torch.tensor(row)
    return found


def onsets(cells: Tensor, steps: int = 3) -> list[list[float]]:
    """Return the accompaniment's onsets in the first steps of each bar, summed over pitch."""
    begun = cells[0, 1, 0].sum(dim=0)
    return [begun[bar * BAR : bar * BAR + steps].tolist() for bar in range(3)]


def test_a_place_is_the_steps_distance_from_its_bar_line() -> None:
    assert PLACES.tolist() == [[*range(BAR)] * 3]
    pickup = places_in_bar(torch.tensor([[6, 0, 6]]), 18)
    assert pickup.tolist() == [[*range(6, 12), *range(12)]]


NOTHING = torch.zeros(1, 2, 2, 1, 3 * BAR)


def test_wholly_tied_bars_have_one_rhythm_and_as_many_onsets_as_before() -> None:
    before = chances([[0.02, 0.01], [0.04, 0.03], [0.08, 0.01]], pitches=8)
    bars = onsets(tied_bars(before, torch.zeros_like(before), PLACES, 1.0))
    for place in (0, 1):
        chance = [bar[place] for bar in bars]
        assert max(chance) < 1.2 * min(chance)  # before: four and three times as likely
    assert bars[0][0] > 2.0 * bars[0][1] > 0.0
    assert sum(map(sum, bars)) == pytest.approx(float(before.sum()), rel=0.1)


def test_a_place_that_most_bars_leave_out_counts_little() -> None:
    before = chances([[0.3, 0.3], [0.3, 0.0001], [0.3, 0.0001]])
    first, second, _ = onsets(tied_bars(before, NOTHING, PLACES, 1.0))[0]
    assert second < 0.2 * first


def test_half_tied_bars_go_half_of_the_way_in_logarithms() -> None:
    before = chances([[0.05], [0.2], [0.05]])
    half, whole = (onsets(tied_bars(before, NOTHING, PLACES, by)) for by in (0.5, 1.0))
    assert 4.0 > half[1][0] / half[0][0] > whole[1][0] / whole[0][0]
    odds = [bar[0] / (1.0 - bar[0]) for bar in half]
    was = (0.2 / 0.8) / (0.05 / 0.95)
    assert odds[1] / odds[0] == pytest.approx(was * (0.06 / 0.21) ** 0.5, rel=1e-3)


def test_bars_that_agree_and_what_cannot_sound_stay_as_they_are() -> None:
    alike = chances([[0.3, 0.0], [0.3, 0.0], [0.3, 0.0]])
    assert torch.allclose(tied_bars(alike, NOTHING, PLACES, 1.0), alike, atol=1e-4)
    silent = chances([[0.0], [0.0], [0.0]])
    assert torch.equal(tied_bars(silent, NOTHING, PLACES, 1.0), silent)


def test_only_the_accompaniments_onsets_move() -> None:
    before = torch.rand(2, 2, 2, 5, 3 * BAR, generator=torch.Generator().manual_seed(1))
    after = tied_bars(before, torch.zeros_like(before), PLACES.expand(2, -1), 0.7)
    assert torch.equal(after[:, 0], before[:, 0])
    assert torch.equal(after[:, 1, 1], before[:, 1, 1])
    assert not torch.equal(after[:, 1, 0], before[:, 1, 0])


def test_a_known_bar_says_the_figure_unless_it_rests() -> None:
    """The first bar is known: two notes on its second step, which the others then lean towards."""
    before = chances([[0.0, 0.0], [0.04, 0.04], [0.04, 0.04]], pitches=2)
    known = torch.zeros_like(before)
    known[0, 1, 0, :, 1] = 1.0
    lean = onsets(tied_bars(before, known, PLACES, 0.5), 2)
    assert lean[0] == [0.0, 0.0]
    assert lean[1] == lean[2]
    assert lean[1][1] > 2.0 * lean[1][0]
    rest = onsets(tied_bars(before, torch.zeros_like(before), PLACES, 0.5), 2)
    assert rest[1] == pytest.approx([0.08, 0.08], rel=0.01)


@given(share=st.floats(0.0, 1.0), seed=st.integers(0, 2**31 - 1))
def test_a_tied_chance_is_a_chance(share: float, seed: int) -> None:
    before = torch.rand(1, 2, 2, 3, 3 * BAR, generator=torch.Generator().manual_seed(seed))
    known = (before > 0.9).float()
    after = tied_bars(before * (1 - known), known, PLACES, share)
    assert bool(((after >= 0.0) & (after <= 1.0)).all())


def test_nothing_shared_changes_nothing() -> None:
    before = chances([[0.2], [0.4], [0.1]])
    assert torch.allclose(tied_bars(before, NOTHING, PLACES, 0.0), before, atol=1e-6)
