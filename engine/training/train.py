"""Train a denoiser: draw a window, noise it, guess the clean cells, step.

Loss: binary cross-entropy of x0 on the free cells (x0-prediction as in the paper; BCE instead of
its L2, because at 3 % density L2 is nearly flat on the rare ones), summed over cells, per step.
Resumes after a kill from `checkpoint.pt`; needs torch and numpy alone beside the packed data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.denoisers.inputs import Inputs
from engine.diffusion.batch import Batch
from engine.diffusion.bound import bound_rate, free_steps, spread_levels, window_bound
from engine.diffusion.cell_evidence import CellEvidence
from engine.diffusion.inputs import logits_of, to_inputs
from engine.diffusion.sampler import Sampler
from engine.model import checkpoint
from engine.model.density import measure_densities
from engine.model.export import weights_of
from engine.training.dataset import Windows
from engine.training.feed import MUSIC, make_windows, measure_prior, prefetched, shaped
from engine.training.processes import Processes
from engine.training.resumable import ResumableRun
from engine.training.scheduled_sampling import with_sampled_past
from engine.training.train_settings import Progress, TrainSettings, learning_rate

_SAMPLED_PAST_FROM = 0.1  # of a run: before it there is nothing worth hearing
_VALID_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)


def draw_level(
    size: int, generator: torch.Generator, device: torch.device, levels: int = 0
) -> Tensor:
    """Return noise levels [B]: uniform, with one in six fully noised, where every sampler starts.

    With `levels` T they are t / T for t in 1..T, all equally often, as in the paper.
    """
    level = torch.rand(size, generator=generator, device=device)
    if levels:
        return torch.floor(level * levels + 1) / levels
    full = torch.rand(size, generator=generator, device=device) < 1 / 6
    return torch.where(full, torch.ones_like(level), level)


def loss_of(
    logits: Tensor,
    target: Tensor,
    free: Tensor,
    cell_loss: Callable[[Tensor, Tensor], Tensor] = checkpoint.cross_entropy,
) -> Tensor:
    """Loss of the free cells per step of music that has any; cross-entropy is in nats."""
    return _per_step(cell_loss(logits.float(), target), free)


def _per_step(cells: Tensor, free: Tensor) -> Tensor:
    """Sum over the free cells, for each step of music that has any."""
    return (cells * free).sum() / _steps_of(free)


def _steps_of(free: Tensor) -> Tensor:
    """Return how many steps of music have free cells; 1 where none has."""
    return (free.amax(dim=(1, 2, 3)) > 0).sum().clamp_min(1)


class Run(ResumableRun):
    """A run of a denoiser of rolls."""

    def __init__(self, settings: TrainSettings, processes: Processes | None = None) -> None:
        """Prepare a run. processes: those that share it, and which this is; alone without."""
        self.processes = processes = processes or Processes()
        torch.manual_seed(settings.seed)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings = settings
        self.device = torch.device(settings.device)
        self.family = family = checkpoint.family_of(settings.family)
        if family.music not in MUSIC:
            raise checkpoint.CheckpointError(f"a {settings.family} is trained by another command")
        self.pack = MUSIC[family.music](settings.data)
        make_windows(self.pack, 1, 0)  # nothing to validate on? say so now, not at the end
        self.schedule = family.schedule
        self.corpora = list(self.pack.corpora)
        self.network = checkpoint.build(settings.family, settings.sizes).to(self.device)
        self.averaged = checkpoint.build(settings.family, settings.sizes).to(self.device)
        if settings.start_from is not None and not self.checkpoint_path.exists():
            sizes = checkpoint.sizes_of(self.network)
            weights = weights_of(settings.start_from, settings.family, sizes)
            # What came later, the map from the plan, begins as in a fresh network.
            checkpoint.load_weights(self.network, self.network.state_dict() | weights)
        self.averaged.load_state_dict(self.network.state_dict())
        self.planned = bool(checkpoint.sizes_of(self.network).get("plan", 0))
        smallest = settings.batch // 2 if family.mixed_lengths else settings.batch
        if smallest < processes.count:
            raise checkpoint.CheckpointError(
                f"batches of {settings.batch} leave some of {processes.count} processes without a "
                f"window; give --batch {(1 + family.mixed_lengths) * processes.count} or more"
            )
        parallel = processes.parallel(self.network)
        self.forward: Any = torch.compile(parallel) if settings.compiled else parallel
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.rate,
            betas=(0.9, 0.98),
            weight_decay=family.weight_decay,
        )
        self.progress = Progress()
        windows = make_windows(self.pack, 0, settings.seed)
        self.prior = torch.from_numpy(measure_prior(windows, family)).float().to(self.device)
        two_voices = isinstance(windows, Windows) and not family.merged
        self.densities = measure_densities(windows) if two_voices else []

    def step(self, batch: Batch, generator: torch.Generator) -> float:
        """Take one optimizer step; return the loss in nats per step of music.

        Of a run on several processes this one takes its rows of what all of them draw alike.
        """
        batch = self._heard(batch, generator)
        level = self._levels(len(batch.target), generator)
        drawn = to_inputs(batch, level, self.prior, self.schedule, generator, self.planned)
        inputs, target, free = self._rows(*drawn)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.progress.step, self.share_done)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self._logits(self.forward, inputs)
        loss = self._loss(logits, inputs, target, free)
        # Gradients are averaged over processes, losses are sums over the steps of music: a row
        # weighs the same on whichever process it is.
        steps = _steps_of(free)
        loss_sum, steps_sum = self.processes.sums(loss.detach() * steps, steps, device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        weighed = loss * (steps * self.processes.count / steps_sum)
        weighed.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self._average()
        return loss_sum / steps_sum

    def _rows(self, inputs: Inputs, *more: Tensor) -> tuple[Any, ...]:
        rows = self.processes.rows(len(inputs.level))
        return Inputs(*(each[rows] for each in inputs)), *(each[rows] for each in more)

    @property
    def exact(self) -> nn.Module | None:
        """What stands behind the network in training: a cell's evidence, where it has that."""
        return CellEvidence(1.0) if self.family.evidence else None

    def _heard(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch as it will be live: now and then with the model's own past."""
        share = self.settings.own_past if self.share_done >= _SAMPLED_PAST_FROM else 0.0
        drawn = float(torch.rand(1, generator=generator, device=self.device))
        if self.family.merged or drawn >= share:
            return batch
        self.averaged.eval()
        sampler = Sampler(self.averaged, self.prior, self.schedule, self.family.pitches.low)
        return with_sampled_past(batch, sampler, generator, self.processes.rows(len(batch.target)))

    def _levels(self, size: int, generator: torch.Generator) -> Tensor:
        if self.family.loss is None:
            return spread_levels(size, generator, self.device)
        return draw_level(size, generator, self.device, self.family.levels)

    def _loss(self, logits: Tensor, inputs: Inputs, target: Tensor, free: Tensor) -> Tensor:
        if self.family.loss is not None:
            return loss_of(logits, target, free, self.family.loss)
        rate = bound_rate(
            logits.float(), inputs.noisy, target, inputs.level, self.prior, self.schedule
        )
        return _per_step(rate, free)

    def _logits(self, network: nn.Module, inputs: Inputs) -> Tensor:
        return logits_of(network, inputs, self.prior, self.schedule, self.exact)

    def _average(self) -> None:
        # A short memory at first: an average over the first, random weights helps nobody.
        keep = min(self.settings.ema, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            for mean, now in zip(
                self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
            ):
                if mean.dtype.is_floating_point:
                    mean.lerp_(now, 1.0 - keep)

    def validate(self, batches: int = 4) -> None:
        """Score the averaged network on the same valid windows and noise every time."""
        windows = make_windows(self.pack, 1, 1)
        generator = torch.Generator(self.device).manual_seed(1)
        losses, nats, steps = [], 0.0, 0.0
        self.averaged.eval()
        with torch.no_grad():
            for _ in range(batches):
                size = len(_VALID_LEVELS) * self.settings.valid_windows
                batch = windows.batch(size, self.settings.beats, augment=0.0)
                batch = shaped(batch, self.family)
                level = torch.tensor(
                    _VALID_LEVELS * self.settings.valid_windows, device=self.device
                )
                inputs, target, free = to_inputs(batch, level, self.prior, self.schedule, generator)
                logits = self._logits(self.averaged, inputs)
                losses.append(float(self._loss(logits, inputs, target, free)))
                clean = replace(batch, context=batch.target)
                bound = window_bound(
                    self.averaged,
                    clean,
                    self.prior,
                    self.schedule,
                    generator,
                    draws=1,
                    exact=checkpoint.cell_evidence_of(self.settings.family),
                )
                nats += float(bound.sum())
                steps += float(free_steps(clean).sum())
        self.progress.valid = float(np.mean(losses))
        self.progress.bound = nats / steps * self.family.steps_per_beat


def train(
    settings: TrainSettings,
    report: Callable[[Progress, float], None],
    processes: Processes | None = None,
) -> Run:
    """Run (or resume) to the end; `report(progress, share_done)` is called after every step.

    processes: among which the run is shared out (`processes.joined`). All of them go through the
    same steps, and may be of another number when a run is resumed.
    """
    run = Run(settings, processes)
    checkpoint.make_folder(settings.out)  # say now, not after 200 steps, that it cannot be written
    run.resume()
    progress = run.progress
    generator = torch.Generator(run.device)
    windows, seed = make_windows(run.pack, 0, settings.seed), settings.seed
    with prefetched(
        windows, run.family, settings.batch, settings.beats, seed, progress.step
    ) as following:
        try:
            while run.share_done < 1.0:
                run.seed_step(generator)
                run.take(lambda: run.step(following(), generator))
                report(progress, run.share_done)
        except KeyboardInterrupt:
            run.save()
            raise
    run.validate()
    run.save()
    return run
