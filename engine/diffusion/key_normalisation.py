"""Music of which no note is known, moved to C major or A minor: for networks that hear in one key.

Such a network reads the key from what is known (`engine.denoisers.key_shift`). Where no note is
known it could not, and would learn and play such music in twelve keys. So there it is in C, in
training by a move of the music, in playing by a move of the answer to a key that the source, the
scale lock or the seed says. As a distribution that is a mixture of twelve transpositions, each
as likely: 1/12 p(the music in C) <= p(the music), so a bound grows by KEY_NATS.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from engine.denoisers.key_shift import key_of_classes, key_profiles, key_shift
from engine.diffusion.batch import Batch
from engine.music.grid import LEAD, PIANO
from engine.music.merged import alone
from engine.music.roll import Cells, Mask, shifted

KEY_NATS = math.log(12)
"""What it takes to say which of twelve keys."""
_PROFILES = key_profiles()


def shift_of(cells: NDArray[np.bool_], low_pitch: int) -> int:
    """Return semitones, -6 to 5, that bring cells bool[V, P, K, S] to C major or A minor."""
    return int(key_shift(torch.from_numpy(cells[None]).float(), _PROFILES, low_pitch)[0])


def nothing_known(batch: Batch) -> NDArray[np.bool_]:
    """Return windows in which no note is known, bool[B]."""
    known = batch.context & batch.mask[:, :, None, None, :]
    return np.asarray(~known.any(axis=(1, 2, 3, 4)))


def key_normalised(batch: Batch) -> Batch:
    """Return the batch, with windows of which no note is known moved to C major or A minor."""
    target, context = batch.target.copy(), batch.context.copy()
    for index in np.flatnonzero(nothing_known(batch)):
        semitones = shift_of(target[index], PIANO.low)
        target[index] = shifted(target[index], semitones)
        context[index] = shifted(context[index], semitones)
    return replace(batch, target=target, context=context)


def some_alone(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """Return a `share` of the windows to harmonize from nothing, with all music in the
    accompaniment and a lead that is known to rest: music without a melody of its own
    (`engine.music.merged.alone`)."""
    target, context = batch.target.copy(), batch.context.copy()
    steps = batch.mask.shape[-1]
    asked = batch.mask.sum(axis=-1) == np.array([steps, 0])
    for index in np.flatnonzero(asked.all(axis=1) & (rng.random(len(target)) < share)):
        target[index] = alone(target[index])
        context[index] = target[index]
    return replace(batch, target=target, context=context)


def all_alone(batch: Batch) -> Batch:
    """Return all music as the accompaniment to a lead that is known to rest."""
    target = np.stack([alone(cells) for cells in batch.target])
    mask = np.zeros_like(batch.mask)
    mask[:, LEAD] = True
    return replace(batch, target=target, context=target, mask=mask)


def playing_shift(
    source: Cells,
    known: Mask,
    allowed: Mask,
    seed: int,
    low_pitch: int,
    chords: NDArray[np.bool_] | None = None,
) -> int:
    """Return semitones to move a request of which no note is known, so that it is in C: of the
    chords that are given, bool[24, T], of its source, of what a lock allows, else any of twelve, by
    the seed. 0 where a note is known: the network reads the key itself."""
    if (source & known).any():
        return 0
    if chords is not None and chords.any():
        weights = torch.from_numpy(chords[:12].sum(axis=1)).float()[None]
        return int(key_of_classes(weights, _PROFILES)[0])
    if source.any():
        return shift_of(source, low_pitch)
    classes = np.zeros(12, np.int64)
    rows = np.asarray(allowed.any(axis=(0, 1, 3)))
    np.add.at(classes, (np.arange(len(rows)) + low_pitch) % 12, rows)
    if (classes == 0).any():
        return shift_of(np.asarray(allowed & rows[None, None, :, None]), low_pitch)
    return seed * 7 % 12 - 6
