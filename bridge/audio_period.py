"""Are MIDI clocks handed over once an audio period? Then two in one period are no repeat.

JACK delivers what came during a period all at once. Where a period is longer than the time from
pulse to pulse (512 frames at 48 kHz from 234 bpm on, 1024 from 117) true pulses arrive in pairs,
just as a repeated pulse would. Knows nothing of tempo.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

KHZ = (44.1, 48.0)
FRAMES = (256, 384, 512, 768, 1024, 2048, 4096)
PERIODS_MS = np.array(sorted(frames / khz for khz in KHZ for frames in FRAMES))
"""The usual ones; twice the rate is half the frames. No clock is so fast that
shorter ones matter."""

TOGETHER_MS = 1.0
"""What comes this close together came in one period."""
WOBBLE_MS = 0.5
"""How far off its period's end a message may be handed over."""
FEWEST, MOST = 8, 96
ODD_SHARE = 0.45
"""Intervals that may fit no whole number of periods: a busy machine hands messages over later than
the period's end, and that spoils two intervals each time."""
HALF_SHARE = 0.6
"""So many of the odd ones at whole numbers of the half, and the half is the period."""
KEPT_ODD_SHARE = 0.75
"""And so many for a period once found: it stays what it is, however busy the machine. Of intervals
of any length a tenth to a fifth would fit."""
AGAIN = 4
"""Intervals after which it is judged anew."""


class AudioPeriods:
    """Watches when messages arrive. Owner: the transport thread.

    length_ms: the audio period, or 0 where arrivals do not look like one.
    """

    def __init__(self) -> None:
        self.length_ms = 0.0
        self._intervals: deque[float] = deque(maxlen=MOST)
        self._since = 0
        self._last_ms = 0.0

    def restart(self, at_ms: float) -> None:
        """A message came at `at_ms`, which is on a new time scale."""
        self._last_ms = at_ms

    def heard(self, at_ms: float) -> None:
        """A message came at `at_ms`."""
        if at_ms - self._last_ms < TOGETHER_MS:
            return
        self._intervals.append(at_ms - self._last_ms)
        self._last_ms = at_ms
        self._since += 1
        if self._since >= AGAIN and len(self._intervals) >= FEWEST:
            self._since = 0
            self._judge()

    def _judge(self) -> None:
        intervals = np.array(self._intervals)
        odd = _odd(intervals, PERIODS_MS[:, None]).mean(axis=1)
        # A longer one is harder to fit, so it counts for more than a shorter one found before.
        kept = (odd <= KEPT_ODD_SHARE) & (self.length_ms == PERIODS_MS)
        longest_ms = float(PERIODS_MS[(odd <= ODD_SHARE) | kept].max(initial=0.0))
        self.length_ms = longest_ms / 2 if _is_half(intervals, longest_ms) else longest_ms


def _is_half(intervals: NDArray[np.float64], length_ms: float) -> bool:
    """Where a pulse lasts about two periods, only a few intervals tell that it is the half."""
    if length_ms / 2 not in PERIODS_MS:
        return False
    odd = intervals[_odd(intervals, length_ms)]
    halves = len(odd) - int(_odd(odd, length_ms / 2).sum())
    return halves >= max(2, HALF_SHARE * len(odd))


def _odd(
    intervals: NDArray[np.float64], length_ms: float | NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which intervals are no whole number of periods of this length."""
    times = np.maximum(np.rint(intervals / length_ms), 1)
    off: NDArray[np.bool_] = np.abs(intervals - times * length_ms) > WOBBLE_MS
    return off
