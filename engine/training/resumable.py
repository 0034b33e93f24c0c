"""A training run on disk: saved as one checkpoint, resumed from it, and how far it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.model import checkpoint
from engine.requests.request import STYLES
from engine.training.processes import Processes
from engine.training.train_settings import Progress, TrainSettings


class ResumableRun:
    """A run in memory: network, averaged network, optimizer, counters. Its families add the rest.

    densities: of the music by style (`engine.model.density`); none where no condition tells them.
    """

    settings: TrainSettings
    processes: Processes
    device: torch.device
    network: nn.Module
    averaged: Any
    optimizer: torch.optim.Optimizer
    progress: Progress
    prior: Tensor
    densities: list[Any]
    schedule: str
    corpora: list[str]

    @property
    def checkpoint_path(self) -> Path:
        """Where this run saves and resumes."""
        return self.settings.out / "checkpoint.pt"

    @property
    def share_done(self) -> float:
        """How much of the run is behind it, 0 to 1."""
        return max(
            self.progress.step / self.settings.steps,
            self.progress.elapsed_s / 60 / self.settings.minutes,
        )

    def validate(self) -> None:
        """Score the averaged network: `progress.valid` and `progress.bound`."""
        raise NotImplementedError

    def resume(self) -> bool:
        """Go on from the saved state if there is one; CheckpointError if it is of another kind."""
        if not self.checkpoint_path.exists():
            return False
        state = checkpoint.load(self.checkpoint_path, str(self.device))
        if (state["family"], state["sizes"]) != (
            self.settings.family,
            checkpoint.sizes_of(self.network),
        ):
            raise checkpoint.CheckpointError(
                f"{self.checkpoint_path} holds another model (a {state['family']}); "
                "choose another --out, or remove it"
            )
        checkpoint.load_weights(self.network, state["network"])
        checkpoint.load_weights(self.averaged, state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self.progress = Progress(**state["progress"])  # type: ignore[arg-type]
        return True

    def save(self) -> None:
        """Write everything a resumed run or an export needs; the first of the processes does."""
        if not self.processes.first:
            return
        settings = {
            k: str(v) if isinstance(v, Path) else v for k, v in asdict(self.settings).items()
        }
        state: dict[str, object] = {
            "format": checkpoint.FORMAT,
            "family": self.settings.family,
            "sizes": checkpoint.sizes_of(self.network),
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
            "prior": self.prior,
            "densities": self.densities,
            "schedule": self.schedule,
            "styles": list(STYLES),
            "settings": settings,
            "corpora": self.corpora,
        }
        checkpoint.save_atomically(state, self.checkpoint_path)

    def take(self, step: Callable[[], float]) -> None:
        """Take one step, which gives its loss; count it, and now and then validate and save."""
        progress, every = self.progress, self.settings.save_every
        started = time.perf_counter()
        loss = step()
        progress.step += 1
        mean = progress.loss
        progress.loss = loss if math.isnan(mean) else 0.98 * mean + 0.02 * loss
        # All go by the first one's clock, so that they end at the same step.
        took_s = time.perf_counter() - started if self.processes.first else 0.0
        progress.elapsed_s += self.processes.sums(took_s, device=self.device)[0]
        if progress.step % every == 0:
            if progress.step % (5 * every) == 0:
                self.validate()
            self.save()

    def seed_step(self, generator: torch.Generator) -> None:
        """Seed what the next step draws by (seed, step): so a resumed run is the same run."""
        key = self.settings.seed * 1_000_003 + self.progress.step
        generator.manual_seed(key)
        # For dropout, which is another one in every process.
        torch.manual_seed(key + 7919 * self.processes.rank)
