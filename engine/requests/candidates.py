"""Several answers to one request, and the one that the others agree with most. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import STEPS_PER_BEAT, PitchRange
from engine.music.roll import Cells, PianoRoll
from engine.requests.request import ChordCell, FillRequest

_Answer = tuple[PianoRoll, tuple[ChordCell, ...]]
_SEEDS_APART = 0x5851F5
"""Between the seeds of two answers: another distance than between the plans that one answer draws
(`engine.diffusion.harmony_sampler`), or answers would share plans."""


_SILENCE = 1e-3
"""Cells that two beats have in common anyway: so two silences are alike."""


class Drafter(Protocol):
    """What answers: a Generator."""

    def fill_with_chords(self, request: FillRequest) -> _Answer:
        """Return the request's roll, filled, and the harmony plan it follows."""
        ...


class ManyFiller(Protocol):
    """What answers many at once: a Generator, a SystemPlayer."""

    @property
    def pitches(self) -> PitchRange:
        """Those of its rolls."""
        ...

    def fill_many(self, requests: Sequence[FillRequest]) -> list[PianoRoll]:
        """Return the rolls, filled, in the same order."""
        ...


def best_of(drafter: Drafter, request: FillRequest, count: int) -> _Answer:
    """Fill `request` with `count` seeds, its own the first, and return the most agreed answer.

    That is the draw of the least expected error (minimum Bayes risk: Kumar and Byrne, "Minimum
    Bayes-risk decoding for statistical machine translation", 2004).
    """
    answers = [drafter.fill_with_chords(each) for each in _seeded(request, count)]
    return answers[most_agreed([roll.cells for roll, _ in answers], ~request.known)]


class BestOf:
    """Plays as `player` does, and answers each request with the best of `count`."""

    def __init__(self, player: ManyFiller, count: int) -> None:
        self._player, self._count = player, count

    @property
    def pitches(self) -> PitchRange:
        """Those of its rolls."""
        return self._player.pitches

    def fill_many(self, requests: Sequence[FillRequest]) -> list[PianoRoll]:
        """Return the most agreed answers, in the same order."""
        tries = zip(*(_seeded(request, self._count) for request in requests), strict=True)
        rounds = [self._player.fill_many(each) for each in tries]
        answers = zip(requests, zip(*rounds, strict=True), strict=True)
        return [
            rolls[most_agreed([roll.cells for roll in rolls], ~request.known)]
            for request, rolls in answers
        ]


def _seeded(request: FillRequest, count: int) -> list[FillRequest]:
    settings = request.settings
    seeds = [settings.seed + index * _SEEDS_APART for index in range(count)]
    return [replace(request, settings=replace(settings, seed=each)) for each in seeds]


def most_agreed(rolls: Sequence[Cells], free: NDArray[np.bool_]) -> int:
    """Index of the roll that all the others are most like.

    The likeness of two is the mean, over the beats, of the share of their free cells that they
    have in common (Dice 1945); two silences are alike. Were cells counted over all beats at once,
    the fullest roll would win, or, less what is usual, the emptiest where they are unsure. Shapes
    of rolls and `free` (where cells count): [V, P, K, S].
    """
    cells = np.stack([(roll & free).reshape(-1, roll.shape[-1]) for roll in rolls])
    rest = -cells.shape[-1] % STEPS_PER_BEAT
    beats = np.pad(cells, ((0, 0), (0, 0), (0, rest))).reshape(*cells.shape[:2], -1, STEPS_PER_BEAT)
    of_beat = beats.transpose(2, 0, 1, 3).reshape(beats.shape[2], len(rolls), -1)
    marks = of_beat.astype(np.float32)
    both = marks @ marks.transpose(0, 2, 1)
    counts = marks.sum(axis=2)
    sums = counts[:, :, None] + counts[:, None]
    alike = (2.0 * both + _SILENCE) / (sums + _SILENCE)
    return int(np.argmax(alike.sum(axis=(0, 2))))
