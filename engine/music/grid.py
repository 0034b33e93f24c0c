"""The grid every roll lives on: steps in a beat, pitches in a column, steps in a bar.

A beat is a quarter note and has 24 steps, as in the paper (Atassi 2023, section 6) and as MIDI
clock counts. An *absolute step* counts from song position zero and may be negative (a pickup).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import NewType

import numpy as np
from numpy.typing import NDArray

Steps = NewType("Steps", int)
"""A length or a place in time, in steps of 1/24 beat."""

STEPS_PER_BEAT = 24
STEPS_PER_TOKEN = 6
"""The default model folds six steps, one sixteenth, into one token."""

LEAD, ACCOMPANIMENT = 0, 1
ONSET, SUSTAIN = 0, 1


class GridError(ValueError):
    """A value that does not fit the grid; the message says what would."""


@dataclass(frozen=True, slots=True)
class PitchRange:
    """An inclusive range of MIDI pitches; row 0 of a roll is `low`."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 127:
            raise GridError(f"pitch range {self.low}..{self.high}: want 0 <= low <= high <= 127")

    @property
    def size(self) -> int:
        """How many pitches, so how many rows."""
        return self.high - self.low + 1

    def __contains__(self, pitch: object) -> bool:
        return isinstance(pitch, int | np.integer) and self.low <= int(pitch) <= self.high


PIANO = PitchRange(21, 108)
"""The default model's 88 pitches, A0 to C8."""
PAPER = PitchRange(33, 88)
"""The paper's 56 pitches, A1 to E6."""


_METER = re.compile(r"\s*([0-9]{1,4})\s*/\s*([0-9]{1,4})\s*")
"""Digits that `int` reads, and not too many: `²` is a digit too, to Python."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A time signature; a bar is a whole number of steps, so 7/8 is 84."""

    beats: int
    unit: int

    def __post_init__(self) -> None:
        if self.unit not in (1, 2, 4, 8, 16, 32) or not 1 <= self.beats <= 64:
            raise GridError(
                f"meter {self.beats}/{self.unit}: want 1 to 64 over 1, 2, 4, 8, 16 or 32"
            )

    @classmethod
    def parse(cls, text: str) -> Meter:
        """Read `3/4`. Raises GridError that says what a meter looks like."""
        numbers = _METER.fullmatch(text)
        if numbers is None:
            raise GridError(f"meter {text[:20]!r}: want two numbers, like 4/4, 3/4 or 7/8")
        return cls(int(numbers[1]), int(numbers[2]))

    @property
    def bar_steps(self) -> int:
        """Steps in one bar."""
        return self.beats * 4 * STEPS_PER_BEAT // self.unit

    def __str__(self) -> str:
        return f"{self.beats}/{self.unit}"


@dataclass(frozen=True, slots=True)
class MeterMap:
    """Where bars lie: from each `start` (an absolute step on a bar line) bars are `meter` long.

    Before the first start its meter runs backwards, so that a pickup has a bar phase too.
    """

    changes: tuple[tuple[int, Meter], ...] = ((0, Meter(4, 4)),)

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.changes]
        if not starts or starts != sorted(set(starts)):
            raise GridError("a meter map needs at least one change, in rising order of step")

    def phase(self, steps: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return, of each absolute step, steps since its bar line and its bar's length in steps."""
        starts = np.array([start for start, _ in self.changes])
        lengths = np.array([meter.bar_steps for _, meter in self.changes])
        index = np.maximum(np.searchsorted(starts, steps, side="right") - 1, 0)
        return (steps - starts[index]) % lengths[index], lengths[index]

    def bar_span(self, step: int) -> tuple[int, int]:
        """First step and end of the bar that holds `step`; a change of meter may cut it short."""
        following = bisect_right(self.changes, step, key=lambda change: change[0])
        start, meter = self.changes[max(following - 1, 0)]
        first = step - (step - start) % meter.bar_steps
        cut = [start for start, _ in self.changes[following : following + 1]]
        return first, min([first + meter.bar_steps, *cut])

    def bar_lines(self, first_step: int, end_step: int) -> list[int]:
        """Return bar lines from the one at or before `first_step` to the one at or after
        `end_step`.

        A meter that changes in mid-bar cuts that bar short. Raises GridError when `end_step`
        does not lie after `first_step`.
        """
        if end_step <= first_step:
            raise GridError(f"no bars between steps {first_step} and {end_step}")
        lines = [self.bar_span(first_step)[0]]
        while lines[-1] < end_step:
            lines.append(self.bar_span(lines[-1])[1])
        return lines

    def bar_index(self, step: int) -> int:
        """Return the number, from 0, of the bar at absolute `step`; one cut short counts as one."""
        bars = 0
        for (start, meter), (following, _) in pairwise(self.changes):
            if step < following:
                return bars + (step - start) // meter.bar_steps
            bars += -((start - following) // meter.bar_steps)  # rounded up
        start, meter = self.changes[-1]
        return bars + (step - start) // meter.bar_steps

    def bar_start(self, bar: int) -> int:
        """First absolute step of bar number `bar`: the inverse of `bar_index`."""
        first = 0
        for (start, meter), (following, _) in pairwise(self.changes):
            beyond = self.bar_index(following)
            if bar < beyond:
                return start + (bar - first) * meter.bar_steps
            first = beyond
        start, meter = self.changes[-1]
        return start + (bar - first) * meter.bar_steps
