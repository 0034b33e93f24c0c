"""Random halves of windows, and who stands for the wrong piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.halves import Partition


@given(windows=st.integers(4, 60))
def test_halves_are_equal_apart_and_keep_neighbours_together(windows: int) -> None:
    found = Partition.by_windows(windows, 5)
    a, b = found.a, found.b
    assert a.shape == b.shape == (5, windows)
    assert (a.sum(axis=1) == windows // 4 * 2).all()
    assert (b.sum(axis=1) == windows // 4 * 2).all()
    assert not (a * b).any()
    even = windows // 2 * 2
    for side in (a, b):
        assert (side[:, 0:even:2] == side[:, 1:even:2]).all()
        assert not side[:, even:].any()


def test_halves_are_the_same_each_time_and_differ_from_each_other() -> None:
    a, again = Partition.by_windows(24).a, Partition.by_windows(24).a
    assert (a == again).all()
    assert len({tuple(row) for row in a}) > 40


def test_too_few_to_split() -> None:
    with pytest.raises(ValueError, match="want at least 4"):
        Partition.by_windows(3)


def test_pieces_are_partners_and_windows_take_theirs_in_turn() -> None:
    found = Partition.by_pieces([7, 7, 3, 9, 7, 5], 1)
    assert found.partners.tolist() == [2, 2, 0, 5, 2, 3]


def test_an_odd_last_piece_makes_a_circle_of_three() -> None:
    assert Partition.by_pieces([0, 1, 2, 3, 4], 1).partners.tolist() == [1, 0, 3, 4, 2]


@settings(deadline=None)
@given(pieces=st.lists(st.integers(0, 12), min_size=8, max_size=40))
def test_by_piece_no_half_meets_its_own_pieces(pieces: list[int]) -> None:
    if len(set(pieces)) < 4:
        pieces = [*pieces, 20, 21, 22, 23]
    found = Partition.by_pieces(pieces, 5)
    assert (found.a + found.b == 1).all()
    numbers = np.array(pieces)
    assert (numbers[found.partners] != numbers).all()
    for a in found.a:
        assert not set(numbers[a == 1]) & set(numbers[a == 0])
        assert (a == a[found.partners]).all()


def test_halves_by_piece_are_as_equal_as_they_can_be() -> None:
    found = Partition.by_pieces([number // 2 for number in range(16)], 20)
    assert set(found.a.sum(axis=1)) == {8}
    assert len({tuple(row) for row in found.a}) > 3


def test_of_three_pieces_each_stands_alone() -> None:
    found = Partition.by_pieces([0, 1, 2, 2], 20)
    assert found.partners.tolist() == [1, 2, 0, 0]
    assert {tuple(row) for row in found.a} <= {
        (1, 0, 1, 1),
        (1, 1, 0, 0),
        (0, 1, 1, 1),
        (1, 0, 0, 0),
        (0, 1, 0, 0),
        (0, 0, 1, 1),
    }
    assert (found.a.sum(axis=1) < 4).all()


def test_one_piece_has_no_halves() -> None:
    with pytest.raises(ValueError, match="two pieces or more"):
        Partition.by_pieces([3, 3, 3, 3])
