"""The network of harmony plans trained as `train` does: resumed, shared out, and its likelihood."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.denoisers.harmony_transformer import HarmonyTransformer, HarmonyTransformerConfig
from engine.model import checkpoint
from engine.model.checkpoint import CheckpointError
from engine.training.dataset import load_pack
from engine.training.device_windows import DevicePack
from engine.training.harmony_loss import plan_prior
from engine.training.harmony_run import HarmonyRun, train_plans
from engine.training.harmony_scores import bound_a_beat, plan_bound
from engine.training.harmony_windows import HarmonyExample, HarmonyMusic, harmony_example
from engine.training.processes import Processes
from engine.training.train_settings import Progress, TrainSettings
from tests.engine.training.test_processes import run_on

CPU = torch.device("cpu")
SIZES = {"width": 16, "layers": 1, "heads": 2, "condition_width": 8}


@pytest.fixture
def settings(made_pack: Path, tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        made_pack,
        tmp_path / "plans",
        family="harmony",
        steps=4,
        batch=2,
        rate=3e-3,
        warmup=1,
        save_every=2,
        sizes=SIZES,
        valid_windows=1,
        threads=1,
    )


def nothing(progress: Progress, share: float) -> None:
    """Report nothing."""


def weights(run: HarmonyRun) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in run.network.parameters()]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(settings: TrainSettings) -> None:
    whole = train_plans(settings, nothing)
    stopped = replace(settings, out=settings.out.with_name("stopped"))

    def stop(progress: Progress, share: float) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_plans(stopped, stop)
    resumed = train_plans(stopped, nothing)
    assert resumed.progress.step == 4
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    assert resumed.progress.valid == whole.progress.valid
    assert resumed.progress.bound == whole.progress.bound


def test_it_learns_and_leaves_what_an_export_needs(settings: TrainSettings) -> None:
    losses: list[float] = []
    run = train_plans(replace(settings, steps=40), lambda p, share: losses.append(p.loss))
    assert losses[-1] < losses[0]
    assert 0.0 < run.progress.bound < math.inf
    state = checkpoint.load(run.checkpoint_path)
    assert (state["family"], state["sizes"]) == ("harmony", checkpoint.sizes_of(run.network))
    start = replace(settings, out=settings.out.with_name("on"), start_from=run.checkpoint_path)
    begun = HarmonyRun(start, Processes())
    for mine, theirs in zip(begun.network.parameters(), run.averaged.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_another_model_in_the_folder_is_refused(settings: TrainSettings) -> None:
    train_plans(replace(settings, steps=1), nothing)
    other = replace(settings, sizes=SIZES | {"width": 32})
    with pytest.raises(CheckpointError, match="holds another model"):
        train_plans(other, nothing)
    with pytest.raises(CheckpointError, match="harmony: no size 'depth'"):
        HarmonyRun(replace(settings, sizes={"depth": 2}), Processes())
    with pytest.raises(CheckpointError, match="give --batch 3 or more"):
        HarmonyRun(settings, Processes(0, 3))


def test_on_two_processes_it_is_the_same_run(settings: TrainSettings) -> None:
    losses: list[float] = []
    settings = replace(settings, sizes=SIZES | {"dropout_percent": 0})  # another one in each
    alone = train_plans(settings, lambda p, share: losses.append(p.loss))
    shared = replace(settings, out=settings.out.with_name("two"))
    for found in run_on(2, shared):
        assert found["losses"] == pytest.approx(losses, abs=0.01)
        assert found["valid"] == pytest.approx(alone.progress.valid, abs=0.01)


class Says(HarmonyTransformer):
    """A network that says of every cell that it is 1 with the chance `p`."""

    def __init__(self, p: float) -> None:
        super().__init__(HarmonyTransformerConfig(**SIZES))
        self.p = p

    def in_c(self, noisy: torch.Tensor, level: torch.Tensor, inputs: object) -> torch.Tensor:
        """See the class."""
        return torch.full_like(noisy, math.log(self.p / (1.0 - self.p)))


def test_the_bound_of_a_network_that_only_knows_the_density(made_pack: Path) -> None:
    """Told the prior's own chance at every cell, the chain is exact: -log p = entropy of coins."""
    music = HarmonyMusic(DevicePack(load_pack(made_pack), 0, CPU))
    generator = torch.Generator().manual_seed(0)
    plan, inputs = harmony_example(music.batch(1, 16, generator), generator)
    size, p = 600, 0.3
    many = HarmonyExample(
        plan.expand(size, -1, -1), type(inputs)(*(x.expand(size, *x.shape[1:]) for x in inputs))
    )
    prior = torch.full((1, 24, 1), p)
    bound = plan_bound(Says(p), many, prior, generator)
    free = 1.0 - inputs.mask
    ones, cells = float((plan * free).sum()), float(free.sum())
    exact = -ones * math.log(p) - (cells - ones) * math.log(1.0 - p)
    assert float(bound.mean()) == pytest.approx(exact, rel=0.02)


def test_known_cells_cost_nothing(made_pack: Path) -> None:
    music = HarmonyMusic(DevicePack(load_pack(made_pack), 0, CPU))
    generator = torch.Generator().manual_seed(0)
    plan, inputs = harmony_example(music.batch(8, 16, generator), generator)
    known = HarmonyExample(plan, inputs._replace(mask=torch.ones_like(inputs.mask), known=plan))
    assert not plan_bound(Says(0.3), known, plan_prior(CPU), generator).any()
    assert bound_a_beat(Says(0.3), music, plan_prior(CPU), 8) > 0.0
