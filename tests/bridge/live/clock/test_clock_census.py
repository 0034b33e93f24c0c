"""Two clocks on one input are noticed, and one clock, however odd, is not taken for two."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from bridge.commands import LogLine, MidiIn
from bridge.live.clock.clock_census import LOOKED_AT, ClockCensus
from tests.session_rig import MS, S, rig

PULSE_MS = 60_000 / 120 / 24


def found(arrivals: Iterable[float], by_audio_period: bool = False) -> int:
    """How often it was said."""
    census = ClockCensus()
    return sum(census.arrived(at_ms, by_audio_period) for at_ms in sorted(arrivals))


def train(first_ms: float, bpm: float, pulses: int = 400, jitter_ms: float = 0.2) -> list[float]:
    draw = random.Random(first_ms)
    period = 60_000 / bpm / 24
    return [first_ms + i * period + draw.uniform(-jitter_ms, jitter_ms) for i in range(pulses)]


@pytest.mark.parametrize("apart_ms", [3.0, 6.0, 17.0])
@pytest.mark.parametrize("bpm", [119.9, 120.0])
def test_two_clocks_at_nearly_one_tempo_are_told_once(apart_ms: float, bpm: float) -> None:
    assert found([*train(0, 120), *train(apart_ms, bpm)]) == 1


@pytest.mark.parametrize("bpm", [40.0, 90.0, 120.0, 156.25, 240.0])
@pytest.mark.parametrize("jitter_ms", [0.0, 1.0, 4.0])
def test_one_clock_is_one(bpm: float, jitter_ms: float) -> None:
    assert found(train(0, bpm, jitter_ms=jitter_ms)) == 0


def test_repeats_and_audio_periods_are_not_two_clocks() -> None:
    assert found([*train(0, 120), *(at + 0.5 for at in train(0, 120))]) == 0
    period = 512 / 48
    by_period = [-(-at // period) * period for at in train(0, 156.25)]  # one gap, two, one, ...
    assert found(by_period, by_audio_period=True) == 0


def test_less_than_two_beats_say_nothing() -> None:
    assert found([*train(0, 120), *train(6, 120)][: LOOKED_AT - 1]) == 0


def test_the_musician_is_told() -> None:
    pulses = [*train(1000, 120, 200), *train(1006, 120, 200)]
    live = rig().add(MidiIn(round(at * MS), (0xF8,)) for at in sorted(pulses)).run(4 * S)
    text = "two MIDI clocks seem to come in; switch one of them off"
    assert live.osc("out/error")[0][1] == ("clock", text)
    assert [e.text for _, e in live.effects if isinstance(e, LogLine)].count(text) == 1


@pytest.mark.parametrize("bpms", [(120, 90), (120, 100), (120, 140), (60, 174), (128, 96)])
@pytest.mark.parametrize("jitter_ms", [0.0, 0.5])
def test_two_clocks_at_different_tempi_are_told_once(
    bpms: tuple[float, float], jitter_ms: float
) -> None:
    one, other = bpms
    assert found([*train(0, one, 600, jitter_ms), *train(4.5, other, 600, jitter_ms)]) == 1
    assert found([*train(0, other, 600, jitter_ms), *train(17, one, 600, jitter_ms)]) == 1


@pytest.mark.parametrize("lost", [0.05, 0.2, 0.4])
def test_one_clock_that_loses_pulses_is_one(lost: float) -> None:
    draw = random.Random(5)
    for bpm in (40.0, 90.0, 120.0, 240.0):
        assert found(at for at in train(0, bpm, 900) if draw.random() > lost) == 0


def test_held_up_pulses_and_chance_are_not_two_clocks() -> None:
    for seed in range(20):
        draw = random.Random(seed)
        held_ms = [at + draw.choice((0, 0, draw.expovariate(1 / 15))) for at in train(0, 120, 900)]
        assert found(held_ms) == 0
        at_ms, chance = 0.0, []
        for _ in range(900):
            at_ms += draw.expovariate(1 / 15)
            chance.append(at_ms)
        assert found(chance) == 0


def test_a_jump_of_tempo_is_not_two_clocks() -> None:
    first = train(0, 120, 150)
    assert found([*first, *(first[-1] + at for at in train(25, 84, 300))]) == 0


def test_a_doubled_clock_that_also_jitters_is_one() -> None:
    pulses = train(0, 120, 400, 3.0)
    assert found([*pulses, *(at + 0.4 for at in pulses)]) == 0


def test_the_musician_is_told_of_two_tempi() -> None:
    pulses = sorted([*train(1000, 120, 200), *train(1006, 90, 150)])
    live = rig().add(MidiIn(round(at * MS), (0xF8,)) for at in pulses).run(5 * S)
    assert [args[0] for _, args in live.osc("out/error")] == ["clock"]
