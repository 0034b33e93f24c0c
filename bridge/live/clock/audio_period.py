"""Are MIDI clocks handed over once an audio period? Then two in one period are no repeat.

JACK delivers what came during a period all at once. Where a period is longer than the time from
pulse to pulse (512 frames at 48 kHz from 234 bpm on, 1024 from 117) true pulses arrive in pairs,
just as a repeated pulse would. Knows nothing of tempo.

A period differs from a steady clock of nearly its length (1024 frames are 21.3 ms, a pulse at 118
bpm 21.2) by the grid: arrivals of many pulses fall on whole numbers of periods from each other.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

_KHZ = (44.1, 48.0)
_FRAMES = (256, 384, 512, 768, 1024, 2048, 4096)
_PERIODS_MS = np.array(sorted(frames / khz for khz in _KHZ for frames in _FRAMES))
"""The usual ones; twice the rate is half the frames. No clock is so fast that
shorter ones matter."""

TOGETHER_MS = 1.0
"""What comes this close together came in one period."""
_WOBBLE_MS = 0.5
"""How far apart messages may be handed over that came at one point of the grid."""
FEWEST, _MOST = 8, 96
_FITS, _KEPT = 0.55, 0.3
"""Share of arrivals that must fit a period, and one found before: a busy machine hands messages
over later than the period's end. Of arrivals at any time a tenth to a fifth would fit."""
_AS_WELL = 0.15
"""A period fits as well as another where so much less does; then the longer one is meant."""
AGAIN = 4
"""Arrivals after which it is judged anew."""

# For _fitting: each period is cut into bins of about _WOBBLE_MS, a row of _WIDTH of them each.
_BINS = (_PERIODS_MS / _WOBBLE_MS).astype(np.int64)[:, None]
_WIDTH = int(_BINS.max())
_FIRST = np.arange(len(_PERIODS_MS))[:, None] * _WIDTH
_NEXT = _FIRST + (np.arange(_WIDTH) + 1) % _BINS
_BINS_A_MS = _BINS / _PERIODS_MS[:, None]


class AudioPeriods:
    """Watches when messages arrive. Owner: the transport thread.

    length_ms: the audio period, or 0 where arrivals do not look like one.
    """

    def __init__(self) -> None:
        self.length_ms = 0.0
        self._arrivals: deque[float] = deque(maxlen=_MOST)
        self._since = 0

    def arrived(self, at_ms: float) -> None:
        """Note that a message came at `at_ms`, on one time scale for all."""
        if self._arrivals and at_ms - self._arrivals[-1] < TOGETHER_MS:
            return
        self._arrivals.append(at_ms)
        self._since += 1
        if self._since >= AGAIN and len(self._arrivals) > FEWEST:
            self._since = 0
            self._judge()

    def _judge(self) -> None:
        arrivals = np.array(self._arrivals)
        fit = _fitting(arrivals)
        least = np.where(self.length_ms == _PERIODS_MS, _KEPT, _FITS)
        fits = (fit >= least) & (fit >= fit.max() - _AS_WELL)
        self.length_ms = float(_PERIODS_MS[fits].max(initial=0.0))


def _fitting(arrivals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each of _PERIODS_MS the share of arrivals on its best grid's points, or, where
    that is less, the share that came no sooner than a period after the last."""
    bins = (arrivals * _BINS_A_MS).astype(np.int64) % _BINS
    counts = np.bincount((bins + _FIRST).ravel(), minlength=_NEXT.size)
    # A cluster may lie across the border of two bins.
    on_grid = (counts.reshape(_NEXT.shape) + counts.take(_NEXT)).max(axis=1)
    gaps = np.sort(np.diff(arrivals))
    apart = len(gaps) - gaps.searchsorted(_PERIODS_MS - _WOBBLE_MS)
    fitting: NDArray[np.float64] = np.minimum(on_grid / len(arrivals), apart / len(gaps))
    return fitting
