"""Two clocks whose pulses JACK hands over by the audio period: how far they differ from one.

What came in a period is handed over at its end, so a pulse of a steady clock, numbered n, arrives
within one period of a line, begin + n * distance. Pulses of two clocks on one input miss every
such line by more, and lie on two lines. At one tempo they do so by turns; else the two tempi are
where the spectrum of the arrivals has its peaks (their sum is known: the pulses a second), and each
pulse is given to the clock that foretells it.

Not to be known: two clocks always upon each other from one that comes twice; two that come by turns
at equal distances from one of twice the tempo; and, where the distance from pulse to pulse is
nearly a small multiple of the period, or the period is a long one, anything at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST_PERIOD_MS = 12.0
"""512 frames at 44.1 kHz. Over longer ones a clock whose tempo wavers may look like two."""
_SLACK_MS, _CLEARLY_MS = 1.5, 3.0
"""Pulses about a line are spread over the period and so much at most; those that clearly belong to
no line, over more than the period and so much."""
_OUTLIERS = 0.04
"""Share of the pulses that a busy machine may have held up."""
_APART_MS = 2.0
"""Nearer to each other two clocks are one that comes twice."""
_TOGETHER_MS, _TOGETHER = 1.0, 0.8
"""What comes so close together came in one period; where so many do, one is an echo."""
_OTHER_TEMPO = 0.005
"""By so much two tempi differ at least that are looked for in the spectrum."""
_LOWEST, _STEP = 0.006, 0.0005
"""Of the tempi looked at, in pulses a ms: 15 bpm, and what a window of two seconds tells apart."""
_PEAKS, _ROUNDS, _FEWEST = 6, 4, 12
_MOST_OVER = 4
"""Pulses foretold at the window's ends that belong to none of its arrivals."""
_OVERTONES, _LUMPY = 4, 0.5

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """Where pulse n of a clock comes on average: `begin_ms + n * apart_ms`. spread_ms: how far the
    pulses lie apart about it, the outliers left out."""

    begin_ms: float
    apart_ms: float
    spread_ms: float


def are_two(arrivals_ms: Values, period_ms: float) -> bool:
    """Say whether sorted arrivals, handed over by `period_ms`, are surely those of two clocks."""
    if not 0 < period_ms <= LONGEST_PERIOD_MS:
        return False
    pulses = arrivals_ms - arrivals_ms[0]
    if _line(np.arange(len(pulses)), pulses).spread_ms <= period_ms + _CLEARLY_MS:
        return False
    many = len(pulses) // 2
    first, second = pulses[0 : 2 * many : 2], pulses[1 : 2 * many : 2]
    by_turns = _line(np.arange(many), first), _line(np.arange(many), second)
    if _fit(by_turns, period_ms):
        apart_ms = float((second - first).mean())
        distinct = _APART_MS <= apart_ms <= by_turns[0].apart_ms - _APART_MS
        return distinct and _spreads_out(by_turns[0], many, period_ms)
    return any(_are_clocks(pulses, pair, period_ms) for pair in _peaks(pulses, period_ms))


def _line(numbers: NDArray[np.int64] | Values, pulses: Values) -> Line:
    """Fit a line by least squares."""
    from_mean = numbers - numbers.mean()
    apart_ms = float(from_mean @ pulses / (from_mean @ from_mean))
    begin_ms = float(pulses.mean() - apart_ms * numbers.mean())
    errors = np.sort(pulses - begin_ms - apart_ms * numbers)
    cut = int(len(errors) * _OUTLIERS / 2)
    return Line(begin_ms, apart_ms, float(errors[len(errors) - 1 - cut] - errors[cut]))


def _fit(lines: tuple[Line, Line], period_ms: float) -> bool:
    return all(line.spread_ms <= period_ms + _SLACK_MS for line in lines)


def _spreads_out(line: Line, pulses: int, period_ms: float) -> bool:
    """Say whether its pulses come at all points of the period alike: else they hide a distance of
    two clocks, or make one, for many pulses on end."""
    turns = np.outer(np.arange(1, _OVERTONES + 1), np.arange(pulses)) * line.apart_ms / period_ms
    return bool((np.abs(np.exp(2j * np.pi * turns).mean(axis=1)) < _LUMPY).all())


def _peaks(pulses: Values, period_ms: float) -> Iterator[tuple[Line, Line]]:
    """Yield pairs of lines at tempi of which the spectrum has most, and their phases by it."""
    in_all = (len(pulses) - 1) / pulses[-1]
    one = np.arange(_LOWEST, in_all / 2, _STEP)
    rates = np.stack([one, in_all - one])
    spectrum = np.exp(2j * np.pi * rates[..., None] * pulses).sum(axis=-1)
    # By the period, what is fast is weakened, as by a shutter that is open for so long.
    heights = np.abs(spectrum) / np.maximum(np.sinc(rates * period_ms), 0.2)
    begins = np.angle(spectrum) / (2 * np.pi * rates)
    for peak in np.argsort(-heights.sum(axis=0))[:_PEAKS]:
        first, second = (
            Line(float(begin_ms), 1 / float(rate), 0.0)
            for begin_ms, rate in zip(begins[:, peak], rates[:, peak], strict=True)
        )
        yield first, second


def _are_clocks(pulses: Values, guess: tuple[Line, Line], period_ms: float) -> bool:
    """Say whether two lines near `guess` take all pulses, and neither is the other's echo."""
    lines = guess
    for _ in range(_ROUNDS):
        shares = _share_out(pulses, lines, period_ms)
        if shares is None:
            return False
        (numbers, own), (other_numbers, others) = shares
        lines = _line(numbers, own), _line(other_numbers, others)
        if _fit(lines, period_ms):
            break
    if not _fit(lines, period_ms) or _one_tempo(lines) or _echo(own, others):
        return False
    sizes = len(own), len(others)
    return all(_spreads_out(*each, period_ms) for each in zip(lines, sizes, strict=True))


def _share_out(
    pulses: Values, lines: tuple[Line, Line], period_ms: float
) -> tuple[tuple[Values, Values], tuple[Values, Values]] | None:
    """Give each pulse, in order, to the line that foretells one there: numbers and pulses of each;
    None where there are too many or too few."""
    foretold = [_numbers(line, pulses[-1], period_ms) for line in lines]
    numbers = np.concatenate(foretold)
    whose = np.repeat([0, 1], [len(each) for each in foretold])
    at_ms = np.array([line.begin_ms for line in lines])[whose]
    at_ms += np.array([line.apart_ms for line in lines])[whose] * numbers
    order = np.argsort(at_ms, kind="stable")
    over = len(order) - len(pulses)
    if not 0 <= over <= _MOST_OVER:
        return None
    runs = [order[begin : begin + len(pulses)] for begin in range(over + 1)]
    best = min(runs, key=lambda run: float(np.abs(at_ms[run] - pulses).sum()))
    mine = whose[best] == 0
    if not _FEWEST <= int(mine.sum()) <= len(pulses) - _FEWEST:
        return None
    return (numbers[best][mine], pulses[mine]), (numbers[best][~mine], pulses[~mine])


def _numbers(line: Line, end_ms: float, period_ms: float) -> Values:
    """Return the numbers of its pulses that may arrive in [0, end_ms]."""
    room_ms = period_ms / 2 + _SLACK_MS
    first = np.ceil((-line.begin_ms - room_ms) / line.apart_ms)
    last = np.floor((end_ms - line.begin_ms + room_ms) / line.apart_ms)
    return np.arange(first, last + 1)


def _one_tempo(lines: tuple[Line, Line]) -> bool:
    first, second = (line.apart_ms for line in lines)
    return abs(first - second) < _OTHER_TEMPO * first


def _echo(one: Values, other: Values) -> bool:
    """Do most pulses of the one with fewer come together with one of the other?"""
    few, many = sorted((one, other), key=len)
    nearest = np.abs(few[:, None] - many).min(axis=1)
    return float((nearest < _TOGETHER_MS).mean()) > _TOGETHER
