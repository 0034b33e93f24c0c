"""How fast the engine is, so how far ahead to commit and how many sampler calls to ask for."""

from __future__ import annotations

import math
from collections import deque

from bridge.live.clock.time_map import steps_in
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.music.grid import STEPS_PER_BEAT

_GRID_STEPS = 6
"""The commit horizon is a whole number of sixteenths, one at least."""
LONGEST_HORIZON_STEPS = 12 * STEPS_PER_BEAT
_WAKE_NS = 20 * NS_PER_MS
"""Time for the way to the engine and back and for a late wake-up."""
_UNKNOWN_NS = 250 * NS_PER_MS
"""What a plan is taken to need before one was measured."""
_SAMPLES, _FEW = 32, 3
_FEWEST_CALLS = 2
_BEAT_SHARE = 0.75
"""Of the time between two decisions, what the engine may use."""


class EngineTiming:
    """Measured engine time: a fixed part and a part for each sampler call. Owner: transport thread.

    What is fixed can be separated only once plans with different numbers of calls were measured.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=_SAMPLES)
        self._expected: list[tuple[int, int]] = []
        self._calls = 0

    @property
    def known(self) -> bool:
        """Was a plan measured, if only while the engine warmed up?"""
        return bool(self._samples or self._expected)

    def expect(self, elapsed_ns: int, calls: int) -> None:
        """Take what a plan took in the warm-up: good until one is measured. 0: not known."""
        self._expected = [(max(1, calls), elapsed_ns)] if elapsed_ns > 0 else []

    def measured(self, elapsed_ns: int, calls: int) -> None:
        """Take in that a plan took `elapsed_ns` with `calls` sampler calls."""
        self._samples.append((max(1, calls), elapsed_ns))

    def forget(self) -> None:
        """Measure anew: the engine or the model changed."""
        self._samples.clear()
        self._expected = []
        self._calls = 0

    def p95_ns(self, calls: int) -> float:
        """Time that 95 % of plans with `calls` calls stay under; a guess before the first.

        One slow plan alone moves nothing once there are a few: for that there is the plan before
        it, while a longer horizon makes every reply older, for half a minute.
        """
        samples = self._samples or self._expected
        if not samples:
            return _UNKNOWN_NS
        per_call = self._line()[1]
        ordered = sorted(ns + per_call * (calls - asked) for asked, ns in samples)
        return max(0.0, ordered[math.ceil(0.95 * len(ordered)) - (2 if len(ordered) > _FEW else 1)])

    def median_ns(self, calls: int) -> float:
        """Time of a middling plan; 0 before any was measured."""
        fixed, per_call = self._line()
        return fixed + per_call * calls

    def calls_within(self, wanted: int, bpm: float) -> int:
        """Sampler calls, at most `wanted`, that leave time for a plan on every beat.

        All of them where fewer would not help. Holds on to its last answer while that is not far
        off: each number of calls draws its own noise, so a change is audible.
        """
        fixed, per_call = self._line()
        spare = _BEAT_SHARE * 60 * NS_PER_S / bpm - fixed
        fit = wanted
        if spare > 0 and wanted * per_call > spare:
            fit = min(wanted, max(_FEWEST_CALLS, int(spare / per_call)))
        keep = 0 < self._calls <= wanted and abs(fit - self._calls) * 5 <= self._calls
        if not keep or fit == wanted:
            self._calls = fit
        return self._calls

    def horizon_steps(self, calls: int, bpm: float, lead_steps: float) -> int:
        """Song steps from a decision to where its plan can take over, a multiple of a sixteenth.

        lead_steps: how long before that place the plan has to be here.
        """
        needed_ns = 1.1 * self.p95_ns(calls) + _WAKE_NS
        needed = steps_in(needed_ns, bpm) + lead_steps
        return min(LONGEST_HORIZON_STEPS, max(1, math.ceil(needed / _GRID_STEPS)) * _GRID_STEPS)

    def _line(self) -> tuple[float, float]:
        """Return fixed time and time per call, in ns, by the medians of the fewest and the most
        calls."""
        groups: dict[int, list[int]] = {}
        for calls, ns in self._samples or self._expected:
            groups.setdefault(calls, []).append(ns)
        if not groups:
            return 0.0, 0.0
        few, many = min(groups), max(groups)
        low, high = (sorted(groups[calls])[len(groups[calls]) // 2] for calls in (few, many))
        if few == many:
            return 0.0, low / few
        per_call = max(0.0, (high - low) / (many - few))
        return max(0.0, low - per_call * few), per_call
