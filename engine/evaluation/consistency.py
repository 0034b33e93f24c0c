"""Consistency and variance of neighbouring frames (Mittal et al. 2021). numpy and stdlib only.

As SCHmUBERT computes them (Plasser et al. 2023): in each frame a Gaussian is fitted to the pitches
of the notes that begin there, and one to their durations; the overlapping area (OA) of
neighbouring frames is averaged over a piece; then over the pieces

    consistency = clip(1 - |mean OA of truth - mean OA| / mean OA of truth, 0, 1)
    variance    = the same of the variances of OA

They take frames of 4 bars every 2 bars of 64-bar pieces. Our windows are 4 bars, so here a frame is
4 beats, every 2 beats, and a window stands for a piece; figures do not compare with theirs. Frames
without a note are left out, where SCHmUBERT puts a spike at 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.metrics import Cells2, note_lengths
from engine.music.grid import ONSET, STEPS_PER_BEAT, STEPS_PER_TOKEN
from engine.music.roll import Floats

_FRAME_BEATS, _HOP_BEATS = 4, 2
_FLOOR = 1e-6  # of a standard deviation, as SCHmUBERT has it


def overlaps(reply: Cells2) -> Floats | None:
    """Return mean overlapping area of neighbouring frames, [(pitch, duration)]; None with no two
    frames side by side that have notes. reply: bool[2, K, S]."""
    notes = np.argwhere(reply[ONSET])  # row, onset step
    sixteenths = note_lengths(reply) / STEPS_PER_TOKEN
    frames = []
    last = reply.shape[-1] - _FRAME_BEATS * STEPS_PER_BEAT
    for start in range(0, last + 1, _HOP_BEATS * STEPS_PER_BEAT):
        inside = (notes[:, 1] >= start) & (notes[:, 1] < start + _FRAME_BEATS * STEPS_PER_BEAT)
        there = inside.any()
        frames.append((_fit(notes[inside, 0]), _fit(sixteenths[inside])) if there else None)
    areas = [
        [mine.overlap(theirs) for mine, theirs in zip(a, b, strict=True)]
        for a, b in pairwise(frames)
        if a is not None and b is not None
    ]
    return np.mean(areas, axis=0) if areas else None


def consistency(replies: Sequence[Cells2], truth: Sequence[Cells2]) -> dict[str, float]:
    """Both numbers for pitch and duration, each 0 to 1; 1 = like the truth. Empty where either
    has no window with two frames side by side.
    """
    ours, theirs = (
        [area for one in s if (area := overlaps(one)) is not None] for s in (replies, truth)
    )
    if not ours or not theirs:
        return {}
    means = _likeness(np.mean(ours, axis=0), np.mean(theirs, axis=0))
    variances = _likeness(np.var(ours, axis=0), np.var(theirs, axis=0))
    return {
        "pitch_consistency": float(means[0]),
        "pitch_variance": float(variances[0]),
        "duration_consistency": float(means[1]),
        "duration_variance": float(variances[1]),
    }


def _fit(values: NDArray[np.int64] | Floats) -> NormalDist:
    return NormalDist(float(np.mean(values)), float(np.std(values)) + _FLOOR)


def _likeness(ours: Floats, theirs: Floats) -> Floats:
    """clip(1 - |theirs - ours| / theirs, 0, 1); where theirs is 0, 1 if ours is too, else 0."""
    apart = np.abs(theirs - ours)
    relative = np.where(apart == 0, 0.0, apart / np.where(theirs == 0, 1e-12, theirs))
    return np.clip(1.0 - relative, 0.0, 1.0)
