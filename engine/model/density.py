"""How busy an accompaniment is to be where nobody says: as under such a melody composers have it.

In most training windows the network is conditioned on the onsets a beat of the accompaniment, and
it plays more like composers when it is. So what the musician leaves open is drawn, by the seed,
for the whole request: sampling p(density | melody) first, then p(accompaniment | both).
The thinnest fifth is left out, and where there is no melody either, all but the middle half:
looked at, such music is mere holes.

A network follows by half of the way: given 9 onsets a beat, the default plays 3.7. So a model's
`DensityHabits` also hold what comes of what it is given, and it is given what brings the density
that was drawn, or that the musician wants.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.batch import Drawing, density_bucket
from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, STEPS_PER_BEAT
from engine.requests.request import DENSITY_BUCKETS, FillRequest

Densities = Sequence[Sequence[float]]
"""Row: the melody's bucket, 1 to 12, or 0 for any. Column: the accompaniment's, less one. Rows sum
to 1."""
Curve = Sequence[tuple[float, float]]
"""(onsets a beat that the network is given, onsets a beat that come), both rising."""
_ANY = 0
_BATCH, _BEATS = 16, 8
_NEAR = 1.0
"""A row also takes of its neighbours, e times less of each further one: windows are few."""
_UNDER_A_MELODY, _OF_NOTHING = (0.2, 1.0), (0.25, 0.75)
"""From where to where in the distribution it is drawn, 0: the thinnest."""
_ANY_STYLE = "any"
_KEY = 0xDE75
"""Keeps these draws apart from others of the same seed."""


def measure_densities(windows: Drawing, count: int = 512) -> list[list[float]]:
    """Return how busy accompaniments are under how busy melodies, in `count` windows in which both
    play.

    Empty where they never do.
    """
    counts = np.zeros((DENSITY_BUCKETS, DENSITY_BUCKETS))
    for _ in range(count // _BATCH):
        target = windows.batch(_BATCH, _BEATS, augment=0.0).target
        for lead, ours in zip(
            *(_onsets_per_beat(target[:, v]) for v in (LEAD, ACCOMPANIMENT)), strict=True
        ):
            if lead and ours:
                counts[density_bucket(lead) - 1, density_bucket(ours) - 1] += 1
    if not counts.any():
        return []
    place = np.arange(DENSITY_BUCKETS)
    rows = np.exp(-np.abs(place[:, None] - place) / _NEAR) @ counts
    rows = np.concatenate([counts.sum(axis=0, keepdims=True), rows])
    table: list[list[float]] = np.round(rows / rows.sum(axis=1, keepdims=True), 5).tolist()
    return table


@dataclass(frozen=True, slots=True)
class DensityHabits:
    """What a model knows of density. by_style: composers' tables, `any` for all music; empty where
    nothing is known. curve: what comes of what it is given; empty where it was not measured."""

    by_style: Mapping[str, Densities] = field(default_factory=dict)
    curve: Curve = ()

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> DensityHabits:
        """Read those of a model file; what it does not hold stays empty."""
        tables = {_ANY_STYLE: metadata["densities"]} if metadata.get("densities") else {}
        tables |= metadata.get("densities_by_style", {})
        return cls(tables, tuple((given, comes) for given, comes in metadata.get("curve", ())))

    def table(self, style: str) -> Densities:
        """Return the style's table, that of all music where it has none of its own."""
        return self.by_style.get(style, self.by_style.get(_ANY_STYLE, ()))

    def to_give(self, density: float) -> float:
        """Return what the network is given so that `density` comes, as near as it can."""
        if not self.curve:
            return density
        given, comes = np.array(self.curve).T
        return float(np.interp(density, comes, given))


def with_density(request: FillRequest, habits: DensityHabits) -> FillRequest:
    """Return the request, with a density drawn if it wants a whole accompaniment and tells none:
    one to a melody, or music made of nothing."""
    densities = habits.table(request.settings.style)
    settings, known = request.settings, request.known
    lead_known = known[LEAD].all()
    whole = (lead_known or not known[LEAD].any()) and not known[ACCOMPANIMENT].any()
    if settings.density is not None or settings.variation < 1.0 or not densities or not whole:
        return request
    lead = float(_onsets_per_beat(request.roll.cells[LEAD][None])[0])
    drawn = draw_density(densities, density_bucket(lead) if lead_known else _ANY, settings.seed)
    return replace(request, settings=replace(settings, density=drawn))


def draw_density(densities: Densities, lead_bucket: int, seed: int) -> float:
    """Onsets a beat for the accompaniment of a melody in that bucket, decided by the seed."""
    row = np.cumsum(densities[lead_bucket])
    low, high = _OF_NOTHING if lead_bucket == _ANY else _UNDER_A_MELODY
    u = low + (high - low) * np.random.default_rng((seed % 2**64, _KEY)).random()
    return onsets_per_beat(1 + int(np.searchsorted(row, u * row[-1], side="right")))


def onsets_per_beat(bucket: int) -> float:
    """Return the middle of a bucket, the inverse of `dataset.density_bucket`."""
    return math.exp2((bucket - 1) / 3) - 1


def _onsets_per_beat(voices: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return them for each voice in bool[B, P, K, S]."""
    beats = voices.shape[-1] / STEPS_PER_BEAT
    return np.asarray(voices[:, ONSET].sum(axis=(1, 2)) / beats)
