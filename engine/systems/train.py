"""Train a system: the same loop for all, ended by the processor's clock, resumable.

Minutes are those this process spent computing (all its threads), so that runs on a busy machine
and on an idle one learn for the same time. The rate warms up and stays; what is played are the
averaged weights, good at any moment, so that a run can go on later.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from engine.model import checkpoint
from engine.systems.common.draws import Draws
from engine.systems.registry import system_of
from engine.systems.weights import load_system
from engine.training.clocked_run import autocast
from engine.training.dataset import load_pack
from engine.training.processes import Processes
from engine.training.train_settings import Progress

_WARM_UP = 100
_MIXED_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class SystemTrainSettings:
    """One run. minutes: of processor time over all resumes. steps: end there if that is sooner.

    start_from: an export or a run of the same network, whose averaged weights and counters a new
    run goes on from; minutes and steps are this run's own. listen_every: steps between what a
    system logs of its own samples; 0 = never.
    """

    data: Path
    out: Path
    family: str
    minutes: float = 60.0
    steps: int = 1_000_000
    batch: int = 16
    rate: float = 6e-4
    ema: float = 0.999
    seed: int = 0
    save_every: int = 100
    threads: int = 0
    device: str = "cpu"
    start_from: Path | None = None
    listen_every: int = 1000
    valid_windows: int = 64
    sizes: dict[str, int] = field(default_factory=dict)


class _Before(NamedTuple):
    """What the weights had learned before the run: steps and minutes of processor time."""

    steps: int = 0
    minutes: float = 0.0


_Report = Callable[[Progress, float], None]


class SystemRun:
    """A run in memory."""

    def __init__(self, settings: SystemTrainSettings, processes: Processes | None = None) -> None:
        """Prepare a run. processes: those that share it, and which this is; alone without."""
        self.processes = processes or Processes()
        self.processes.require_windows(settings.batch)
        torch.manual_seed(settings.seed)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings, self.system = settings, system_of(settings.family)
        pack = load_pack(settings.data)
        self.corpora = list(pack.corpora)
        config = checkpoint.configuration_of(settings.family, self.system.config, settings.sizes)
        self.device = torch.device(settings.device)
        self.network = self.system.build(config).to(self.device)
        self.averaged = copy.deepcopy(self.network).eval()
        self.music, self.held_out = (self.system.material(pack, split, config) for split in (0, 1))
        self.facts = self.music.facts()
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.progress = Progress()
        self.before = _Before()

    @property
    def steps_in_all(self) -> int:
        """Steps the weights have learned for, those of the run it started from with them."""
        return self.before.steps + self.progress.step

    @property
    def path(self) -> Path:
        """Where it saves and resumes."""
        return self.settings.out / "checkpoint.pt"

    @property
    def share_done(self) -> float:
        """How much of it is over, 0 to 1."""
        return max(
            self.progress.step / self.settings.steps,
            self.progress.elapsed_s / 60 / self.settings.minutes,
        )

    def resume(self) -> None:
        """Go on from the saved state, or else begin with the weights of `start_from`.

        Raises CheckpointError where they are another network's, ModelError where there are none.
        """
        if not self.path.exists():
            self._begin()
            return
        state: dict[str, Any] = checkpoint.load(self.path, str(self.device))
        mine = (self.settings.family, checkpoint.sizes_of(self.network))
        if (state.get("family"), state.get("sizes")) != mine:
            raise checkpoint.CheckpointError(
                f"{self.path} holds another model (a {state.get('family')}); "
                "choose another --out, or remove it"
            )
        checkpoint.load_weights(self.network, state["network"])
        checkpoint.load_weights(self.averaged, state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress, self.facts = Progress(**state["progress"]), state["facts"]
        self.before = _Before(**state.get("before", {}))

    def _begin(self) -> None:
        path = self.settings.start_from
        if path is None:
            return
        file = path / "checkpoint.pt" if path.is_dir() else path
        network, facts = load_system(file, self.device)
        theirs, mine = (facts["family"], facts["sizes"]), checkpoint.sizes_of(self.network)
        if theirs != (self.settings.family, mine):
            raise checkpoint.CheckpointError(
                f"{path} holds a {theirs[0]} of sizes {theirs[1]}, and this run trains a "
                f"{self.settings.family} of sizes {mine}; to start from it train with the former"
            )
        for mean in (self.network, self.averaged):
            checkpoint.load_weights(mean, network.state_dict())
        self.before = _Before(facts["trained_steps"], facts["trained_minutes"])

    def save(self) -> None:
        """Save all that a resumed run or an export needs; the first process alone does."""
        if not self.processes.first:
            return
        stored = asdict(self.settings)
        state: dict[str, object] = {
            "format": checkpoint.FORMAT,
            "family": self.settings.family,
            "sizes": checkpoint.sizes_of(self.network),
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
            "before": self.before._asdict(),
            "facts": dict(self.facts),
            "settings": {k: str(v) if isinstance(v, Path) else v for k, v in stored.items()},
            "corpora": self.corpora,
        }
        checkpoint.save_atomically(state, self.path)

    def step(self) -> float:
        """Take one step; what is drawn follows from (seed, step), so that a resumed run is the
        same. All processes draw the same and work on their own rows of it."""
        processes, size = self.processes, self.settings.batch
        number = self.settings.seed * _MIXED_SEED + self.steps_in_all
        rows = processes.rows(size)
        drawn = self.music.batch(size, np.random.default_rng(number))
        batch = tuple(part[rows].to(self.device) for part in drawn)
        generator = torch.Generator().manual_seed(number)
        draws = Draws(generator, rows, size, processes.together)
        if self.system.settle is not None:
            self.system.settle(self.network, self.averaged, self.steps_in_all)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * min(1.0, (self.progress.step + 1) / _WARM_UP)
        with autocast(self.device):
            loss, weight = self.system.loss(self.network, batch, draws, self.steps_in_all)
        loss_sum, weights = processes.sums(loss.detach() * weight, weight, device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        (loss * (weight / weights)).backward()  # type: ignore[no-untyped-call]
        processes.sum_gradients(self.network)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.progress.step += 1
        self._average()
        return loss_sum / weights

    def _average(self) -> None:
        keep = min(self.settings.ema, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            now = self.network.state_dict()
            for name, mean in self.averaged.state_dict().items():
                if mean.dtype.is_floating_point:
                    mean.lerp_(now[name], 1.0 - keep)

    def validate(self) -> None:
        """Loss of the averaged network; the same held-out windows and noise every time."""
        draws, losses = Draws(torch.Generator().manual_seed(1)), []
        rng = np.random.default_rng(1)
        with torch.no_grad():
            for _ in range(max(self.settings.valid_windows // 16, 1)):
                batch = tuple(part.to(self.device) for part in self.held_out.batch(16, rng))
                loss = self.system.loss(self.averaged, batch, draws, self.steps_in_all)
                losses.append(float(loss.value))
        self.progress.valid = float(np.mean(losses))

    def listen(self) -> None:
        """Log what the system says of its own samples, a line each in `listened.jsonl`."""
        if self.system.listen is None or not self.processes.first:
            return
        found = self.system.listen(self.averaged, self.held_out, self.steps_in_all)
        line = json.dumps({"step": self.steps_in_all, "loss": self.progress.loss, **found})
        with (self.settings.out / "listened.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def train_system(
    settings: SystemTrainSettings, report: _Report, processes: Processes | None = None
) -> SystemRun:
    """Run (or resume) to the end; `report(progress, share_done)` is called after every step.

    processes: among which the run is shared out (`engine.training.processes.joined`).
    """
    run = SystemRun(settings, processes)
    checkpoint.make_folder(settings.out)
    run.resume()
    try:
        while run.share_done < 1.0:
            _one_step(run)
            report(run.progress, run.share_done)
    except KeyboardInterrupt:
        run.save()
        raise
    run.validate()
    run.save()
    return run


def _one_step(run: SystemRun) -> None:
    """Step, count, and now and then save and listen; neither counts as training time."""
    progress, settings = run.progress, run.settings
    started = time.process_time()
    loss = run.step()
    progress.loss = loss if math.isnan(progress.loss) else 0.98 * progress.loss + 0.02 * loss
    # All go by the first one's clock, so that they end at the same step.
    took_s = time.process_time() - started if run.processes.first else 0.0
    progress.elapsed_s += run.processes.sums(took_s, device=run.device)[0]
    if progress.step % settings.save_every == 0:
        run.save()
    if settings.listen_every and progress.step % settings.listen_every == 0:
        run.listen()
