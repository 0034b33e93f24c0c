"""What a model hears when it plays live: its own past. Training windows are given it in part.

Trained on composers' pasts alone, a model that hears itself copies what it has just played and
settles on pedal notes: held-out leads revealed beat by beat were answered worse than by another
piece's accompaniment, and well as soon as the composer's accompaniment was put in its own one's
place (docs/training.md). So the known past of some windows is the model's own, while the truth
goes on as composed: the way back to the melody is learned. Cf. scheduled sampling (Bengio et al.
2015) and DAgger (Ross et al. 2011).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from engine.diffusion.batch import Batch
from engine.diffusion.sampler import Filled, Loop, Request, Sampler, no_chords
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_TOKEN
from engine.music.roll import drop_orphans

_CALLS = 4
"""Sampler calls: rougher than played, at a fraction of a training step's time."""


def with_sampled_past(
    batch: Batch, sampler: Sampler, generator: torch.Generator, own: slice = slice(None)
) -> Batch:
    """Return the batch with the model's own accompaniment as context where its past is known.

    Concerns windows whose accompaniment is known up to some step, or in a last stretch before it,
    and free from there on. It is the composer's up to a random step and ours after it, planned
    from the lead as far as it was known by then. The target stays. One call of `sampler`, with
    the weights it has now. own: only these rows are played; the others stay as they are, though
    chance is drawn for all (`processes.py`).
    """
    mask = batch.mask
    ours = mask[:, ACCOMPANIMENT]
    ends = ours.shape[1] - np.argmax(ours[:, ::-1], axis=1)
    past = ours.any(axis=1) & ~ours[:, -1]
    rows = np.flatnonzero(past & (ends >= 2 * STEPS_PER_TOKEN))
    if not len(rows):
        return batch
    known, starts = _known_before(mask[rows], ends[rows], generator)
    device = sampler.prior.device
    seeds = torch.randint(2**31, (len(rows),), generator=generator, device=device)
    kept = np.isin(rows, np.arange(len(mask))[own])
    if not kept.any():
        return batch
    rows, known, starts = rows[kept], known[kept], starts[kept]
    seeds = seeds[torch.from_numpy(kept).to(device)]

    def move(array: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(array).to(device)

    cells = move(batch.context[rows]).float()
    known_cells = move(known)[:, :, None, None, :].expand_as(cells).float()
    with torch.no_grad():
        asked = Request(
            cells,
            known_cells,
            torch.ones_like(cells),
            move(batch.phase[rows]),
            move(batch.bar[rows]),
            move(batch.style[rows]),
            move(batch.density[rows]),
            seeds,
            torch.zeros_like(seeds),
            *no_chords(cells),
        )
        filled: Filled = sampler(asked, Loop(_CALLS, "renoise", 0.7))
    played = filled.cells.cpu().numpy() > 0.5
    context = batch.context.copy()
    for row, new, start in zip(rows, played, starts, strict=True):
        context[row, ACCOMPANIMENT, ..., start:] = drop_orphans(new)[ACCOMPANIMENT, ..., start:]
    return replace(batch, context=context)


def _known_before(
    mask: NDArray[np.bool_], ends: NDArray[np.int64], generator: torch.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return what was known when the past [start, end) was planned, bool[B, V, S], and the starts
    [B]."""
    draw = torch.rand(2, len(ends), generator=generator, device=generator.device).cpu().numpy()
    starts = (draw[0] * ends).astype(np.int64) // STEPS_PER_TOKEN * STEPS_PER_TOKEN
    revealed = starts + (draw[1] * (ends - starts)).astype(np.int64)
    steps = np.arange(mask.shape[-1])
    known = mask.copy()
    known[:, ACCOMPANIMENT] = steps < starts[:, None]
    known[:, LEAD] &= steps < revealed[:, None]
    return known, starts
