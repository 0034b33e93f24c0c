"""Train the network of harmony plans as `midi-diffuse train` trains: resumable, on any number of
processes. `harmony_training.py` is the same by the clock, for a machine lent for minutes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.denoisers.harmony_transformer import HarmonyTransformer
from engine.denoisers.inputs import HarmonyInputs
from engine.model import checkpoint
from engine.model.export import planner_weights_of
from engine.training.clocked_run import average, decay_groups, draw_levels
from engine.training.dataset import load_pack
from engine.training.device_windows import DevicePack
from engine.training.feed import make_windows
from engine.training.harmony_loss import (
    LENGTHS_BEATS,
    OWN_FROM,
    noised,
    plan_logits,
    plan_nats,
    plan_prior,
    training_example,
)
from engine.training.harmony_scores import bound_a_beat, harmony_valid
from engine.training.harmony_training import begun_planner
from engine.training.harmony_windows import HarmonyExample, HarmonyMusic
from engine.training.processes import Processes
from engine.training.resumable import ResumableRun
from engine.training.train_settings import Progress, TrainSettings, learning_rate

_FAMILY = "harmony"


class _InC(nn.Module):
    """A network whose forward pass is `in_c`: what is shared out over processes."""

    def __init__(self, network: HarmonyTransformer) -> None:
        super().__init__()
        self.network = network

    def forward(self, noisy: Tensor, level: Tensor, inputs: HarmonyInputs) -> Tensor:
        return self.network.in_c(noisy, level, inputs)


class HarmonyRun(ResumableRun):
    """A run of the network of harmony plans.

    settings.batch: windows of the longest kind a step, of shorter ones as many more.
    """

    def __init__(self, settings: TrainSettings, processes: Processes) -> None:
        """Read the music off its rolls, which takes a minute. Raises CheckpointError."""
        torch.manual_seed(settings.seed)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        if settings.batch < processes.count:
            raise checkpoint.CheckpointError(
                f"batches of {settings.batch} leave some of {processes.count} processes without a "
                f"window; give --batch {processes.count} or more"
            )
        self.settings, self.processes = settings, processes
        self.family = checkpoint.family_of(_FAMILY)
        self.device = torch.device(settings.device)
        pack = load_pack(settings.data)
        make_windows(pack, 1, 0)  # nothing to validate on? say so now, not at the end
        self.corpora = list(pack.corpora)
        self.music, self.held_out = (
            HarmonyMusic(DevicePack(pack, split, self.device)) for split in (0, 1)
        )
        self.network = self._fresh_network()
        self.averaged = copy.deepcopy(self.network).eval()
        self.forward = processes.parallel(_InC(self.network))
        self.optimizer = torch.optim.AdamW(
            decay_groups(self.network, self.family.weight_decay),
            lr=settings.rate,
            betas=(0.9, 0.98),
        )
        self.prior = plan_prior(self.device)
        self.progress = Progress()
        self.densities, self.schedule = [], self.family.schedule

    def _fresh_network(self) -> HarmonyTransformer:
        start = None if self.checkpoint_path.exists() else self.settings.start_from
        weights = None if start is None else planner_weights_of(start)
        return begun_planner(self.settings.sizes, weights).to(self.device)

    def step(self, generator: torch.Generator) -> float:
        """Take one optimizer step; return the loss in nats a beat that has free cells."""
        drawn, level, noisy = self._drawn(generator)
        rows = self.processes.rows(len(level))
        inputs = HarmonyInputs(*(each[rows] for each in drawn.inputs))
        example = HarmonyExample(drawn.plan[rows], inputs)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.progress.step, self.share_done)
        logits = plan_logits(self.forward, noisy[rows], level[rows], inputs, self.prior)
        nats, beats = plan_nats(logits, example)
        nats_sum, beats_sum = self.processes.sums(nats.detach(), beats, device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        # Gradients are averaged over processes: a beat weighs the same on whichever it is.
        weighed = nats * (self.processes.count / beats_sum)
        weighed.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        done = self.progress.step
        average(self.averaged, self.network, min(self.settings.ema, (1 + done) / (10 + done)))
        return nats_sum / beats_sum

    def _drawn(self, generator: torch.Generator) -> tuple[HarmonyExample, Tensor, Tensor]:
        """Return what all processes draw alike: examples, their noise levels, their noisy plans."""
        beats = LENGTHS_BEATS[self.progress.step % len(LENGTHS_BEATS)]
        size = self.settings.batch * max(LENGTHS_BEATS) // beats
        own_from = OWN_FROM if self.settings.start_from is None else 0.0
        hears_itself = self.share_done >= own_from and self.progress.step % 2 == 0
        planner = self.averaged if hears_itself else None
        example = training_example(self.music, size, beats, self.prior, generator, planner)
        level = draw_levels(size, generator, self.device)
        return example, level, noised(example, level, self.prior, generator)

    def validate(self) -> None:
        """Score the averaged network on the same valid windows and noise every time."""
        size = 4 * 7 * self.settings.valid_windows
        self.progress.valid = harmony_valid(self.averaged, self.held_out, self.prior, size)
        self.progress.bound = bound_a_beat(self.averaged, self.held_out, self.prior, size)


def train_plans(
    settings: TrainSettings,
    report: Callable[[Progress, float], None],
    processes: Processes | None = None,
) -> HarmonyRun:
    """Run (or resume) to the end; `report(progress, share_done)` is called after every step.

    processes: as `engine.training.train.train` has them.
    """
    run = HarmonyRun(settings, processes or Processes())
    checkpoint.make_folder(settings.out)  # say now, not after 200 steps, that it cannot be written
    run.resume()
    generator = torch.Generator(run.device)
    try:
        while run.share_done < 1.0:
            run.seed_step(generator)
            run.take(lambda: run.step(generator))
            report(run.progress, run.share_done)
    except KeyboardInterrupt:
        run.save()
        raise
    run.validate()
    run.save()
    return run
