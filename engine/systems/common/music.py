"""Notes of a packed corpus, piece by piece, for codecs that are not rolls. numpy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.training.dataset import Pack
from engine.training.feed import make_windows

_TURN = 6
"""Transposition in training: up to so many semitones up or down."""


class Excerpt(NamedTuple):
    """Notes of one piece in order of onset. onset, end: absolute steps; all int64 [note]."""

    onset: NDArray[np.int64]
    end: NDArray[np.int64]
    pitch: NDArray[np.int64]

    def part(self, first: int, last: int) -> Excerpt:
        """Return notes [first, last)."""
        return Excerpt(*(column[first:last] for column in self))

    def turned(self, semitones: int) -> Excerpt:
        """So many semitones higher."""
        return self._replace(pitch=self.pitch + semitones)


class Pieces:
    """Draws pieces of one split (0 train, 1 valid) as often as `train` draws their music."""

    def __init__(self, pack: Pack, split: int) -> None:
        windows = make_windows(pack, split, 0)
        self.pack, self.share = pack, np.asarray(windows.share)  # type: ignore[union-attr]

    def any(self, rng: np.random.Generator) -> Excerpt:
        """Return a whole piece."""
        return self.piece(int(np.searchsorted(self.share, rng.random(), side="right")))

    def piece(self, index: int) -> Excerpt:
        """Piece `index` of the pack, its notes by onset, then pitch."""
        pack = self.pack
        span = slice(int(pack.first_note[index]), int(pack.first_note[index + 1]))
        order = np.lexsort((pack.pitch[span], pack.onset[span]))
        return Excerpt(*(column[span][order] for column in (pack.onset, pack.end, pack.pitch)))


def turn(rng: np.random.Generator, augment: bool) -> int:
    """Return semitones to transpose by."""
    return int(rng.integers(-_TURN, _TURN + 1)) if augment else 0
