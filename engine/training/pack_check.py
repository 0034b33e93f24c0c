"""Is what a packed corpus holds a corpus? Checked before anything is computed from it.

A pack may come from anywhere. What is wrong in it is told in one line, and never reaches the
training as an index that there is not or as a piece of a thousand hours.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import STEPS_PER_BEAT

Raw = Mapping[str, NDArray[np.generic]]
_MOST_BYTES = 2 << 30
"""Of all arrays together, unpacked: some 250 million notes."""
_LONGEST_STEPS = 20_000 * STEPS_PER_BEAT
"""No piece has an onset beyond: as long as a MIDI file may be."""
_HIGHEST_PITCH, _VOICES, _SPLITS = 127, 3, 2
_COLUMNS = ("onset_step", "length_steps", "pitch", "voice")


class DamagedPackError(ValueError):
    """It is no corpus; the message says why in a few words."""


def check_size(files: Iterable[zipfile.ZipInfo]) -> None:
    """Raise DamagedPackError where unpacking would take too much memory."""
    size = sum(file.file_size for file in files)
    if size > _MOST_BYTES:
        raise DamagedPackError(f"unpacked it has {size:,} bytes; at most {_MOST_BYTES:,}")


def check_arrays(raw: Raw) -> None:
    """Raise DamagedPackError where the arrays are not what `corpus.pack` writes.

    KeyError where one is missing.
    """
    _want(raw["corpora"].ndim == 1 and raw["corpora"].dtype.kind == "U", "corpora are no names")
    pieces, meters = _rows(raw["pieces"], "pieces"), _rows(raw["meters"], "meters")
    columns = [_whole(raw[name], name) for name in _COLUMNS]
    counts = pieces[:, 2]
    notes = len(columns[0])
    _want(all(len(each) == notes for each in columns), "some notes have no pitch, length or voice")
    _want(_within(counts, 1, notes) and int(counts.sum()) == notes, "its counts of notes are wrong")
    _check_notes(columns, counts)
    _want(_within(pieces[:, 0], 0, len(raw["corpora"]) - 1), "a piece is of no corpus")
    _want(_within(pieces[:, 1], 0, _SPLITS - 1), "a piece is of no split")
    _check_meters(meters, len(pieces))


def _check_notes(columns: list[NDArray[np.int64]], counts: NDArray[np.int64]) -> None:
    since, length, pitch, voice = columns
    _want(_within(since, 0, _LONGEST_STEPS), "a note begins before the one before it")
    running = np.cumsum(since)
    last = np.cumsum(counts) - 1
    before = np.concatenate([[0], running[last[:-1]]])
    _want(_within(running[last] - before, 0, _LONGEST_STEPS), "a piece is absurdly long")
    _want(_within(length, 1, _LONGEST_STEPS), "a note has no length")
    _want(_within(pitch, 0, _HIGHEST_PITCH), "a note has no pitch")
    _want(_within(voice, 0, _VOICES - 1), "a note is of no voice")


def _check_meters(rows: NDArray[np.int64], pieces: int) -> None:
    piece, start, bar = rows.T
    _want(np.array_equal(np.unique(piece), np.arange(pieces)), "a piece has no meter")
    steps = np.diff(piece) * (2 * _LONGEST_STEPS) + np.diff(start)
    _want(_within(start, 0, _LONGEST_STEPS) and bool((steps >= 0).all()), "meters out of order")
    _want(_within(bar, 1, _LONGEST_STEPS), "a bar has no length")


def _rows(array: NDArray[np.generic], name: str) -> NDArray[np.int64]:
    _want(array.ndim == 2 and array.shape[1:] == (3,) and len(array) > 0, f"{name} are no rows")
    return _whole(array.reshape(-1), name).reshape(-1, 3)


def _whole(array: NDArray[np.generic], name: str) -> NDArray[np.int64]:
    _want(array.ndim == 1 and array.dtype.kind in "iu", f"{name} has no whole numbers")
    return array.astype(np.int64)


def _within(values: NDArray[np.int64], low: int, high: int) -> bool:
    return bool(((values >= low) & (values <= high)).all())


def _want(holds: bool, what: str) -> None:
    if not holds:
        raise DamagedPackError(what)
