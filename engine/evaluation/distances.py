"""How far a set of replies lies from human music, in units of how far humans lie apart. numpy only.

The human windows are split at random into halves A and B, many times. For each measure

    half split   = median over splits of d(human A, human B)
    of a model   = median over splits of d(model A, human B)

Model A are the replies to the windows of A. So both sides compare sets of the same size, over
the same windows, and none is compared with its own lead: a model that plays the composer's notes
has exactly the half-split distance, ratio 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import fmean

import numpy as np

from engine.evaluation.metrics import HISTOGRAMS, NINE, Counts, Floats, rate

SPLITS = 50
_SEED = 0


def distance(name: str, a: Floats, b: Floats) -> Floats:
    """Between two sums of a measure [..., classes]: total variation, 0 to 1, of a histogram's
    shares; absolute difference of rates.
    """
    if name in HISTOGRAMS:
        return np.asarray(np.abs(_shares(a) - _shares(b)).sum(axis=-1) / 2)
    return np.asarray(np.abs(rate(a) - rate(b)))


def whole(ours: Counts, human: Counts) -> dict[str, float]:
    """Plain distance of two whole sets, in each of the nine measures."""
    return {
        name: float(distance(name, ours[name].sum(axis=0), human[name].sum(axis=0)))
        for name in NINE
    }


def halves(windows: int, splits: int = SPLITS) -> tuple[Floats, Floats]:
    """Windows of half A and of half B in each split, 0.0 or 1.0, [splits, windows] each.

    Halves are of equal size, and windows 0 and 1, 2 and 3, ... are in the same one (so that a
    reply taken from the neighbour is no note of the other half); up to three windows stand aside.
    Raises ValueError for fewer than four windows.
    """
    half = windows // 4
    if half == 0:
        raise ValueError(f"{windows} windows cannot be split into halves of pairs; want at least 4")
    rng = np.random.default_rng(_SEED)
    order = np.stack([rng.permutation(windows // 2) for _ in range(splits)])
    sides = np.zeros((2, splits, windows))
    for side, pairs in zip(sides, (order < half, order >= windows // 2 - half), strict=True):
        side[:, : windows // 2 * 2] = np.repeat(pairs, 2, axis=1)
    return sides[0], sides[1]


def across(ours: Counts, human: Counts, names: Collection[str] = NINE) -> dict[str, float]:
    """Median over splits of d(ours A, human B), in each of the measures.

    `across(human, human)` is the half-split distance.
    """
    a, b = halves(len(next(iter(human.values()))))
    return {
        name: float(np.median(distance(name, a @ ours[name], b @ human[name]))) for name in names
    }


def ratios(ours: dict[str, float], half_split: dict[str, float]) -> dict[str, float | None]:
    """Each distance over the half-split one; None where that is 0 and ours is not."""
    found: dict[str, float | None] = {}
    for name, near in half_split.items():
        if near > 0:
            found[name] = ours[name] / near
        else:
            found[name] = 1.0 if ours[name] == 0 else None
    return found


def mean_ratio(found: Mapping[str, float | None]) -> float | None:
    """Mean of the ratios; None where one of them has no value."""
    known = [ratio for ratio in found.values() if ratio is not None]
    return fmean(known) if len(known) == len(found) else None


def within(found: dict[str, float | None], times: float) -> int:
    """How many ratios are at most `times`."""
    return sum(1 for value in found.values() if value is not None and value <= times)


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0))
