"""Distances between sets of windows, and between random halves of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation import distances
from engine.evaluation.halves import Partition
from engine.evaluation.metrics import COMPARED, NINE, Counts

PART = st.lists(st.integers(0, 50), min_size=4, max_size=4)


def counts(windows: int, seed: int) -> Counts:
    """Random sums of every measure."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in NINE:
        rows = rng.integers(1, 20, (windows, 2 if name in COMPARED else 6)).astype(float)
        if name in COMPARED:
            rows[:, 1] += 20
        found[name] = rows
    return found


def by_windows(found: Counts) -> Partition:
    return Partition.by_windows(len(found["pcs"]))


def test_distances_by_hand() -> None:
    a, b = np.array([2.0, 2, 0]), np.array([0.0, 2, 6])  # shares 1/2 1/2 0 and 0 1/4 3/4
    assert distances.distance("lengths", a, b) == pytest.approx(0.75)
    assert distances.distance("pcs", np.array([1.0, 4]), np.array([-1.0, 2])) == 0.75
    assert distances.distance("pcs", np.array([1.0, 4]), np.array([0.0, 0])) == 0.25


@given(a=PART, b=PART)
def test_a_histograms_distance_is_from_0_to_1_and_mutual(a: list[int], b: list[int]) -> None:
    one, other = np.array(a, float), np.array(b, float)
    found = distances.distance("lengths", one, other)
    assert 0 <= found <= 1 + 1e-9
    assert found == pytest.approx(distances.distance("lengths", other, one))
    assert distances.distance("lengths", one, 3 * one) == pytest.approx(0)


def test_a_set_is_as_far_from_itself_as_its_halves_are() -> None:
    human = counts(24, 0)
    half_split = distances.across(human, human, by_windows(human))
    ratios = distances.ratios(distances.across(human, human, by_windows(human)), half_split)
    assert set(ratios) == set(NINE)
    assert set(ratios.values()) == {1.0}
    assert (distances.ratios_within(ratios, 1.0), distances.ratios_within(ratios, 2.0)) == (9, 9)
    assert all(value > 0 for value in half_split.values())
    assert set(distances.whole(human, human).values()) == {0.0}


def test_the_half_split_by_hand() -> None:
    # Two pairs: every split sets one against the other, so the median is their distance.
    human = {name: np.zeros((4, 3)) for name in NINE}
    human["lengths"] = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    human["pcs"] = np.array([[1.0, 2], [0, 2], [2, 2], [2, 2]])
    found = distances.across(human, human, by_windows(human))
    assert found["lengths"] == 1.0
    assert found["pcs"] == 0.75  # 1/4 against 1


def test_windows_all_alike_have_no_distance() -> None:
    human = {name: np.repeat(rows[:1], 12, axis=0) for name, rows in counts(12, 1).items()}
    assert list(distances.across(human, human, by_windows(human)).values()) == pytest.approx(
        [0.0] * 9
    )


def test_another_music_is_farther_than_halves_are() -> None:
    human = {name: rows + [100, 0] * (rows.shape[1] // 2) for name, rows in counts(40, 2).items()}
    other = {name: rows + [0, 100] * (rows.shape[1] // 2) for name, rows in counts(40, 3).items()}
    ratios = distances.ratios(
        distances.across(other, human, by_windows(human)),
        distances.across(human, human, by_windows(human)),
    )
    assert distances.ratios_within(ratios, 2.0) == 0


def test_who_is_nearer_split_by_split() -> None:
    # Windows 0, 1 against 2, 3 and the other way round; the composers' rate is 1 everywhere.
    human = {"pcs": np.tile([1.0, 1.0], (4, 1))}
    ours = {"pcs": np.array([[0.5, 1], [0.5, 1], [0.0, 1], [0.0, 1]])}
    theirs = {"pcs": np.tile([0.25, 1.0], (4, 1))}
    partition = Partition(
        np.arange(4),
        np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]),
        np.array([[0.0, 0, 1, 1], [1, 1, 0, 0]]),
    )
    found = distances.paired(ours, theirs, human, partition, ["pcs"])
    assert found == {"pcs": {"nearer": 0.5, "difference": 0.0}}  # -.25 and +.25
    assert distances.paired(theirs, theirs, human, partition, ["pcs"])["pcs"]["nearer"] == 0.5
    better = distances.paired(human, theirs, human, partition, ["pcs"])["pcs"]
    assert better == {"nearer": 1.0, "difference": -0.75}


def test_ratios_where_halves_do_not_differ() -> None:
    zero = {"pcs": 0.0, "mctd": 0.0, "lengths": 0.5}
    found = distances.ratios({"pcs": 0.0, "mctd": 0.1, "lengths": 1.0}, zero)
    assert found == {"pcs": 1.0, "mctd": None, "lengths": 2.0}
    assert [distances.ratios_within(found, times) for times in (1.0, 2.0)] == [1, 2]


def test_a_ratio_without_a_value_leaves_no_mean() -> None:
    assert distances.mean_ratio({"a": 1.0, "b": 2.0}) == 1.5
    assert distances.mean_ratio({"a": 1.0, "b": None}) is None
