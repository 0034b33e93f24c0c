"""The pace that follows the engine."""

from __future__ import annotations

import pytest

from bridge.live.planning.engine_timing import LONGEST_HORIZON_STEPS, EngineTiming
from bridge.timebase import NS_PER_MS as MS
from bridge.timebase import NS_PER_S as S


def test_the_horizon_is_a_sixteenth_or_as_many_as_the_engine_needs() -> None:
    timing = EngineTiming()
    assert timing.horizon_steps(10, 120.0, 0.0) == 18, "unknown: 295 ms are 14.2 steps"
    for _ in range(20):
        timing.measured(20 * MS, 10)
    assert timing.horizon_steps(10, 120.0, 0.0) == 6
    for _ in range(20):
        timing.measured(150 * MS, 10)
    assert timing.p95_ns(10) == 150 * MS
    assert timing.horizon_steps(10, 120.0, 0.0) == 12  # 185 ms are 8.9 steps
    assert timing.horizon_steps(10, 240.0, 0.0) == 18
    for _ in range(40):
        timing.measured(60 * S, 10)
    assert timing.horizon_steps(10, 240.0, 0.0) == LONGEST_HORIZON_STEPS


def test_what_the_warm_up_took_is_expected_until_a_plan_was_measured() -> None:
    timing = EngineTiming()
    timing.expect(0, 0)
    assert not timing.known
    timing.expect(340 * MS, 10)
    assert timing.known
    assert timing.p95_ns(10) == 340 * MS
    assert timing.calls_within(10, 120.0) == 10
    assert timing.calls_within(10, 200.0) == 6  # 225 of 300 ms
    assert timing.horizon_steps(6, 200.0, 0.0) == 24  # 244 ms are 19.6 steps
    timing.measured(100 * MS, 10)
    assert timing.p95_ns(10) == 100 * MS
    timing.forget()
    assert not timing.known


def test_fewer_calls_when_the_beat_is_too_short_for_all() -> None:
    timing = EngineTiming()
    assert timing.calls_within(10, 120.0) == 10
    for _ in range(40):
        timing.measured(750 * MS, 10)
    assert timing.calls_within(10, 120.0) == 5  # 375 of 500 ms
    assert timing.calls_within(3, 120.0) == 3, "never above the parameter"
    for _ in range(40):
        timing.measured(10 * 10 * MS, 10)
    assert timing.calls_within(10, 120.0) == 10


def test_no_fewer_calls_where_that_would_not_help() -> None:
    timing, steps = EngineTiming(), 10
    for _ in range(8):
        timing.measured(600 * MS, steps)  # the same whatever is asked for
        steps = timing.calls_within(10, 120.0)
    assert steps == 10


def timed(*samples: tuple[int, int]) -> EngineTiming:
    """samples: (sampler calls, ms)."""
    timing = EngineTiming()
    for calls, ms in samples:
        timing.measured(ms * MS, calls)
    return timing


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (2, 2), (3, 3), (4, 3), (20, 18), (21, 19), (32, 30), (40, 30)]
)
def test_one_slow_plan_alone_moves_nothing_once_there_are_four(count: int, rank: int) -> None:
    """The rank, from 1, of the time that is taken, among the last 32; times fall from 32 ms."""
    timing = timed(*((6, 100 - i) for i in range(count)))
    last = sorted(100 - i for i in range(count))[:32]
    assert timing.p95_ns(6) == last[rank - 1] * MS


def test_time_is_a_fixed_part_and_a_part_for_each_call() -> None:
    timing = timed((2, 200), (10, 600))
    assert [timing.median_ns(calls) for calls in (1, 4, 10)] == [150 * MS, 300 * MS, 600 * MS]
    assert timing.p95_ns(4) == 300 * MS
    assert EngineTiming().median_ns(4) == 0
    middling = timed((2, 190), (2, 200), (2, 900), (10, 600), (10, 590), (10, 9000))
    assert middling.median_ns(4) == 300 * MS
    shrinking = timed((2, 600), (10, 200))
    assert shrinking.median_ns(5) == 600 * MS, "more calls never count as faster"


@pytest.mark.parametrize(
    ("samples", "wanted", "calls"),
    [
        (((2, 200), (10, 600)), 10, 5),  # 375 ms of a beat less 100, 50 a call
        (((2, 200), (10, 600)), 3, 3),
        (((1, 425), (2, 475)), 10, 10),  # the fixed part alone is too much
        (((1, 424), (2, 474)), 10, 2),  # nearly: two at least
        (((1, 75), (5, 375)), 5, 5),  # it just fits
        (((1, 76), (5, 380)), 5, 4),
    ],
)
def test_calls_that_fit_into_three_quarters_of_a_beat(
    samples: tuple[tuple[int, int], ...], wanted: int, calls: int
) -> None:
    assert timed(*samples).calls_within(wanted, 120.0) == calls


def test_a_number_of_calls_is_kept_while_it_is_not_far_off() -> None:
    timing = timed((10, 750))
    assert timing.calls_within(10, 120.0) == 5
    assert timing.calls_within(10, 150.0) == 5, "4 would fit; a fifth less is not far off"
    assert timing.calls_within(10, 170.0) == 3
    slower = timed((10, 750))
    assert slower.calls_within(10, 66.0) == 9
    assert slower.calls_within(10, 45.0) == 10, "all of them where they fit"
    assert slower.calls_within(10, 66.0) == 10, "9 would fit"
    assert slower.calls_within(8, 66.0) == 8, "never above the parameter"


@pytest.mark.parametrize(
    ("took_ms", "lead_steps", "steps"),
    [
        (20, 0.0, 6),
        (95, 0.0, 6),  # 1.1 * 95 + 20 ms are 5.98 steps at 120 bpm
        (96, 0.0, 12),
        (209, 0.0, 12),
        (210, 0.0, 18),
        (67, 1.5, 6),  # 4.50 steps and the lead
        (68, 1.5, 12),
        (68, 7.5, 18),
    ],
)
def test_the_horizon_has_a_tenth_and_20_ms_to_spare_beside_the_lead(
    took_ms: int, lead_steps: float, steps: int
) -> None:
    assert timed((6, took_ms)).horizon_steps(6, 120.0, lead_steps) == steps
