from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.diffusion.batch import Batch, density_bucket
from engine.model.density import (
    Densities,
    DensityHabits,
    draw_density,
    measure_densities,
    onsets_per_beat,
    with_density,
)
from engine.music.grid import LEAD, ONSET, STEPS_PER_BEAT
from engine.music.roll import PianoRoll
from engine.requests.request import FillRequest, SampleSettings

BEATS = 8


def table(lead: int, ours: int) -> list[list[float]]:
    """Under a melody of bucket `lead` always `ours`, else always 1."""
    rows = [[0.0] * 12 for _ in range(13)]
    for place, row in enumerate(rows):
        row[(ours if place == lead else 1) - 1] = 1.0
    return rows


def habits(densities: Densities) -> DensityHabits:
    return DensityHabits({"any": densities})


def request(**settings: object) -> FillRequest:
    """A melody of two onsets a beat, known; the accompaniment is free."""
    cells = np.zeros((2, 2, 88, BEATS * STEPS_PER_BEAT), np.bool_)
    cells[LEAD, ONSET, 40, :: STEPS_PER_BEAT // 2] = True
    known = np.zeros_like(cells)
    known[LEAD] = True
    return FillRequest(PianoRoll(cells), known, settings=SampleSettings(**settings))  # type: ignore[arg-type]


@given(st.integers(1, 12))
def test_a_bucket_s_middle_is_in_it(bucket: int) -> None:
    assert density_bucket(onsets_per_beat(bucket)) == bucket


def test_it_is_drawn_for_the_melody_at_hand() -> None:
    busy = table(density_bucket(2.0), 9)
    told = with_density(request(), habits(busy)).settings.density
    assert told is not None
    assert density_bucket(told) == 9
    assert density_bucket(draw_density(busy, 3, 0)) == 1


def test_without_a_melody_it_is_drawn_like_most() -> None:
    nothing = replace(request(), known=np.zeros_like(request().known))
    told = with_density(nothing, habits(table(0, 7))).settings.density
    assert told is not None
    assert density_bucket(told) == 7
    spread = [[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0, 0]] * 13
    drawn = {density_bucket(draw_density(spread, 0, seed)) for seed in range(200)}
    assert drawn == {3, 4, 5, 6, 7, 8}, "of the middle half"
    drawn = {density_bucket(draw_density(spread, 1, seed)) for seed in range(200)}
    assert drawn == {3, 4, 5, 6, 7, 8, 9, 10}, "under a melody not of the thinnest fifth"


def test_draws_are_as_often_as_the_table_has_them_and_the_seed_s_alone() -> None:
    rows = [[0.1, 0.3, 0.0, 0.6, *[0.0] * 8]] * 13  # without the thinnest fifth a quarter is 2
    drawn = [draw_density(rows, 4, seed) for seed in range(400)]
    assert drawn == [draw_density(rows, 4, seed) for seed in range(400)]
    counts = Counter(density_bucket(each) for each in drawn)
    assert set(counts) == {2, 4}
    assert counts[4] == pytest.approx(300, abs=35)
    assert draw_density(rows, 4, -1) in drawn


def test_a_style_has_a_table_of_its_own() -> None:
    lead = density_bucket(2.0)
    both = DensityHabits({"any": table(lead, 9), "hymn": table(lead, 4)})
    for style, bucket in (("any", 9), ("hymn", 4), ("song", 9)):
        told = with_density(request(style=style), both).settings.density
        assert told is not None
        assert density_bucket(told) == bucket


def test_what_a_model_file_holds() -> None:
    old = {"densities": table(1, 5)}
    assert DensityHabits.of(old) == DensityHabits({"any": table(1, 5)})
    assert DensityHabits.of({}) == DensityHabits.of({"densities": []}) == DensityHabits()
    measured = old | {
        "densities_by_style": {"any": table(1, 6), "song": table(1, 7)},
        "curve": [[0.0, 1.0], [4.0, 2.0], [10.0, 3.0]],
    }
    found = DensityHabits.of(measured)
    assert found.by_style == {"any": table(1, 6), "song": table(1, 7)}
    assert found.curve == ((0.0, 1.0), (4.0, 2.0), (10.0, 3.0))


@pytest.mark.parametrize(
    ("wanted", "given"), [(0.5, 0.0), (1.0, 0.0), (1.5, 2.0), (2.0, 4.0), (2.5, 7.0), (9.0, 10.0)]
)
def test_the_network_is_given_what_brings_the_density(wanted: float, given: float) -> None:
    curve = ((0.0, 1.0), (4.0, 2.0), (10.0, 3.0))
    assert DensityHabits(curve=curve).to_give(wanted) == pytest.approx(given)
    assert DensityHabits().to_give(wanted) == wanted


def half_of_the_melody() -> NDArray[np.bool_]:
    known = request().known.copy()
    known[LEAD, ..., BEATS * STEPS_PER_BEAT // 2 :] = False
    return known


@pytest.mark.parametrize(
    "asked",
    [
        request(density=3.0),  # said
        request(variation=0.5),  # what there is keeps its own
        replace(request(), known=half_of_the_melody()),
        replace(request(), known=np.ones_like(request().known)),  # of it some is there
    ],
)
def test_else_nothing_is_drawn(asked: FillRequest) -> None:
    assert with_density(asked, habits(table(1, 9))) is asked
    assert with_density(request(), DensityHabits()).settings.density is None


class Made:
    """Windows with `lead` and `ours` onsets a beat, by turns."""

    def __init__(self, *pairs: tuple[int, int]) -> None:
        self.pairs = pairs
        self.rng = np.random.default_rng(0)

    def batch(self, size: int, beats: int, augment: float = 1.0) -> Batch:
        assert augment == 0.0
        target = np.zeros((size, 2, 2, 88, beats * STEPS_PER_BEAT), np.bool_)
        for index in range(size):
            for voice, count in enumerate(self.pairs[index % len(self.pairs)]):
                if count:
                    target[index, voice, ONSET, 40, :: STEPS_PER_BEAT // count] = True
        nothing = np.zeros(size, np.int64)
        grid = np.zeros((size, 1), np.int64)
        mask = np.zeros((size, 2, beats * STEPS_PER_BEAT), np.bool_)
        return Batch(target, target, mask, grid, grid, nothing, nothing)


def test_the_table_says_what_the_windows_are_like() -> None:
    found = measure_densities(Made((1, 2), (4, 8), (1, 0)), 64)
    either, slow, fast = (found[bucket] for bucket in (0, density_bucket(1), density_bucket(4)))
    assert [sum(row) for row in found] == pytest.approx([1.0] * 13, abs=1e-3)
    assert either[density_bucket(2.0) - 1] == pytest.approx(0.5, abs=0.05)
    assert either[density_bucket(8.0) - 1] == pytest.approx(0.5, abs=0.05)
    assert slow[density_bucket(2.0) - 1] > 0.9
    assert fast[density_bucket(8.0) - 1] > 0.9
    assert np.count_nonzero(slow) == 2  # and a little of what its neighbours have
    assert measure_densities(Made((1, 0)), 32) == []
