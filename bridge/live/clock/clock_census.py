"""Do two MIDI clocks share one input? Then pulses come in two trains, each of them steady.

They play at nearly one tempo, as two programs do that follow one song; the tempo read from both is
twice that. What comes within _REPEAT_MS is a repeat, and of pulses handed over by the audio period
nothing can be said. Knows nothing of tempo.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = 96
"""Pulses: two beats of each clock, and as often judged."""
_REPEAT_MS = 2.0
_STEADY = 0.05
"""Share of their mean by which the times from a pulse to the next but one may differ."""
_APART = 0.75
"""The shorter of two gaps in turn is at most so much of the longer, else they may be one clock."""


class ClockCensus:
    """Watches when pulses arrive. Owner: the transport thread."""

    def __init__(self) -> None:
        self._said = False
        self._arrivals_ms: list[float] = []
        self._last_ms = float("-inf")

    def arrived(self, at_ms: float, by_audio_period: bool) -> bool:
        """Take a pulse; return True when it looks as if there were two clocks, for the first
        time."""
        if at_ms - self._last_ms < _REPEAT_MS:
            return False
        self._last_ms = at_ms
        self._arrivals_ms.append(at_ms)
        if len(self._arrivals_ms) < LOOKED_AT:
            return False
        arrivals, self._arrivals_ms = np.array(self._arrivals_ms), []
        if self._said or by_audio_period or not _are_two(arrivals):
            return False
        self._said = True
        return True


def _are_two(arrivals_ms: NDArray[np.float64]) -> bool:
    gaps, rounds = np.diff(arrivals_ms), arrivals_ms[2:] - arrivals_ms[:-2]
    steady = float(rounds.std()) < _STEADY * float(rounds.mean())
    first, second = np.median(gaps[::2]), np.median(gaps[1::2])
    return bool(steady and min(first, second) < _APART * max(first, second))
