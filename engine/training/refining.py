"""Train the refiner of a finished network (`engine.diffusion.cell_evidence.CellRefiner`).

The network keeps its weights, and so plays in few calls just as before. Loss: a sampled term of
the likelihood bound itself (`bound.bound_rate`), on training windows without corruptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engine.diffusion.batch import Batch, Drawing, within
from engine.diffusion.bound import bound_rate, spread_levels
from engine.diffusion.cell_evidence import CellRefiner
from engine.diffusion.inputs import logits_of, to_inputs
from engine.diffusion.key_normalisation import all_alone, key_normalised
from engine.model import checkpoint
from engine.model.checkpoint import Family
from engine.music.grid import PAPER
from engine.training.dataset import load_pack
from engine.training.feed import make_windows, shaped

_ALONE = 0.4
"""Of the steps: windows as the likelihood on merged rolls asks for them (docs/evaluation.md)."""
_WARMUP = 50


@dataclass(frozen=True, slots=True)
class RefineSettings:
    """data: a packed corpus. run: a checkpoint, which gets the result. batch: windows a step."""

    data: Path
    run: Path
    steps: int = 2600
    batch: int = 8
    beats: int = 8
    rate: float = 3e-3
    seed: int = 0
    device: str = "cpu"
    threads: int = 0


def refine(settings: RefineSettings, report: Callable[[int, float], None]) -> CellRefiner:
    """Train and write it into the checkpoint; `report(step, smoothed nats a step)` as it goes.

    Raises CheckpointError and PackError. A killed run begins anew: it takes minutes.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    state = checkpoint.load(settings.run, settings.device)
    family = checkpoint.family_of(str(state["family"]))
    if family.merged:
        raise checkpoint.CheckpointError(
            f"{settings.run}: a {state['family']} sees single cells itself; nothing to refine"
        )
    network = checkpoint.build(str(state["family"]), state["sizes"])  # type: ignore[arg-type]
    checkpoint.load_weights(network, state["averaged"])
    network.to(settings.device).eval()
    module = CellRefiner().to(settings.device)
    _fit(module, network, state, settings, report)
    checkpoint.save_atomically(state | {"retouch": module.state_dict()}, settings.run)
    return module.eval()


def _fit(
    module: CellRefiner,
    network: nn.Module,
    state: dict[str, object],
    settings: RefineSettings,
    report: Callable[[int, float], None],
) -> None:
    prior, schedule = state["prior"], str(state["schedule"])
    assert isinstance(prior, torch.Tensor)
    prior = prior.float()
    family = checkpoint.family_of(str(state["family"]))
    windows = make_windows(load_pack(settings.data), 0, settings.seed)
    generator = torch.Generator(settings.device)
    for weights in network.parameters():
        weights.requires_grad_(False)
    optimizer = torch.optim.Adam(module.parameters(), lr=settings.rate, betas=(0.9, 0.98))
    smoothed = float("nan")
    for step in range(settings.steps):
        windows.rng = np.random.default_rng((settings.seed, step))
        generator.manual_seed(settings.seed * 1_000_003 + step)
        conditioned = _batch(windows, family, settings)
        level = spread_levels(settings.batch, generator, torch.device(settings.device))
        inputs, target, free = to_inputs(conditioned, level, prior, schedule, generator)
        logits = logits_of(network, inputs, prior, schedule, module)
        rate = bound_rate(logits, inputs.noisy, target, level, prior, schedule)
        steps = (free.amax(dim=(1, 2, 3)) > 0).sum().clamp_min(1)
        loss = (rate * free).sum() / steps
        share = min(1.0, (step + 1) / _WARMUP) * (1.0 - step / settings.steps)
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * share
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        now = float(loss.detach())
        smoothed = now if step == 0 else 0.97 * smoothed + 0.03 * now
        report(step + 1, smoothed)


def _batch(windows: Drawing, family: Family, settings: RefineSettings) -> Batch:
    """Training windows without corruptions, or music alone."""
    played_alone = windows.rng.random() < _ALONE
    drawn = windows.batch(settings.batch, settings.beats)
    if played_alone:
        return key_normalised(all_alone(within(drawn, PAPER)))
    conditioned = shaped(drawn, family, windows.rng)
    return replace(conditioned, context=conditioned.target)
