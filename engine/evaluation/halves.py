"""How windows are split into halves at random, and whose accompaniment stands for another piece's.

A wrong piece lies in the same half as the window it is laid under, so that no half meets its own
notes in the other. numpy only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from engine.music.roll import Floats

_SPLITS = 50
_SEED = 0
_FEWEST_PAIRED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """a, b: windows of half A and of half B in each split, 0.0 or 1.0, [splits, windows] each.

    partners: for each window the one whose accompaniment is the wrong piece's, [windows].
    """

    partners: NDArray[np.int64]
    a: Floats
    b: Floats

    @classmethod
    def by_windows(cls, windows: int, splits: int = _SPLITS) -> Partition:
        """Return each window for itself. Windows 0 and 1, 2 and 3, ... are partners; an odd last
        has 0.

        Halves are of equal size; up to three windows stand aside. Raises ValueError for fewer than
        four windows.
        """
        half = windows // 4
        if half == 0:
            raise ValueError(
                f"{windows} windows cannot be split into halves of pairs; want at least 4"
            )
        rng = np.random.default_rng(_SEED)
        order = np.stack([rng.permutation(windows // 2) for _ in range(splits)])
        sides = np.zeros((2, splits, windows))
        for side, pairs in zip(sides, (order < half, order >= windows // 2 - half), strict=True):
            side[:, : windows // 2 * 2] = np.repeat(pairs, 2, axis=1)
        partners = np.arange(windows) ^ 1
        partners[partners == windows] = 0
        return cls(partners, sides[0], sides[1])

    @classmethod
    def by_pieces(
        cls, pieces: Sequence[int] | NDArray[np.int64], splits: int = _SPLITS
    ) -> Partition:
        """Keep windows of one piece together. pieces: the piece of each window.

        Pieces are partners two by two, in order of first appearance; an odd last joins the pair
        before. Of two or three pieces each stands alone, so that they can be split at all. Halves
        are as equal as that allows. Raises ValueError for a single piece.
        """
        windows_of: dict[int, list[int]] = defaultdict(list)
        for window, piece in enumerate(pieces):
            windows_of[int(piece)].append(window)
        found = list(windows_of.values())
        if len(found) < 2:
            raise ValueError("all windows are of one piece; halves want two pieces or more")
        circles = _circles(found)
        partners = np.zeros(len(pieces), np.int64)
        for circle in circles:
            for mine, theirs in zip(circle, [*circle[1:], circle[0]], strict=True):
                partners[mine] = np.resize(theirs, len(mine))
        groups = (
            found if len(found) < _FEWEST_PAIRED else [list(chain(*circle)) for circle in circles]
        )
        rng = np.random.default_rng(_SEED)
        in_a = np.stack([_half(groups, rng, len(pieces)) for _ in range(splits)])
        return cls(partners, in_a, 1 - in_a)


def _circles(found: list[list[int]]) -> list[list[list[int]]]:
    """Pieces (their windows) by twos, the last by threes where they are odd."""
    if len(found) < _FEWEST_PAIRED:
        return [found]
    circles = [found[i : i + 2] for i in range(0, len(found), 2)]
    if len(circles[-1]) == 1:
        circles[-2:] = [[*circles[-2], *circles[-1]]]
    return circles


def _half(groups: list[list[int]], rng: np.random.Generator, windows: int) -> Floats:
    """Half A, [windows]: in random order each group goes where fewer windows are."""
    in_a = np.zeros(windows)
    counts = [0, 0]
    for index in rng.permutation(len(groups)):
        side = int(counts[0] > counts[1])
        counts[side] += len(groups[index])
        in_a[groups[index]] = 1 - side
    return in_a
