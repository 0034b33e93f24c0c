"""Held-out windows and what is reported of them: the ground every score stands on. numpy only.

The protocol is written down in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.batch import Batch
from engine.music.grid import (
    ACCOMPANIMENT,
    LEAD,
    ONSET,
    STEPS_PER_BEAT,
    STEPS_PER_TOKEN,
    GridError,
    Meter,
    MeterMap,
)
from engine.requests.request import STYLES
from engine.training.dataset import Pack, PackError
from engine.training.feed import pack_windows

CHUNK = 16
"""Windows drawn, and scored, at a time."""
_FIELDS = ("target", "context", "mask", "phase", "bar", "style", "density")
_Known = NDArray[np.bool_]
"""bool[voice, step], True where a voice is known"""


def _lead(known: _Known) -> None:
    known[LEAD] = True


def _first_half(known: _Known) -> None:
    known[:, : known.shape[1] // 2] = True


def _live(known: _Known) -> None:
    # One beat more of our own: it is committed already when a plan is made.
    half = known.shape[1] // 2
    known[LEAD, :half] = True
    known[ACCOMPANIMENT, : half + STEPS_PER_BEAT] = True


def _all_but_the_middle(known: _Known) -> None:
    known[:] = True
    known[:, known.shape[1] // 4 : 3 * known.shape[1] // 4] = False


def _nothing(known: _Known) -> None:
    known[:] = False


MASKS: dict[str, Callable[[_Known], None]] = {
    "harmonize": _lead,
    "live": _live,
    "continue": _first_half,
    "infill": _all_but_the_middle,
    "generate": _nothing,
}
"""What is known in each task that can be scored; `vary` starts from the answer, so none is."""


def task_mask(task: str, steps: int) -> _Known:
    """Return what a task knows of a window, bool[voice, step]."""
    known = np.zeros((2, steps), np.bool_)
    MASKS[task](known)
    return known


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """What to score. beats: window length; levels, draws: of the bound.

    fit_windows: train windows the baselines are fitted on. style: where it is not `any`, windows
    are of its corpora alone, and the network is given it. chords: `drawn` by each model, or the
    `composers`.
    """

    task: str = "harmonize"
    split: str = "valid"
    windows: int = 64
    beats: int = 16
    levels: int = 100
    draws: int = 4
    baselines: bool = True
    fit_windows: int = 1024
    seed: int = 0
    style: str = "any"
    chords: str = "drawn"


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Windows and the numbers of the pieces that they are of, [B]."""

    batch: Batch
    pieces: NDArray[np.int64]

    def only(self, rows: NDArray[np.int64]) -> HeldOut:
        """Return some of the windows."""
        return HeldOut(pick(self.batch, rows), self.pieces[rows])


def draw_windows(pack: Pack, wanted: EvaluateSettings, split: int, count: int) -> Batch:
    """Return the batch of `draw_held_out`."""
    return draw_held_out(pack, wanted, split, count).batch


def draw_held_out(pack: Pack, wanted: EvaluateSettings, split: int, count: int) -> HeldOut:
    """`count` windows in which both voices play, untransposed, without density.

    The same seed, beats and split give the same windows for every task. Raises PackError where
    the split has no piece, or hardly a window in which both voices play.
    """
    windows = pack_windows(pack, split, wanted.seed + 1000 * split, wanted.style)
    parts: list[HeldOut] = []
    have = 0
    for _ in range(50 + count):
        drawn = HeldOut(*windows.batch_and_pieces(CHUNK, wanted.beats, augment=0.0))
        batch = drawn.batch
        both = batch.target[:, :, ONSET].any(axis=(2, 3)).sum(axis=1) == 2
        parts.append(drawn.only(np.flatnonzero(both)[: count - have]))
        have += len(parts[-1].pieces)
        if have == count:
            break
    if have < count:
        raise PackError(
            f"only {have} of {count} windows of {wanted.beats} beats have notes in both voices"
        )
    batch = _join([part.batch for part in parts])
    mask = np.broadcast_to(task_mask(wanted.task, batch.target.shape[-1]), batch.mask.shape)
    nothing = np.zeros_like(batch.style)
    style = np.full_like(nothing, STYLES.index(wanted.style))
    batch = replace(batch, context=batch.target, mask=mask.copy(), style=style, density=nothing)
    return HeldOut(batch, np.concatenate([part.pieces for part in parts]))


def pick(batch: Batch, rows: NDArray[np.int64]) -> Batch:
    """Return some windows of a batch."""
    return Batch(*(getattr(batch, name)[rows] for name in _FIELDS))


def _join(parts: list[Batch]) -> Batch:
    return Batch(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))


def meters_of(phase: NDArray[np.int64], bar: NDArray[np.int64]) -> MeterMap:
    """Return bar lines of a window from its tokens' phase and bar length; 4/4 where no meter
    fits."""
    changes: dict[int, Meter] = {}
    for index in [0, *(np.flatnonzero(np.diff(bar)) + 1)]:
        try:
            meter = Meter(max(int(bar[index]) // 3, 1), 32)
        except GridError:
            meter = Meter(4, 4)
        changes[int(index) * STEPS_PER_TOKEN - int(phase[index])] = meter
    return MeterMap(tuple(sorted(changes.items())))


def bar_lines_of(batch: Batch, first_step: int = 0) -> list[list[int]]:
    """Return bar lines of each window, in steps from its step `first_step`, on either side of it
    too."""
    steps = batch.target.shape[-1]
    maps = (meters_of(*each) for each in zip(batch.phase, batch.bar, strict=True))
    return [[line - first_step for line in meters.bar_lines(0, steps)] for meters in maps]
