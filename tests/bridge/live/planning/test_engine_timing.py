"""The pace that follows the engine."""

from __future__ import annotations

from bridge.live.planning.engine_timing import LONGEST_HORIZON_STEPS, EngineTiming
from bridge.timebase import NS_PER_MS as MS
from bridge.timebase import NS_PER_S as S


def test_the_horizon_is_a_sixteenth_or_as_many_as_the_engine_needs() -> None:
    timing = EngineTiming()
    assert timing.horizon_steps(10, 120.0) == 18, "unknown: 295 ms are 14.2 steps"
    for _ in range(20):
        timing.measured(20 * MS, 10)
    assert timing.horizon_steps(10, 120.0) == 6
    for _ in range(20):
        timing.measured(150 * MS, 10)
    assert timing.p95_ns(10) == 150 * MS
    assert timing.horizon_steps(10, 120.0) == 12  # 185 ms are 8.9 steps
    assert timing.horizon_steps(10, 240.0) == 18
    for _ in range(40):
        timing.measured(60 * S, 10)
    assert timing.horizon_steps(10, 240.0) == LONGEST_HORIZON_STEPS


def test_what_the_warm_up_took_is_expected_until_a_plan_was_measured() -> None:
    timing = EngineTiming()
    timing.expect(0, 0)
    assert not timing.known
    timing.expect(340 * MS, 10)
    assert timing.known
    assert timing.p95_ns(10) == 340 * MS
    assert timing.calls_within(10, 120.0) == 10
    assert timing.calls_within(10, 200.0) == 6  # 225 of 300 ms
    assert timing.horizon_steps(6, 200.0) == 24  # 244 ms are 19.6 steps
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
