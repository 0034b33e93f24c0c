"""Training windows from a packed corpus: which music, which task, what is known.

Needs numpy alone. A window starts on any beat of a piece, is transposed at random, and is cut by
a random task; see `draw_mask` for the tasks and `Windows.batch` for the arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.batch import Batch, density_bucket
from engine.music.grid import (
    ACCOMPANIMENT,
    LEAD,
    ONSET,
    PIANO,
    STEPS_PER_BEAT,
    STEPS_PER_TOKEN,
)
from engine.requests.request import STYLES
from engine.training.context_corruption import corrupted
from engine.training.pack_check import DamagedPackError, check_arrays, check_size

PACK_FORMAT = 1
_LOOK_BACK_STEPS = 16 * STEPS_PER_BEAT  # notes that began this long before a window still sound
_SKYLINE = 2
FEWEST_NOTES = 4
"""A piece, and wherever possible a window, has at least so many."""
_MOST_TRIES = 100
_LONGEST_HORIZON_STEPS = 4 * STEPS_PER_BEAT
_LONGEST_MEMORY_STEPS = 4 * STEPS_PER_BEAT
"""Half of the windows to anticipate know no more than this of their own past."""


class PackError(ValueError):
    """A packed data file that cannot be read."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A corpus in memory. Note arrays are flat; piece i owns [first_note[i], first_note[i+1])."""

    corpora: tuple[str, ...]
    onset: NDArray[np.int64]
    end: NDArray[np.int64]
    pitch: NDArray[np.int64]
    voice: NDArray[np.int64]
    first_note: NDArray[np.int64]
    piece_corpus: NDArray[np.int64]
    piece_split: NDArray[np.int64]
    piece_beats: NDArray[np.int64]
    meters: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]


def load_pack(path: Path) -> Pack:
    """Read what `engine.training.corpus.pack` wrote. Raises PackError."""
    try:
        # numpy leaves a file open that is no archive after all, so we open it.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            check_size(data.zip.infolist() if data.zip else ())
            raw = {name: data[name] for name in data.files}
            if int(raw["format"]) > PACK_FORMAT:
                raise PackError("packed by a newer midi-diffuse; upgrade, or pack it again")
            check_arrays(raw)
            return _unpack(raw)
    except FileNotFoundError:
        raise PackError(f"{path}: no such file") from None
    except PackError:
        raise
    except Exception as err:  # zlib, zipfile and numpy each have errors of their own for damage
        why = str(err) if isinstance(err, DamagedPackError) else type(err).__name__
        raise PackError(
            f"{path}: damaged, or not a packed corpus ({why}); make one with "
            "`midi-diffuse train --data FOLDER --pack FILE`"
        ) from None


def _unpack(raw: dict[str, NDArray[np.generic]]) -> Pack:
    pieces = raw["pieces"].astype(np.int64)
    first = np.concatenate([[0], np.cumsum(pieces[:, 2])])
    # Stored as differences inside each piece: one cumulative sum, less what came before.
    running = np.cumsum(raw["onset_step"].astype(np.int64))
    before = np.where(first[:-1] > 0, running[first[:-1] - 1], 0)
    onset = running - np.repeat(before, pieces[:, 2])
    end = onset + raw["length_steps"].astype(np.int64)
    beats = -(-np.maximum.reduceat(end, first[:-1]) // STEPS_PER_BEAT)
    rows = raw["meters"].astype(np.int64)
    splits = np.searchsorted(rows[:, 0], np.arange(len(pieces) + 1))
    return Pack(
        corpora=tuple(str(name) for name in raw["corpora"]),
        onset=onset,
        end=end,
        pitch=raw["pitch"].astype(np.int64),
        voice=raw["voice"].astype(np.int64),
        first_note=first,
        piece_corpus=pieces[:, 0],
        piece_split=pieces[:, 1],
        piece_beats=beats,
        meters=tuple((rows[a:b, 1], rows[a:b, 2]) for a, b in pairwise(splits)),
    )


def draw_mask(rng: np.random.Generator, steps: int) -> NDArray[np.bool_]:
    """Return a random task as bool[voice, step], True where known. Boundaries lie on sixteenths."""
    known = np.zeros((2, steps), np.bool_)
    choice = rng.random()

    def place(low: float, high: float) -> int:
        return int(rng.uniform(low, high) * steps) // STEPS_PER_TOKEN * STEPS_PER_TOKEN

    if choice < 0.25:  # harmonize from nothing
        known[LEAD] = True
    elif choice < 0.40:  # harmonize on: the accompaniment so far is known
        known[LEAD] = True
        known[ACCOMPANIMENT, : place(0, 0.8)] = True
    elif choice < 0.74:  # anticipate: what `live` needs, over a spread of horizons and memories
        now = place(0.0, 0.85)
        ahead = int(rng.integers(0, _LONGEST_HORIZON_STEPS + 1))
        horizon = min(now + ahead, steps - STEPS_PER_TOKEN)
        memory = int(rng.integers(0, _LONGEST_MEMORY_STEPS + 1)) if rng.random() < 0.5 else steps
        horizon, begin = (
            step // STEPS_PER_TOKEN * STEPS_PER_TOKEN
            for step in (horizon, max(horizon - memory, 0))
        )
        known[LEAD, :now] = True
        known[ACCOMPANIMENT, begin:horizon] = True
    elif choice < 0.82:  # continue
        known[:, : place(0.1, 0.8)] = True
    elif choice < 0.91:  # infill, of one voice or of both
        start = place(0, 0.7)
        stop = start + max(place(0.1, 0.5), STEPS_PER_TOKEN)
        known[:] = True
        known[ACCOMPANIMENT if rng.random() < 0.5 else slice(None), start:stop] = False
    elif choice < 0.93:  # find a melody for these chords
        known[ACCOMPANIMENT] = True
    return known  # else: generate


class Windows:
    """Draws batches from one split. Owner: one thread; `rng` decides everything."""

    def __init__(
        self,
        pack: Pack,
        split: int,
        weights: dict[str, float],
        styles: dict[str, str],
        rng: np.random.Generator,
    ) -> None:
        self.pack, self.rng, self.styles = pack, rng, styles
        share = np.zeros(len(pack.piece_beats))
        for index, corpus in enumerate(pack.corpora):
            mine = (pack.piece_corpus == index) & (pack.piece_split == split)
            beats = pack.piece_beats * mine
            if beats.sum():
                share += weights.get(corpus, 1.0) * beats / beats.sum()
        if share.sum() == 0:
            raise PackError("the packed corpus has no piece in this split")
        self.share = share.cumsum() / share.sum()

    def batch(self, size: int, beats: int, augment: float = 1.0) -> Batch:
        """`size` windows of `beats` beats. `augment` 0 turns transposition and corruptions off."""
        return self.batch_and_pieces(size, beats, augment)[0]

    def batch_and_pieces(
        self, size: int, beats: int, augment: float = 1.0
    ) -> tuple[Batch, NDArray[np.int64]]:
        """Return the same, and the number of the piece in the pack that each window is of,
        [size]."""
        steps = beats * STEPS_PER_BEAT
        parts = [self._window(steps, augment) for _ in range(size)]
        lists: list[list[NDArray[np.int64]]] = [[], []]
        for index, part in enumerate(parts):
            for out, notes in zip(lists, (part.notes, part.context_notes), strict=True):
                out.append(np.column_stack([np.full(len(notes), index), notes]))
        target, context = (cells_of_rows(np.concatenate(rows), size, steps) for rows in lists)
        mask = np.stack([draw_mask(self.rng, steps) for _ in range(size)])
        free = ~mask[:, ACCOMPANIMENT]
        onsets = (target[:, ACCOMPANIMENT, ONSET].sum(axis=1) * free).sum(axis=1)
        per_beat = onsets / np.maximum(free.sum(axis=1) / STEPS_PER_BEAT, 0.25)
        kept = self.rng.random((2, size)) < np.array([[0.85], [0.6]])
        batch = Batch(
            target=target,
            context=context,
            mask=mask,
            phase=np.stack([part.phase for part in parts]),
            bar=np.stack([part.bar for part in parts]),
            style=np.array([part.style for part in parts]) * kept[0],
            density=np.array([density_bucket(d) for d in per_beat]) * kept[1] * free.any(axis=1),
        )
        return batch, np.array([part.piece for part in parts], np.int64)

    def _window(self, steps: int, augment: float) -> _Window:
        """Return a window with some music in it; where that is rare, the fullest of many."""
        tried = []
        for _ in range(_MOST_TRIES):
            tried.append(self._anywhere(steps))
            if len(tried[-1][2]) >= FEWEST_NOTES:
                break
        piece, start, notes = max(tried, key=lambda place: len(place[2]))
        return self._dress(piece, start, steps, notes, augment)

    def _anywhere(self, steps: int) -> tuple[int, int, NDArray[np.int64]]:
        """Return a random piece, a random beat of it as a step, and the notes there."""
        piece = int(np.searchsorted(self.share, self.rng.random(), side="right"))
        last_beat = max(int(self.pack.piece_beats[piece]) - 4, 1)
        start = int(self.rng.integers(0, last_beat)) * STEPS_PER_BEAT
        return piece, start, self._notes(piece, start, steps)

    def _notes(self, piece: int, start: int, steps: int) -> NDArray[np.int64]:
        """int64[note, (onset, end, pitch, voice)] of the window, times relative to its start."""
        first, last = self.pack.first_note[piece], self.pack.first_note[piece + 1]
        onset = self.pack.onset[first:last]
        a = first + int(np.searchsorted(onset, start - _LOOK_BACK_STEPS))
        b = first + int(np.searchsorted(onset, start + steps))
        sounding = self.pack.end[a:b] > start
        columns = (self.pack.onset, self.pack.end, self.pack.pitch, self.pack.voice)
        notes = np.column_stack([column[a:b][sounding] for column in columns])
        notes[:, :2] -= start
        return notes

    def _dress(
        self, piece: int, start: int, steps: int, notes: NDArray[np.int64], augment: float
    ) -> _Window:
        rng, pack = self.rng, self.pack
        skyline_leads = rng.random() < 0.6
        voice = notes[:, 3]
        voice[voice == _SKYLINE] = LEAD if skyline_leads else ACCOMPANIMENT
        if rng.random() < 0.06:
            voice[:] = ACCOMPANIMENT
        if augment:
            notes[:, 2] += int(rng.integers(-6, 7))
        context_notes = corrupted(notes, steps, rng) if augment else notes
        starts, lengths = pack.meters[piece]
        tokens = start + np.arange(0, steps, STEPS_PER_TOKEN)
        index = np.maximum(np.searchsorted(starts, tokens, side="right") - 1, 0)
        corpus = pack.corpora[pack.piece_corpus[piece]]
        return _Window(
            piece=piece,
            notes=notes,
            context_notes=context_notes,
            phase=(tokens - starts[index]) % lengths[index],
            bar=lengths[index],
            style=STYLES.index(self.styles.get(corpus, "any")),
        )


@dataclass(frozen=True, slots=True)
class _Window:
    piece: int
    notes: NDArray[np.int64]
    context_notes: NDArray[np.int64]
    phase: NDArray[np.int64]
    bar: NDArray[np.int64]
    style: int


def cells_of_rows(rows: NDArray[np.int64], size: int, steps: int) -> NDArray[np.bool_]:
    """Return rows int64[note, (window, onset, end, pitch, voice)] to cells bool[size, 2, 2, 88,
    steps]."""
    rows = rows[(rows[:, 3] >= PIANO.low) & (rows[:, 3] <= PIANO.high)]
    window, onset, end, voice = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 4]
    row = rows[:, 3] - PIANO.low
    edges = np.zeros((size, 2, PIANO.size, steps + 1), np.int16)
    np.add.at(edges, (window, voice, row, np.clip(onset + 1, 0, steps)), 1)
    np.add.at(edges, (window, voice, row, np.clip(end, 0, steps)), -1)
    onsets = np.zeros((size, 2, PIANO.size, steps), np.bool_)
    inside = (onset >= 0) & (onset < steps)
    onsets[window[inside], voice[inside], row[inside], onset[inside]] = True
    sustain = (np.cumsum(edges[..., :-1], axis=-1) > 0) & ~onsets
    return np.stack([onsets, sustain], axis=2)
