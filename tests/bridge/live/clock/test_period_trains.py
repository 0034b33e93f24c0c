"""Two clocks over audio periods are told from one, however odd; what cannot be told is not said."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pytest

from bridge.live.clock.period_trains import LONGEST_PERIOD_MS, are_two

WINDOW = 192
PERIODS_MS = [256 / 48, 384 / 48, 512 / 48, 512 / 44.1]
Pulses = list[float]


def train(first_ms: float, bpm: float, pulses: int = 400, jitter_ms: float = 0.2) -> Pulses:
    draw = random.Random(first_ms)
    apart_ms = 60_000 / bpm / 24
    return [first_ms + i * apart_ms + draw.uniform(0, jitter_ms) for i in range(pulses)]


def windows(pulses: Iterable[float], period_ms: float, seed: int = 0) -> list[bool]:
    """What is said of each window of them, handed over at the period's end, a little later."""
    draw = random.Random(seed)
    phase_ms = draw.uniform(0, period_ms)
    handed_over = sorted(
        -(-(at - phase_ms) // period_ms) * period_ms + phase_ms + draw.uniform(0, 0.3)
        for at in pulses
    )
    parts = range(0, len(handed_over) - WINDOW + 1, WINDOW)
    return [are_two(np.array(handed_over[i : i + WINDOW]), period_ms) for i in parts]


def both(one: Pulses, other: Pulses) -> Pulses:
    """As long as both come."""
    return [at for at in sorted([*one, *other]) if at <= min(one[-1], other[-1])]


@pytest.mark.parametrize("period_ms", PERIODS_MS)
@pytest.mark.parametrize("bpms", [(120, 90), (120, 100), (120, 140), (128, 96), (120, 118)])
def test_two_tempi_are_two_clocks(bpms: tuple[float, float], period_ms: float) -> None:
    """Within 25 s two windows in a row say so; while one overtakes the other they may not."""
    one, other = bpms
    for seed in range(3):
        pulses = both(train(0, one, 1200), train(3.5 + 5 * seed, other, 1200))
        assert any(map(all, pairwise(windows(pulses, period_ms, seed))))


@pytest.mark.parametrize("period_ms", PERIODS_MS)
@pytest.mark.parametrize("apart_ms", [3.0, 5.0, 16.0])
def test_one_tempo_is_two_clocks_where_they_do_not_come_by_equal_turns(
    apart_ms: float, period_ms: float
) -> None:
    assert all(windows(both(train(0, 120), train(apart_ms, 120)), period_ms))


@pytest.mark.parametrize("period_ms", PERIODS_MS)
def test_clocks_upon_each_other_or_by_equal_turns_are_not_told_from_one(period_ms: float) -> None:
    """Nor can they: the same comes from a clock that is doubled, and from one twice as fast."""
    for apart_ms in (0.0, 1.0, 60_000 / 120 / 48):
        assert not any(windows(both(train(0, 120), train(apart_ms, 120)), period_ms))


def test_what_shares_the_grid_of_the_period_is_not_judged() -> None:
    """At 117.1875 bpm two periods of 512 frames are a pulse: its place in them never moves."""
    assert not any(windows(both(train(0, 117.1875), train(5.0, 117.1875)), 512 / 48))


def test_of_long_periods_nothing_is_said() -> None:
    pulses = both(train(0, 120), train(6, 90))
    assert any(windows(pulses, LONGEST_PERIOD_MS))
    assert not any(windows(pulses, 768 / 48))


def test_without_a_period_nothing_is_said() -> None:
    assert not are_two(np.array(both(train(0, 120), train(6, 90))), 0.0)


def steady(draw: random.Random, bpm: float) -> Pulses:
    return train(draw.random(), bpm, 800, draw.choice([0.2, 1.0, 4.0]))


def lossy(draw: random.Random, bpm: float) -> Pulses:
    share = draw.choice([0.01, 0.05, 0.2, 0.4])
    return [at for at in train(0, bpm, 900) if draw.random() > share]


def held_up(draw: random.Random, bpm: float) -> Pulses:
    return sorted(at + draw.choice((0, 0, draw.expovariate(1 / 15))) for at in train(0, bpm, 800))


def leaping(draw: random.Random, bpm: float) -> Pulses:
    first = train(0, bpm, 150)
    return [*first, *(first[-1] + at for at in train(25, draw.uniform(50, 200), 600))]


def doubled(draw: random.Random, bpm: float) -> Pulses:
    after_ms = draw.choice([0.0, 0.3, 0.5])
    pulses = train(0, bpm, 400, draw.choice([0.2, 3.0]))
    return sorted(at + extra for at in pulses for extra in (0.0, after_ms))


def half_doubled(draw: random.Random, bpm: float) -> Pulses:
    """Every other pulse comes twice."""
    pulses = train(0, bpm, 500)
    return sorted([*pulses, *(at + 0.4 for at in pulses[::2])])


def bent(apart: Callable[[int], float], bpm: float) -> Pulses:
    """apart(i): from pulse i to the next, as a share of what the tempo says."""
    pulses = [0.0]
    for index in range(800):
        pulses.append(pulses[-1] + apart(index) * 60_000 / bpm / 24)
    return pulses


def shuffled(draw: random.Random, bpm: float) -> Pulses:
    swing = draw.uniform(0.02, 0.25)
    return bent(lambda index: 1 + swing * (1 if index // 6 % 2 else -1), bpm)


def ramping(draw: random.Random, bpm: float) -> Pulses:
    slope = draw.uniform(-5e-4, 5e-4)
    return bent(lambda index: 1 + slope * index, bpm)


def chance(draw: random.Random, bpm: float) -> Pulses:
    return bent(lambda _: draw.expovariate(1), bpm)


def by_its_own_blocks(draw: random.Random, bpm: float) -> Pulses:
    """From a program that sends what falls into a block of its own together."""
    block_ms = draw.choice([1, 10, 20, 256 / 44.1])
    return [-(-at // block_ms) * block_ms for at in train(0, bpm, 800)]


ODD = (
    *(steady, lossy, held_up, leaping, doubled, half_doubled),
    *(shuffled, ramping, chance, by_its_own_blocks),
)


@pytest.mark.parametrize("clock", ODD)
def test_one_clock_is_one(clock: Callable[[random.Random, float], Pulses]) -> None:
    for seed in range(40):
        draw = random.Random(seed)
        bpm = draw.choice([40, 60, 90, 117.1875, 120, 125, 156.25, 174, draw.uniform(40, 300)])
        pulses = clock(draw, bpm)
        assert not any(windows(pulses, draw.choice(PERIODS_MS), seed)), (seed, bpm)


def test_a_few_pulses_that_were_held_up_do_not_hide_two_clocks() -> None:
    draw = random.Random(3)
    pulses = [
        at + (8.0 if draw.random() < 0.02 else 0.0) for at in both(train(0, 120), train(6, 90))
    ]
    assert sum(windows(pulses, 512 / 48)) >= 2


def test_the_rig_makes_pulses_as_it_says() -> None:
    assert all(later > earlier for earlier, later in pairwise(train(0, 120)))
    assert shuffled(random.Random(1), 120)[-1] == pytest.approx(800 * 60_000 / 120 / 24, rel=0.01)
