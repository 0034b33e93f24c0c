"""Windows of music as a network is given them, many at once. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import PIANO, PitchRange
from engine.requests.request import DENSITY_BUCKETS


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch; B windows of S steps in N = S / 6 tokens.

    target, context: bool[B, 2, 2, 88, S], the truth and what the known cells are said to hold
    (sometimes imperfect). mask: bool[B, 2, S], True where a voice is known.
    phase, bar: int64[B, N]. style, density: int64[B], 0 = not given; density is that of the free
    accompaniment.
    """

    target: NDArray[np.bool_]
    context: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    phase: NDArray[np.int64]
    bar: NDArray[np.int64]
    style: NDArray[np.int64]
    density: NDArray[np.int64]


def merged_batch(batch: Batch, pitches: PitchRange) -> Batch:
    """Return the same windows as the paper has them, bool[B, 1, 1, K, S]: one plane, no task, no
    hints.

    Sustain from the onset on; notes outside `pitches` are left out.
    """
    rows = slice(pitches.low - PIANO.low, pitches.high + 1 - PIANO.low)
    cells = np.asarray(batch.target[..., rows, :].any(axis=(1, 2)))[:, None, None]
    nothing = np.zeros_like(batch.style)
    mask = np.zeros((len(cells), 1, cells.shape[-1]), np.bool_)
    return Batch(cells, cells, mask, batch.phase, batch.bar, nothing, nothing)


class Drawing(Protocol):
    """Draws batches; `rng` decides everything."""

    rng: np.random.Generator

    def batch(self, size: int, beats: int, augment: float = 1.0) -> Batch:
        """`size` windows of `beats`, made more various where `augment` is not 0."""


def density_bucket(onsets_per_beat: float) -> int:
    """Condition index, 1..12, of an accompaniment density; finer where it is thin."""
    return 1 + int(
        np.clip(round(3 * np.log2(1 + max(onsets_per_beat, 0.0))), 0, DENSITY_BUCKETS - 1)
    )


def within(batch: Batch, pitches: PitchRange) -> Batch:
    """Return the same windows without the notes outside `pitches`."""
    rows = slice(pitches.low - PIANO.low, pitches.high + 1 - PIANO.low)
    target = np.zeros_like(batch.target)
    target[..., rows, :] = batch.target[..., rows, :]
    return replace(batch, target=target, context=target)
