"""Two trains in one row of arrivals, by exact values."""

from __future__ import annotations

import pytest

from bridge.live.clock.pulse_trains import two_trains

ONE = [20.0 * place for place in range(60)]
OTHER = [3.0 + 30.0 * place for place in range(40)]


def test_each_arrival_is_given_to_its_train_and_periods_are_told() -> None:
    row = sorted([*ONE, *OTHER])
    trains = two_trains(row)
    assert trains is not None
    assert [[row[index] for index in train.indices] for train in trains] == [ONE, OTHER]
    assert [train.period_ms for train in trains] == [20.0, 30.0]


def test_one_train_is_not_two() -> None:
    assert two_trains(ONE) is None
    assert two_trains([]) is None
    assert two_trains([1.0]) is None


@pytest.mark.parametrize(("apart_ms", "two"), [(0.5, False), (1.9, False), (2.1, True)])
def test_a_train_on_the_heels_of_the_other_is_its_repeats(apart_ms: float, two: bool) -> None:
    row = sorted([*ONE, *(each + apart_ms for each in ONE)])
    assert (two_trains(row) is not None) == two


@pytest.mark.parametrize(("strays", "two"), [(8, True), (9, False)])
def test_few_arrivals_may_belong_to_neither(strays: int, two: bool) -> None:
    # Between 8.5 and 9.5 ms no place of either is near.
    odd = [609.0 - 60.0 * number for number in range(strays)]
    row = sorted([*ONE, *OTHER, *odd])
    assert all(min(abs(each - at) for at in (*ONE, *OTHER)) > 2.0 for each in odd)
    assert (two_trains(row) is not None) == two


@pytest.mark.parametrize(("lost", "two"), [(3, True), (4, False)])
def test_a_train_may_lack_some_of_its_pulses(lost: int, two: bool) -> None:
    other = [each for place, each in enumerate(OTHER) if place % 9 != 4 or place // 9 >= lost]
    assert len(other) == 40 - lost
    assert (two_trains(sorted([*ONE, *other])) is not None) == two


@pytest.mark.parametrize(("missed", "two"), [(3, True), (4, False)])
def test_a_train_that_breaks_off_is_none(missed: int, two: bool) -> None:
    long_one = [20.0 * place for place in range(150)]
    other = [3.0 + 30.0 * place for place in range(100) if not 50 <= place < 50 + missed]
    assert (two_trains(sorted([*long_one, *other])) is not None) == two


@pytest.mark.parametrize(("pulses", "two"), [(12, True), (11, False)])
def test_a_train_has_at_least_so_many_pulses(pulses: int, two: bool) -> None:
    row = sorted([*ONE, *(3.0 + 100.0 * place for place in range(pulses))])
    assert (two_trains(row) is not None) == two


@pytest.mark.parametrize(("late_ms", "two"), [(1.7, True), (2.6, False)])
def test_a_pulse_may_miss_its_place_by_two_ms(late_ms: float, two: bool) -> None:
    """Every second one is late but the first: without them the train is not full."""
    other = [each + late_ms * (place > 12 and place % 2) for place, each in enumerate(OTHER)]
    assert (two_trains(sorted([*ONE, *other])) is not None) == two
