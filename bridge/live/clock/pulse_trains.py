"""Two steady trains of pulses in one row of arrivals, each at a tempo of its own.

A train is followed from one of the first arrivals at the distance to one of the next: where it is
foretold there must be a pulse. What is left when the fullest train is taken away must be a train,
too. Knows nothing of tempo and beats.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

_NEAR = 0.1
"""Share of its period by which a pulse may miss its place in a train, but no more than _NEAR_MS."""
_NEAR_MS = 2.0
_FILLED = 0.93
"""Share of a train's places that hold a pulse; some are lost where two trains meet."""
_MOST_MISSED = 3
"""So many places in a row without a pulse end a train: it is none."""
_BEGINS, _NEXT = 5, 8
"""A train begins with one of the first _BEGINS arrivals, its second pulse is one of the _NEXT."""
_FEWEST = 12
_LEFT_OVER = 0.08
"""Share of all arrivals that may belong to neither train."""


@dataclass(frozen=True, slots=True)
class Train:
    """Indices of the arrivals that belong to it, in order, and its period in ms."""

    indices: tuple[int, ...]
    period_ms: float


def two_trains(arrivals_ms: Sequence[float]) -> tuple[Train, Train] | None:
    """Find the two trains that sorted arrivals are made of; None where they are not."""
    first = _fullest(arrivals_ms)
    if first is None:
        return None
    taken = set(first.indices)
    rest = [index for index in range(len(arrivals_ms)) if index not in taken]
    second = _fullest([arrivals_ms[index] for index in rest])
    if second is None or len(rest) - len(second.indices) > _LEFT_OVER * len(arrivals_ms):
        return None
    second = Train(tuple(rest[index] for index in second.indices), second.period_ms)
    return None if _repeats(arrivals_ms, first, second) else (first, second)


def _repeats(arrivals_ms: Sequence[float], first: Train, second: Train) -> bool:
    """Do most pulses of the second come with one of the first? Then they are one clock's."""
    times = [arrivals_ms[index] for index in first.indices]
    apart = [
        abs(times[_nearest(times, arrivals_ms[index])] - arrivals_ms[index])
        for index in second.indices
    ]
    return sum(each < _NEAR_MS for each in apart) > len(apart) // 2


def _fullest(arrivals_ms: Sequence[float]) -> Train | None:
    """Find the train that takes the most arrivals."""
    found = [
        train
        for begin in range(min(_BEGINS, len(arrivals_ms) - 1))
        for second in range(begin + 1, min(begin + 1 + _NEXT, len(arrivals_ms)))
        if (train := _follow(arrivals_ms, begin, second)) is not None
    ]
    return max(found, key=lambda train: len(train.indices), default=None)


def _follow(arrivals_ms: Sequence[float], begin: int, second: int) -> Train | None:
    """Follow the train through two arrivals to the end of the row; None where it breaks off."""
    taken, places, missed = [begin, second], 2, 0
    begun_ms = arrivals_ms[begin]
    period_ms = arrivals_ms[second] - begun_ms
    at_ms = begun_ms + 2 * period_ms
    while at_ms <= arrivals_ms[-1] + _NEAR_MS and missed <= _MOST_MISSED:
        nearest, places = _nearest(arrivals_ms, at_ms), places + 1
        off_ms = abs(arrivals_ms[nearest] - at_ms)
        if nearest > taken[-1] and off_ms <= min(_NEAR_MS, _NEAR * period_ms):
            taken.append(nearest)
            # From its very beginning: the longer it is followed, the better it is known.
            period_ms = (arrivals_ms[nearest] - begun_ms) / (places - 1)
            missed = 0
        else:
            missed += 1
        at_ms = begun_ms + places * period_ms
    full = missed <= _MOST_MISSED and len(taken) >= max(_FEWEST, _FILLED * places)
    return Train(tuple(taken), period_ms) if full else None


def _nearest(arrivals_ms: Sequence[float], at_ms: float) -> int:
    after = min(bisect_left(arrivals_ms, at_ms), len(arrivals_ms) - 1)
    before = max(after - 1, 0)
    return before if at_ms - arrivals_ms[before] < arrivals_ms[after] - at_ms else after
