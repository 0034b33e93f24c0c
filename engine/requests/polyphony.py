"""Keep a reply within so many notes at once, without leaving half a note. numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ONSET, SUSTAIN

Planes = NDArray[np.bool_]
"""bool[plane, pitch, step] of one voice"""


def limit_voices(planes: Planes, free: NDArray[np.bool_], voices: int) -> Planes:
    """Drop notes that begin on a free step while `voices` others sound; outer notes are kept.

    free: bool[step], where notes may be dropped. Bass first, then the top, then inwards: a chord
    that loses a voice should lose an inner one. Longer-sounding notes stay.
    """
    out = planes.copy()
    crowded = np.flatnonzero(out.any(axis=0).sum(axis=0) > voices)
    for step in crowded:
        if not free[step]:
            continue
        held = np.flatnonzero(out[SUSTAIN, :, step])
        begun = np.flatnonzero(out[ONSET, :, step])
        room = max(voices - len(held), 0)
        for row in _outer_first(begun)[room:]:
            _erase(out, int(row), int(step))
    return out


def _outer_first(rows: NDArray[np.int64]) -> list[int]:
    """Lowest, highest, second lowest, second highest, ..."""
    left, right, order = 0, len(rows) - 1, list[int]()
    while left <= right:
        order.append(int(rows[left]))
        if left != right:
            order.append(int(rows[right]))
        left, right = left + 1, right - 1
    return order


def _erase(planes: Planes, row: int, step: int) -> None:
    planes[ONSET, row, step] = False
    step += 1
    while step < planes.shape[-1] and planes[SUSTAIN, row, step]:
        planes[SUSTAIN, row, step] = False
        step += 1
