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

from engine.evaluation.halves import Partition
from engine.evaluation.metrics import HISTOGRAMS, NINE, Counts, rate
from engine.music.roll import Floats


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


def across(
    ours: Counts, human: Counts, partition: Partition, names: Collection[str] = NINE
) -> dict[str, float]:
    """Median over splits of d(ours A, human B), in each of the measures.

    `across(human, human, ..)` is the half-split distance.
    """
    a, b = partition.a, partition.b
    return {
        name: float(np.median(distance(name, a @ ours[name], b @ human[name]))) for name in names
    }


def paired(
    ours: Counts, theirs: Counts, human: Counts, partition: Partition, names: Collection[str] = NINE
) -> dict[str, dict[str, float]]:
    """Return who is nearer to the composers, split by split, in each of the measures.

    {"nearer": share of splits in which d(ours A, human B) < d(theirs A, human B), equals count
    half; "difference": mean over splits of the first less the second}.
    """
    a, b = partition.a, partition.b
    found = {}
    for name in names:
        truth = b @ human[name]
        apart = distance(name, a @ ours[name], truth) - distance(name, a @ theirs[name], truth)
        found[name] = {
            "nearer": float(((apart < 0) + (apart == 0) / 2).mean()),
            "difference": float(apart.mean()),
        }
    return found


def ratios(ours: dict[str, float], half_split: dict[str, float]) -> dict[str, float | None]:
    """Return each distance over the half-split one; None where that is 0 and ours is not."""
    found: dict[str, float | None] = {}
    for name, near in half_split.items():
        if near > 0:
            found[name] = ours[name] / near
        else:
            found[name] = 1.0 if ours[name] == 0 else None
    return found


def mean_ratio(found: Mapping[str, float | None]) -> float | None:
    """Return mean of the ratios; None where one of them has no value."""
    known = [ratio for ratio in found.values() if ratio is not None]
    return fmean(known) if len(known) == len(found) else None


def ratios_within(found: dict[str, float | None], times: float) -> int:
    """Return how many ratios are at most `times`."""
    return sum(1 for value in found.values() if value is not None and value <= times)


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0))
