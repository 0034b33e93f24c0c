"""Two clocks on one input are noticed, and one clock, however odd, is not taken for two."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from bridge.commands import LogLine, MidiIn
from bridge.live.clock.clock_census import BY_PERIOD, LOOKED_AT, ClockCensus
from tests.session_rig import MS, S, rig

PULSE_MS = 60_000 / 120 / 24


def found(arrivals: Iterable[float], audio_period_ms: float = 0.0) -> int:
    """How often it was said."""
    census = ClockCensus()
    return sum(census.arrived(at_ms, audio_period_ms) for at_ms in sorted(arrivals))


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
    assert found(by_period, period) == 0


def handed_over(arrivals: Iterable[float], period_ms: float) -> list[float]:
    """By JACK: at the end of the period, a little later each time."""
    draw = random.Random(period_ms)
    return [-(-at // period_ms) * period_ms + draw.uniform(0, 0.2) for at in sorted(arrivals)]


@pytest.mark.parametrize("frames", [256, 512])
@pytest.mark.parametrize("bpm", [90.0, 119.9, 120.0])
def test_two_clocks_over_audio_periods_are_told_once(frames: int, bpm: float) -> None:
    pulses = [*train(0, 120, 800), *train(5.0, bpm, 800)]
    assert found(handed_over(pulses, frames / 48), frames / 48) == 1


def test_over_audio_periods_two_windows_in_a_row_must_agree() -> None:
    pulses = handed_over([*train(0, 120), *train(5.0, 100)], 512 / 48)
    assert found(pulses[: 2 * BY_PERIOD - 1], 512 / 48) == 0
    assert found(pulses[: 2 * BY_PERIOD], 512 / 48) == 1
    alone = handed_over(train(pulses[BY_PERIOD - 1], 120)[:BY_PERIOD], 512 / 48)
    assert found([*pulses[:BY_PERIOD], *alone, *pulses[BY_PERIOD:]], 512 / 48) == 0


def test_a_period_that_is_found_or_lost_begins_a_window_anew() -> None:
    census = ClockCensus()
    pulses = sorted([*train(0, 120), *train(6, 120)])[: LOOKED_AT - 1]
    later = [at + 10_000 for at in pulses]
    assert not any(census.arrived(at_ms, 0.0) for at_ms in pulses)
    assert not census.arrived(9_999.0, 512 / 48)
    assert not any(census.arrived(at_ms, 0.0) for at_ms in later)


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


def test_the_musician_is_told_of_two_that_jack_hands_over() -> None:
    pulses = handed_over([*train(1000, 120, 400), *train(1006, 90, 300)], 512 / 48)
    live = rig().add(MidiIn(round(at * MS), (0xF8,)) for at in pulses).run(9 * S)
    assert [args[0] for _, args in live.osc("out/error")] == ["clock"]
    alone = handed_over(train(1000, 120, 400), 512 / 48)
    live = rig().add(MidiIn(round(at * MS), (0xF8,)) for at in alone).run(9 * S)
    assert live.osc("out/error") == []
