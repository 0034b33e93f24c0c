"""Chorales as lists of frames: the JSON files of the JSB benchmark. numpy only.

The file maps a split (`train`, `valid`, `test`) to pieces, a piece to frames, a frame to the MIDI
pitches that sound in it (Boulanger-Lewandowski et al. 2012; a frame of the quarter grid is one
beat). Nothing is cut: a batch holds whole pieces, and what fills the shorter ones up is marked as
known, which neither the loss nor the bound counts and the network cannot see.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.batch import Batch
from engine.music.grid import PIANO
from engine.training.dataset import PackError

CHORALE_SPLITS = ("train", "valid", "test")
_LIKE_LENGTH_FRAMES = 8  # how loosely the pieces of a batch are alike in length


class ChoraleError(PackError):
    """A file of chorales that cannot be used; the message says why and what to do."""


Rolls = tuple[NDArray[np.bool_], ...]
"""One bool[K, S] a piece: K = 88 keys, S frames."""


@dataclass(frozen=True, slots=True)
class Chorales:
    """A file of chorales in memory: the pieces of each split that it has."""

    splits: dict[str, Rolls]
    corpora: tuple[str, ...]

    def pieces(self, split: str) -> Rolls:
        """Return the pieces of a split; ChoraleError where the file has none."""
        if not self.splits.get(split):
            there = ", ".join(name for name, rolls in self.splits.items() if rolls)
            raise ChoraleError(f"no piece in the split {split!r}; this file has: {there or 'none'}")
        return self.splits[split]


def load_chorales(path: Path) -> Chorales:
    """Read a file; raises ChoraleError if it is no such file or has pitches no piano has."""
    try:
        found = json.loads(path.read_text())
        splits = {
            name: tuple(_roll(piece) for piece in found.get(name, ())) for name in CHORALE_SPLITS
        }
    except FileNotFoundError:
        raise ChoraleError(f"{path}: no such file") from None
    except ChoraleError as err:
        raise ChoraleError(f"{path}: {err}") from None
    except (OSError, ValueError, TypeError, AttributeError) as err:
        raise ChoraleError(
            f"{path}: not a file of chorales ({type(err).__name__}); it wants JSON such as "
            '{"train": [[[60, 64, 67], [59, 62, 67]]], "valid": ...}: pieces of frames of pitches'
        ) from None
    return Chorales(splits, (path.stem,))


def _roll(frames: list[list[int]]) -> NDArray[np.bool_]:
    """Return a piece's frames of MIDI pitches as cells, bool[88, S]."""
    if not frames:
        raise ChoraleError("a piece without a frame; leave it out")
    cells = np.zeros((PIANO.size, len(frames)), np.bool_)
    for index, pitches in enumerate(frames):
        for pitch in pitches:
            if pitch != int(pitch) or not PIANO.low <= pitch <= PIANO.high:
                raise ChoraleError(f"pitch {pitch} in frame {index} is not on a piano's keys")
            cells[int(pitch) - PIANO.low, index] = True
    return cells


class PieceWindows:
    """Draws batches of whole pieces. Owner: one thread; `rng` decides everything."""

    def __init__(self, pieces: Rolls, rng: np.random.Generator) -> None:
        self.pieces, self.rng = pieces, rng
        self.lengths = np.array([piece.shape[1] for piece in pieces])
        used = [np.flatnonzero(piece.any(axis=1)) for piece in pieces]
        self.room = [
            (-int(r.min()), PIANO.size - 1 - int(r.max())) if len(r) else (0, 0) for r in used
        ]

    def batch(self, size: int, beats: int, augment: float = 1.0) -> Batch:
        """`size` pieces of like length, each as often as any other; `beats` says nothing here.

        With `augment` each is transposed by -5 to 6 semitones, as far as the keys go.
        """
        noise = self.rng.uniform(-_LIKE_LENGTH_FRAMES, _LIKE_LENGTH_FRAMES, len(self.pieces))
        order = np.argsort(self.lengths + noise)
        first = self.rng.integers(len(order))
        chosen = order[(first + np.arange(size)) % len(order)]
        shifts = self.rng.integers(-5, 7, size) if augment else np.zeros(size, np.int64)
        rolls = [
            self._transposed(int(i), int(shift)) for i, shift in zip(chosen, shifts, strict=True)
        ]
        return padded(rolls)

    def _transposed(self, index: int, shift: int) -> NDArray[np.bool_]:
        lowest, highest = self.room[index]
        return np.roll(self.pieces[index], min(max(shift, lowest), highest), axis=0)


def padded(rolls: Rolls | list[NDArray[np.bool_]]) -> Batch:
    """Whole pieces as one batch, target bool[B, 1, 1, 88, S] with S the longest's frames.

    mask is True where a piece is over: nothing is free there.
    """
    size, steps = len(rolls), max(roll.shape[1] for roll in rolls)
    target = np.zeros((size, 1, 1, PIANO.size, steps), np.bool_)
    over = np.ones((size, 1, steps), np.bool_)
    for index, roll in enumerate(rolls):
        target[index, 0, 0, :, : roll.shape[1]] = roll
        over[index, 0, : roll.shape[1]] = False
    frames, hints = np.zeros((size, steps), np.int64), np.zeros(size, np.int64)
    return Batch(target, target, over, frames, frames, hints, hints)
