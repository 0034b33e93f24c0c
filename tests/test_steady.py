"""What helps with a machine that stands still, itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from bridge.bench.stalls import StallMeter
from tests.steady import MOST_TRIES, Watch, least, took_s


def in_turn(*values: float) -> tuple[Callable[[], float], Iterator[float]]:
    left = iter(values)
    return (lambda: next(left)), left


def test_the_quickest_counts_and_the_first_quick_one_is_the_last() -> None:
    measure, left = in_turn(3.0, 0.4, 0.1)
    assert least(measure, 0.5) == 0.4
    assert list(left) == [0.1]


def test_what_is_slow_in_every_try_is_slow() -> None:
    measure, left = in_turn(*(float(9 - number) for number in range(MOST_TRIES + 1)))
    assert least(measure, 0.5) == 9.0 - (MOST_TRIES - 1)
    assert len(list(left)) == 1


def test_time_is_that_of_the_wall() -> None:
    assert took_s(lambda: time.sleep(0.02)) >= 0.02


@pytest.mark.parametrize(
    ("lengths_ms", "stood"), [([49], False), ([51], True), ([30, 21], True), ([9] * 6, False)]
)
def test_a_failure_is_no_verdict_where_the_machine_stood_still_since_it_began(
    lengths_ms: list[int], stood: bool
) -> None:
    watch, meter = Watch(), StallMeter()
    assert not watch.stood_still()
    meter.take(f"{time.perf_counter_ns()} 80000000")
    watch.begin(meter)
    assert not watch.stood_still()
    for length_ms in lengths_ms:
        meter.take(f"{time.perf_counter_ns()} {length_ms * 1_000_000}")
    assert watch.stood_still() == stood


@pytest.mark.real_time
def test_those_in_real_time_are_watched_and_may_be_tried_again(
    request: pytest.FixtureRequest,
) -> None:
    assert request.getfixturevalue("meter").pids
    assert request.node.get_closest_marker("flaky").kwargs["reruns"] == 3


def test_no_input_of_hypothesis_is_timed() -> None:
    assert settings().deadline is None
