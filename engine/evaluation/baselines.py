"""Simple models a network has to beat, with exact likelihoods. numpy only.

All are fitted on windows of the train split and score the free cells of other windows, given the
known ones before them: rates are smoothed towards the mean over pitches, so that a rare pitch
does not cost infinitely much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.batch import Batch
from engine.music.grid import ONSET, SUSTAIN
from engine.music.roll import Floats

_WEIGHT = 20.0  # the mean over pitches counts like so many steps of music


@dataclass(frozen=True, slots=True)
class Baselines:
    """Rates fitted by `fit`. V voices, P planes, K pitches.

    marginal: P(cell on), [V, P, K]. cell: P(cell on | the same cell a step before was off, on),
    [2, V, P, K]. note: P(state | state a step before) of silent, onset, sustain, [3, 3, V, K];
    None where there is a single plane.
    """

    marginal: Floats
    cell: Floats
    note: Floats | None

    def nats(self, batch: Batch) -> dict[str, Floats]:
        """Exact -log p of the free cells of each window, [B], by each baseline's name."""
        found = {
            "marginal": _marginal_nats(batch, self.marginal),
            "markov": _cell_nats(batch, self.marginal, self.cell),
        }
        if self.note is not None:
            found["note-markov"] = _note_nats(batch, self.note)
        return found


def fit(batches: Iterable[Batch]) -> Baselines:
    """Count over every cell of some train windows, known or not."""
    steps, on = 0.0, np.zeros(())
    pairs: Floats = np.zeros(())
    moves: Floats = np.zeros(())
    two_planes = False
    for batch in batches:
        cells = batch.target
        two_planes = cells.shape[2] == 2
        steps += len(cells) * cells.shape[-1]
        on = on + cells.sum(axis=(0, -1))
        pairs = pairs + _transitions(cells.astype(np.int8), 2)
        if two_planes:
            moves = moves + _transitions(_states(cells), 3)
    if not steps:
        raise ValueError("no windows to fit baselines on")
    share = on / steps
    marginal = (on + _WEIGHT * share.mean(axis=-1, keepdims=True)) / (steps + _WEIGHT)
    return Baselines(
        marginal=marginal,
        cell=_smoothed(pairs)[:, 1],
        note=_smoothed(moves) if two_planes else None,
    )


def _states(cells: NDArray[np.bool_]) -> NDArray[np.int8]:
    """0 silent, 1 onset, 2 sustain: [B, V, K, S]."""
    return np.where(cells[:, :, ONSET], 1, np.where(cells[:, :, SUSTAIN], 2, 0)).astype(np.int8)


def _transitions(states: NDArray[np.int8], kinds: int) -> Floats:
    """Count [from, to, ..., K] of neighbouring steps."""
    before, after = states[..., :-1], states[..., 1:]
    return np.array(
        [
            [((before == a) & (after == b)).sum(axis=(0, -1)) for b in range(kinds)]
            for a in range(kinds)
        ],
        np.float64,
    )


def _smoothed(counts: Floats) -> Floats:
    """Count [from, to, ..., K] to P(to | from), every entry above zero."""
    pooled = counts.sum(axis=-1, keepdims=True) + 1e-3
    pooled = pooled / pooled.sum(axis=1, keepdims=True)
    whole = counts + _WEIGHT * pooled
    rates: Floats = whole / whole.sum(axis=1, keepdims=True)
    return rates


def _free(batch: Batch) -> NDArray[np.bool_]:
    return ~batch.mask


def _cost(cells: NDArray[np.bool_], rate: Floats) -> Floats:
    """-log B(cells; rate) of each cell."""
    cost: Floats = -np.where(cells, np.log(rate), np.log1p(-rate))
    return cost


def _marginal_nats(batch: Batch, rate: Floats) -> Floats:
    cost = _cost(batch.target, rate[..., None]).sum(axis=(2, 3))
    return np.asarray((cost * _free(batch)).sum(axis=(1, 2)))


def _cell_nats(batch: Batch, marginal: Floats, rate: Floats) -> Floats:
    cells = batch.target
    given = np.where(cells[..., :-1], rate[1][..., None], rate[0][..., None])
    first = np.broadcast_to(marginal[..., None], cells[..., :1].shape)
    cost = _cost(cells, np.concatenate([first, given], axis=-1)).sum(axis=(2, 3))
    return np.asarray((cost * _free(batch)).sum(axis=(1, 2)))


def _note_nats(batch: Batch, rate: Floats) -> Floats:
    states = _states(batch.target)
    voice, row = np.ogrid[: states.shape[1], : states.shape[2]]
    cost = np.empty(states.shape)
    # A window's first step has nothing before it: as if it came after silence.
    cost[..., 0] = -np.log(rate[0, states[..., 0], voice, row])
    place = (voice[..., None], row[..., None])
    cost[..., 1:] = -np.log(rate[states[..., :-1], states[..., 1:], *place])
    return np.asarray((cost.sum(axis=2) * _free(batch)).sum(axis=(1, 2)))
