"""Batches for a training run: which windows, in which shape, drawn ahead by a thread."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.batch import Batch, Drawing, merged_batch
from engine.diffusion.key_normalisation import key_normalised, some_alone
from engine.model.checkpoint import Family
from engine.training.chorales import CHORALE_SPLITS, Chorales, PieceWindows, load_chorales
from engine.training.corpus_table import CORPORA
from engine.training.dataset import Pack, PackError, Windows, load_pack

_AHEAD = 3
_ALONE = 0.4
"""Of the windows to harmonize from nothing, so a tenth of all."""
MUSIC: dict[str, Callable[[Path], Pack | Chorales]] = {
    "pack": load_pack,
    "chorales": load_chorales,
}
"""What a family's music is read from, by `Family.music`."""


def measure_prior(windows: Drawing, family: Family, count: int = 200) -> NDArray[np.float64]:
    """Return mean density [voice, plane, 1, 1] of `count` windows: the prior of the process.

    Where the family has a prior of its own, that one.
    """
    if family.prior:
        return np.full((1, 1, 1, 1), family.prior)
    target = shaped(windows.batch(count, 8, augment=0.0), family).target
    return np.asarray(target.mean(axis=(0, 3, 4)))[:, :, None, None]


def shaped(batch: Batch, family: Family, rng: np.random.Generator | None = None) -> Batch:
    """Return the batch as the family's network has its rolls; chorales come as such.

    rng: in training, what decides which windows are played alone.
    """
    if family.music != "pack":
        return batch
    if family.merged:
        return merged_batch(batch, family.pitches)
    return key_normalised(batch if rng is None else some_alone(batch, _ALONE, rng))


@contextmanager
def prefetched(
    windows: Drawing, family: Family, size: int, beats: int, seed: int, first: int = 0
) -> Iterator[Callable[[], Batch]]:
    """Endless batches drawn by a thread of their own; call what this gives for the next one.

    Batch i depends on (`seed`, i) alone; `first` is the i to begin with. So a resumed run goes on
    with the very batches it would have seen.

    Where the family has it so, batches of twice the windows of half the length and of half the
    windows of twice the length come in turn: the same work, short and long memory. An error of
    the thread is raised by the call.
    """
    ready: queue.Queue[Batch | Exception] = queue.Queue(_AHEAD)
    over = threading.Event()
    kinds = [(size, beats)]
    if family.mixed_lengths:
        kinds += [(2 * size, beats // 2), (max(size // 2, 1), 2 * beats)]

    def fill() -> None:
        try:
            for index in itertools.count(first):
                count, length = kinds[index % len(kinds)]
                windows.rng = np.random.default_rng((seed, index))
                batch = shaped(windows.batch(count, length), family, windows.rng)
                while not over.is_set():
                    with suppress(queue.Full):
                        ready.put(batch, timeout=0.2)
                        break
                if over.is_set():
                    return
        except Exception as err:
            ready.put(err)

    def following() -> Batch:
        batch = ready.get()
        if isinstance(batch, Exception):
            raise batch
        return batch

    thread = threading.Thread(target=fill, name="windows", daemon=True)
    thread.start()
    try:
        yield following
    finally:
        over.set()
        thread.join()


def make_windows(music: Pack | Chorales, split: int, seed: int) -> Windows | PieceWindows:
    """Return windows of a split (0 train, 1 valid) with the shipped corpora's weights; others weigh
    1.

    Of chorales: whole pieces, each as often as any other.
    """
    rng = np.random.default_rng(seed)
    if isinstance(music, Chorales):
        return PieceWindows(music.pieces(CHORALE_SPLITS[split]), rng)
    return pack_windows(music, split, seed)


def pack_windows(pack: Pack, split: int, seed: int, style: str = "any") -> Windows:
    """Return windows of a split, with the shipped corpora's weights, 1 for others; of one style
    alone where that is not `any`. Raises PackError where the split has no piece of it."""
    weights = {name: share for name, (_, share) in CORPORA.items() if share > 0}
    styles = {name: of for name, (of, _) in CORPORA.items()}
    if style != "any":
        weights = {
            name: weights.get(name, 1.0) * (styles.get(name) == style) for name in pack.corpora
        }
        if not any(weights.values()):
            raise PackError(
                f"the packed corpus has no piece of the style {style}; it has: "
                f"{', '.join(pack.corpora)}"
            )
    return Windows(pack, split, weights, styles, np.random.default_rng(seed))
