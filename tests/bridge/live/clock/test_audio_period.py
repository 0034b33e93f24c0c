"""Is what arrives on the grid of an audio period, or only nearly as often? Times in ms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.live.clock.audio_period import AGAIN, FEWEST, AudioPeriods

Times = NDArray[np.float64]


def pulses(bpm: float, count: int = 600, jitter_ms: float = 0.2) -> Times:
    jitter = np.random.default_rng(round(bpm)).uniform(-jitter_ms, jitter_ms, count)
    return np.arange(count) * 2500 / bpm + jitter + 7_000.0


def handed_over(times: Times, period_ms: float) -> Times:
    """At the end of the period in which each came."""
    wobble = np.random.default_rng(len(times)).uniform(0, 0.2, len(times))
    return np.maximum.accumulate(np.ceil(times / period_ms) * period_ms + wobble)


def believed(arrivals: Times) -> Times:
    """The length after each arrival."""
    periods, lengths = AudioPeriods(), []
    for at_ms in arrivals:
        periods.arrived(at_ms)
        lengths.append(periods.length_ms)
    return np.array(lengths)


@pytest.mark.parametrize("khz", [44.1, 48.0])
@pytest.mark.parametrize(
    ("frames", "bpm"),
    [(512, bpm) for bpm in (160, 176, 200, 234, 240, 280)]
    + [(1024, bpm) for bpm in (90, 112, 117, 118, 120, 140, 200)]
    + [(2048, bpm) for bpm in (60, 120)],
)
def test_a_period_about_as_long_as_a_pulse_is_found_and_kept(
    frames: int, bpm: float, khz: float
) -> None:
    arrivals = handed_over(pulses(bpm), frames / khz)
    lengths = believed(arrivals)[100:]
    assert np.mean(lengths == frames / khz) >= 0.95


@pytest.mark.parametrize("jitter_ms", [0.02, 0.2, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("bpm", [60, 90, 100, 115, 118, 119, 120, 121, 140, 160, 180, 220, 240])
def test_a_steady_clock_of_nearly_that_length_is_none(bpm: float, jitter_ms: float) -> None:
    """At 115 to 120 bpm it was taken for 1024 frames: the filters then looked past 6 ms of jitter
    that was not there."""
    lengths = believed(pulses(bpm, jitter_ms=jitter_ms))[60:]
    assert np.mean(lengths > 0.6 * 2500 / bpm) <= 0.01


@pytest.mark.parametrize("frames", [64, 128, 256])
@pytest.mark.parametrize("bpm", [60, 90, 112, 115, 119, 120, 121, 125, 160])
def test_short_periods_are_not_taken_for_long_ones(bpm: float, frames: int) -> None:
    lengths = believed(handed_over(pulses(bpm), frames / 48))[100:]
    assert not np.any(lengths > 0.6 * 2500 / bpm)


@pytest.mark.parametrize("bpm", [160, 200, 234, 240])
def test_it_is_kept_where_four_of_ten_are_handed_over_late(bpm: float) -> None:
    arrivals = handed_over(pulses(bpm), 512 / 48)
    random = np.random.default_rng(3)
    late_ms = np.where(random.random(600) < 0.4, random.uniform(0, 9, 600), 0)
    lengths = believed(np.maximum.accumulate(arrivals + late_ms))[100:]
    assert np.mean(lengths == 512 / 48) >= 0.95


def test_nothing_is_said_of_a_few_arrivals() -> None:
    lengths = believed(np.arange(30) * 1024 / 48)
    assert not lengths[:FEWEST].any()
    assert lengths[FEWEST + AGAIN] == 1024 / 48
