"""Are MIDI clocks handed over once an audio period? Then two in one period are no repeat.

JACK delivers what came during a period all at once. Where a period is longer than the time from
pulse to pulse (512 frames at 48 kHz from 234 bpm on, 1024 from 117) true pulses arrive in pairs,
just as a repeated pulse would. Knows nothing of tempo.
"""

from __future__ import annotations

from collections import deque
from statistics import median

KHZ = (44.1, 48.0)
FRAMES = (128, 192, 256, 384, 512, 768, 1024, 2048, 4096)
PERIODS_MS = tuple(frames / khz for khz in KHZ for frames in FRAMES)
"""The usual ones; twice the rate is half the frames."""

TOGETHER_MS = 1.0
"""What comes this close together came in one period."""
WOBBLE_MS = 0.5
"""How far off its period's end a message may be handed over."""
NEAR = 0.01
"""Share by which a period may seem longer or shorter than it is."""
FEWEST, MOST = 8, 96
ODD_SHARE = 0.1
"""Intervals that may fit no whole number of periods."""
KEPT_ODD_SHARE = 0.75
"""And so many for a period once found: a busy machine hands messages over later than the period's
end, but its period stays what it is. Of intervals of any length a fifth would fit the
periods that matter here."""
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
        ordered = sorted(self._intervals)
        # The second shortest: one alone may be a mishap. Half the period seen is a shorter one.
        seen_ms = median([ms for ms in ordered if ms <= ordered[1] + WOBBLE_MS])
        nearest_ms = min(PERIODS_MS, key=lambda ms: abs(ms - seen_ms))
        near = abs(nearest_ms - seen_ms) <= NEAR * nearest_ms
        if near and self._odd_share(nearest_ms) <= ODD_SHARE:
            self.length_ms = nearest_ms
        elif self.length_ms and self._odd_share(self.length_ms) > KEPT_ODD_SHARE:
            self.length_ms = 0.0

    def _odd_share(self, length_ms: float) -> float:
        """Share of the intervals that are no whole number of periods of this length."""
        odd = sum(
            abs(ms - max(round(ms / length_ms), 1) * length_ms) > WOBBLE_MS
            for ms in self._intervals
        )
        return odd / len(self._intervals)
