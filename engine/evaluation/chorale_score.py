"""The JSB benchmark: nats a frame that a model of chorales needs at most, by `bound.window_bound`.

Protocol: whole pieces, one joint bound each, given their lengths; all 88 keys and all frames
count, first and last included; the sum over the pieces is divided by the sum of their frames.
The bound holds at any number of levels T and falls with it; Monte-Carlo draws estimate it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.diffusion.bound import window_bound
from engine.diffusion.sampler import Sampler
from engine.model import checkpoint, export
from engine.music.grid import PIANO
from engine.training.chorales import Chorales, Rolls, padded

_KEPT = ("format", "family", "sizes", "prior", "schedule", "progress", "corpora")
_TOGETHER = 32
"""Pieces of like length that go through the network at once."""


@dataclass(frozen=True, slots=True)
class ChoraleScore:
    """Upper bound on -log p in nats a frame, and its Monte-Carlo standard error."""

    nats_per_frame: float
    standard_error: float
    pieces: int
    frames: int


def load_chorale_model(path: Path, device: str) -> tuple[dict[str, Any], Sampler]:
    """Return a checkpoint, or that of a run's folder, and its sampler with the averaged weights.

    Raises CheckpointError where it is none, or no model of chorales.
    """
    state = checkpoint.load(path / "checkpoint.pt" if path.is_dir() else path)
    family = str(state["family"])
    if checkpoint.family_of(family).music != "chorales":
        raise checkpoint.CheckpointError(
            f"{path}: a {family} model, none of chorales; make one with "
            "`midi-diffuse train --family chorale`"
        )
    return state, export.sampler_of(state).to(export.pick_device(device))


def shrink(path: Path, out: Path) -> None:
    """Write what scoring needs of a checkpoint: averaged weights, as fp16. CheckpointError."""
    state, _ = load_chorale_model(path, "cpu")
    weights = {name: x.half() for name, x in state["averaged"].items()}
    checkpoint.save_atomically({name: state[name] for name in _KEPT} | {"averaged": weights}, out)


def bound_of(sampler: Sampler, rolls: Rolls, levels: int, draws: int, seed: int) -> ChoraleScore:
    """Bound of the pieces together under `sampler.network`, from `draws` >= 2 estimates."""
    generator = torch.Generator(sampler.prior.device).manual_seed(seed)
    frames = sum(roll.shape[1] for roll in rolls)
    by_length = sorted(rolls, key=lambda roll: roll.shape[1])
    groups = [
        padded(by_length[first : first + _TOGETHER])
        for first in range(0, len(by_length), _TOGETHER)
    ]
    estimates = []
    for _ in range(draws):
        nats = [
            window_bound(
                sampler.network,
                group,
                sampler.prior,
                sampler.schedule,
                generator,
                levels,
                draws=1,
                exact=sampler.exact,
            )
            for group in groups
        ]
        estimates.append(float(torch.cat(nats).sum()) / frames)
    error = float(np.std(estimates, ddof=1)) / draws**0.5
    return ChoraleScore(float(np.mean(estimates)), error, len(rolls), frames)


def marginal(train: Rolls, rolls: Rolls) -> float:
    """Nats a frame, exactly, of independent cells with each pitch's density in `train`."""
    cells = np.concatenate(train, axis=1)
    rate = ((cells.sum(axis=1) + 0.5) / (cells.shape[1] + 1))[:, None]
    scored = np.concatenate(rolls, axis=1)
    cost = -np.where(scored, np.log(rate), np.log1p(-rate))
    return float(cost.sum() / scored.shape[1])


def benchmark(
    model: Path, music: Chorales, split: str, levels: int, draws: int, seed: int, device: str
) -> dict[str, Any]:
    """Return what `midi-diffuse bench jsb --json` prints, as plain values."""
    state, sampler = load_chorale_model(model, device)
    rolls = music.pieces(split)
    found = bound_of(sampler, rolls, levels, draws, seed)
    train = music.splits["train"]
    return {
        "model": str(model),
        "data": list(music.corpora),
        "split": split,
        "what": "upper bound on -log p(roll), whole pieces, all frames and keys",
        **asdict(found),
        "levels": levels,
        "draws": draws,
        "seed": seed,
        "pitches": [PIANO.low, PIANO.high],
        "trained_steps": state["progress"]["step"],
        "prior": round(float(sampler.prior.mean()), 6),
        "marginal_nats_per_frame": marginal(train, rolls) if train else None,
    }
