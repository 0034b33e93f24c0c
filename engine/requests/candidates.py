"""Several answers to one request, and the one that the others agree with most. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.music.roll import Cells, PianoRoll
from engine.requests.request import ChordCell, FillRequest

_Answer = tuple[PianoRoll, tuple[ChordCell, ...]]
_SEEDS_APART = 0x5851F5
"""Between the seeds of two answers: another distance than between the plans that one answer draws
(`engine.diffusion.harmony_sampler`), or answers would share plans."""


class Drafter(Protocol):
    """What answers: a Generator."""

    def fill_with_chords(self, request: FillRequest) -> _Answer:
        """Return the request's roll, filled, and the harmony plan it follows."""
        ...


def best_of(drafter: Drafter, request: FillRequest, count: int) -> _Answer:
    """Fill `request` with `count` seeds, its own the first, and return the most agreed answer.

    That is the draw of the least expected error (minimum Bayes risk: Kumar and Byrne, "Minimum
    Bayes-risk decoding for statistical machine translation", 2004).
    """
    seed = request.settings.seed
    seeds = [seed + index * _SEEDS_APART for index in range(count)]
    settings = [replace(request.settings, seed=each) for each in seeds]
    answers = [drafter.fill_with_chords(replace(request, settings=each)) for each in settings]
    return answers[most_agreed([roll.cells for roll, _ in answers], ~request.known)]


def most_agreed(rolls: Sequence[Cells], free: NDArray[np.bool_]) -> int:
    """Index of the roll that shares most of its free cells with all of them.

    What counts is how much more it shares than as many cells would on average: else the fullest
    roll would win. Shapes of rolls and `free` (where cells count): [V, P, K, S].
    """
    cells = np.stack([roll[free] for roll in rolls]).astype(np.float64)
    mean = cells.mean(axis=0)
    usual = float((mean * mean).sum() / max(mean.sum(), 1e-9))
    return int(np.argmax(cells @ mean - usual * cells.sum(axis=1)))
