"""The key that music is in, read from how long each pitch class sounds. No state, no time.

Source: the probe-tone profiles of Krumhansl and Kessler (1982), by correlation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.music.chord_names import FLATS, SHARPS
from engine.music.roll import Note

_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_FLAT_MAJORS = frozenset({5, 10, 3, 8, 1, 6})
_SCALES = {False: (0, 2, 4, 5, 7, 9, 11), True: (0, 2, 3, 5, 7, 8, 10, 11)}
"""By `minor`: a minor key has its leading tone beside the natural seventh."""
_FEWEST_CLASSES = 3
"""Fewer different notes say nothing of the key."""


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic's pitch class, 0 is C, in major or minor."""

    tonic: int
    minor: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the pitch classes as this key writes them."""
        major = (self.tonic + 3) % 12 if self.minor else self.tonic
        return FLATS if major in _FLAT_MAJORS else SHARPS

    @property
    def sharps(self) -> int:
        """How many sharps its signature has; below 0 flats."""
        major = (self.tonic + 3) % 12 if self.minor else self.tonic
        fifths = major * 7 % 12
        return fifths - 12 if major in _FLAT_MAJORS else fifths

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The notes of its scale; minor with both sevenths."""
        return frozenset((self.tonic + tone) % 12 for tone in _SCALES[self.minor])

    def __str__(self) -> str:
        return f"{self.names[self.tonic]} {'minor' if self.minor else 'major'}"


def _profiles() -> NDArray[np.float64]:
    """[24, 12] unit vectors: C major, C minor, C# major, ..."""
    rows = []
    for tonic in range(12):
        for profile in (_MAJOR, _MINOR):
            row = np.roll(np.array(profile) - np.mean(profile), tonic)
            rows.append(row / np.linalg.norm(row))
    return np.stack(rows)


_PROFILES = _profiles()


def class_weights(notes: Iterable[Note]) -> NDArray[np.float64]:
    """Return steps that each pitch class sounds, [12]."""
    weights = np.zeros(12)
    for note in notes:
        weights[note.pitch % 12] += note.length_steps
    return weights


def read_key(
    weights: NDArray[np.float64], before: Key | None = None, margin: float = 0.0
) -> Key | None:
    """Return the key that fits best; `before` where it fits less than `margin` (of correlation)
    worse.

    None, or `before`, where fewer than _FEWEST_CLASSES pitch classes sound.
    """
    centred = weights - weights.mean()
    if np.count_nonzero(weights) < _FEWEST_CLASSES or not centred.any():
        return before
    fits = _PROFILES @ (centred / np.linalg.norm(centred))
    best = int(np.argmax(fits))
    if before is not None and fits[best] - fits[2 * before.tonic + before.minor] < margin:
        return before
    return Key(best // 2, bool(best % 2))
