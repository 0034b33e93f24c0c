"""Do two MIDI clocks share one input? Then pulses come in two trains, each of them steady.

At nearly one tempo, as two programs play that follow one song, the distances from pulse to pulse
come in turn, a short one and a long one; the tempo read from both is twice that. At different tempi
they are as good as drawn at random, and the trains must be found (pulse_trains.py). What comes
within _REPEAT_MS is a repeat. Pulses that are handed over by the audio period fall on a grid of
their own, and are looked at by themselves (period_trains.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge.live.clock.period_trains import are_two
from bridge.live.clock.pulse_trains import two_trains

LOOKED_AT = 96
"""Pulses: two beats of each clock, and as often judged."""
BY_PERIOD = 192
"""Where they come by the audio period: four beats of each; two such windows in a row must agree."""
_REPEAT_MS = 2.0
_STEADY = 0.05
"""Share of their mean by which the times from a pulse to the next but one may differ."""
_APART = 0.75
"""The shorter of two gaps in turn is at most so much of the longer, else they may be one clock."""

_UNEVEN = 0.3
"""Pulses of one clock with 4 ms of jitter either way at 120 bpm differ by less from their mean."""


class ClockCensus:
    """Watches when pulses arrive. Owner: the transport thread."""

    def __init__(self) -> None:
        self._said = False
        self._arrivals_ms: list[float] = []
        self._repeats_ms: list[float] = []
        self._last_ms = float("-inf")
        self._handed_over_ms: list[float] = []
        self._found_before = False

    def arrived(self, at_ms: float, audio_period_ms: float) -> bool:
        """Take a pulse; return True when it looks as if there were two clocks, for the first
        time. audio_period_ms: by which pulses are handed over, or 0."""
        if self._said:
            return False
        if audio_period_ms:
            self._said = self._by_period(at_ms, audio_period_ms)
        else:
            self._said = self._freely(at_ms)
        return self._said

    def _freely(self, at_ms: float) -> bool:
        """Take a pulse as one that came when it was sent."""
        self._handed_over_ms.clear()
        if at_ms - self._last_ms < _REPEAT_MS:
            if len(self._repeats_ms) < LOOKED_AT:
                self._repeats_ms.append(at_ms)
            return False
        self._last_ms = at_ms
        self._arrivals_ms.append(at_ms)
        if len(self._arrivals_ms) < LOOKED_AT:
            return False
        arrivals, self._arrivals_ms = self._arrivals_ms, []
        repeats, self._repeats_ms = self._repeats_ms, []
        return _are_two(arrivals, repeats)

    def _by_period(self, at_ms: float, period_ms: float) -> bool:
        """Take a pulse as one that was handed over."""
        self._arrivals_ms.clear()
        self._repeats_ms.clear()
        self._handed_over_ms.append(at_ms)
        if len(self._handed_over_ms) < BY_PERIOD:
            return False
        arrivals, self._handed_over_ms = np.array(self._handed_over_ms), []
        before, self._found_before = self._found_before, are_two(arrivals, period_ms)
        return before and self._found_before


def _are_two(arrivals_ms: list[float], repeats_ms: list[float]) -> bool:
    gaps = np.diff(arrivals_ms)
    if float(gaps.std()) > _UNEVEN * float(gaps.mean()):
        # Where two trains meet their pulses look like repeats.
        return two_trains(sorted([*arrivals_ms, *repeats_ms])) is not None
    return _take_turns(np.array(arrivals_ms))


def _take_turns(arrivals_ms: NDArray[np.float64]) -> bool:
    gaps, rounds = np.diff(arrivals_ms), arrivals_ms[2:] - arrivals_ms[:-2]
    steady = float(rounds.std()) < _STEADY * float(rounds.mean())
    first, second = np.median(gaps[::2]), np.median(gaps[1::2])
    return bool(steady and min(first, second) < _APART * max(first, second))
