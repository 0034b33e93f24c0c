"""A tiny training run: it learns, it survives a kill, it says what is wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine import checkpoint
from engine.checkpoint import CheckpointError
from engine.corpus import Piece, pack
from engine.dataset import PackError
from engine.feed import make_windows, measure_prior, prefetched
from engine.inputs import logits_of, to_inputs
from engine.train import Progress, Run, TrainSettings, draw_level, learning_rate, loss_of, train

PAPER_SIZES = {"full": 4, "half": 4, "quarter": 8, "eighth": 8}


@pytest.fixture
def settings(made_pack: Path, tmp_path: Path, tiny_sizes: dict[str, int]) -> TrainSettings:
    return TrainSettings(
        made_pack, tmp_path / "run", steps=6, batch=2, beats=4, warmup=2, save_every=3,
        sizes=tiny_sizes, valid_windows=1, threads=1, rate=1e-2,
    )  # fmt: skip


def test_it_learns(settings: TrainSettings) -> None:
    losses: list[float] = []
    run = train(replace(settings, steps=60), lambda p, share: losses.append(p.loss))
    assert len(losses) == 60
    assert losses[-1] < 0.7 * losses[0]
    assert run.progress.valid < losses[0]
    assert math.isfinite(run.progress.bound)


def test_a_killed_run_goes_on_where_it_was(settings: TrainSettings) -> None:
    class KilledError(Exception):
        pass

    def kill(progress: Progress, share: float) -> None:
        if progress.step == 5:
            raise KilledError

    with pytest.raises(KilledError):
        train(settings, kill)
    saved = checkpoint.load(settings.out / "checkpoint.pt")
    assert saved["progress"]["step"] == 3  # type: ignore[index]
    steps: list[int] = []
    run = train(settings, lambda p, share: steps.append(p.step))
    assert steps == [4, 5, 6]
    final = checkpoint.load(settings.out / "checkpoint.pt")
    assert final["progress"]["step"] == 6  # type: ignore[index]
    assert run.share_done >= 1.0


def test_ctrl_c_saves_first(settings: TrainSettings) -> None:
    def interrupt(progress: Progress, share: float) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings, interrupt)
    run = Run(settings)
    assert run.resume()
    assert run.progress.step == 2


def test_resume_restores_everything(settings: TrainSettings) -> None:
    run = train(settings, lambda p, share: None)
    again = Run(settings)
    assert again.resume()
    for name in ("network", "averaged"):
        ours, theirs = getattr(run, name).state_dict(), getattr(again, name).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert torch.equal(run.prior, again.prior)
    state = again.optimizer.state_dict()["state"]
    assert state
    assert all(int(entry["step"]) == 6 for entry in state.values())


def test_a_finished_run_is_left_as_it_is(settings: TrainSettings) -> None:
    train(settings, lambda p, share: None)
    steps: list[int] = []
    train(settings, lambda p, share: steps.append(p.step))
    assert steps == []


def test_another_model_in_the_folder_is_not_overwritten(settings: TrainSettings) -> None:
    train(settings, lambda p, share: None)
    before = (settings.out / "checkpoint.pt").read_bytes()
    other = replace(settings, family="paper-unet", sizes=PAPER_SIZES)
    with pytest.raises(CheckpointError, match=r"another model.*--out"):
        train(other, lambda p, share: None)
    assert (settings.out / "checkpoint.pt").read_bytes() == before


def test_the_paper_family_trains(settings: TrainSettings) -> None:
    seen: list[torch.Tensor] = []
    wanted = replace(settings, family="paper-unet", sizes=PAPER_SIZES, steps=3)
    run = Run(wanted)
    run.network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    assert run.prior.shape == (1, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    with prefetched(make_windows(run.pack, 0, 0), run.family, 2, 4) as following:
        for _ in range(3):
            assert run.step(following(), generator) > 0
    assert {tuple(x.shape) for x in seen} == {(2, 1, 1, 56, 96)}  # never half as long
    run.validate()
    assert math.isfinite(run.progress.bound)


def test_prior_is_the_mean_density(settings: TrainSettings) -> None:
    run = Run(settings)
    windows = make_windows(run.pack, 0, 0)
    prior = measure_prior(windows, run.family, 100)
    # a lead note a beat: one onset, 23 sustains, of 88 pitches x 24 steps
    assert prior.shape == (2, 2, 1, 1)
    assert prior[0, 1, 0, 0] / prior[0, 0, 0, 0] == pytest.approx(23, rel=0.1)


def test_levels_of_the_paper_are_t_over_100() -> None:
    generator = torch.Generator().manual_seed(0)
    level = draw_level(20_000, generator, torch.device("cpu"), 100)
    assert torch.allclose(level * 100, (level * 100).round(), atol=1e-4)
    assert float(level.min()) == pytest.approx(0.01)
    assert float(level.max()) == 1.0
    free = draw_level(20_000, generator, torch.device("cpu"))
    assert float((free == 1).float().mean()) == pytest.approx(1 / 6, abs=0.02)


def test_only_free_cells_are_trained_on(settings: TrainSettings) -> None:
    run = Run(settings)
    batch = make_windows(run.pack, 0, 0).batch(4, 4)
    generator = torch.Generator().manual_seed(0)
    inputs, target, free = to_inputs(batch, torch.rand(4), run.prior, run.schedule, generator)
    noisy, known, mask = inputs[:3]
    assert torch.equal(mask, 1 - free)
    assert float((noisy * mask).sum()) == 0.0
    assert float((known * free).sum()) == 0.0
    logits = logits_of(run.network, inputs, run.prior, run.schedule, run.evidence)
    wild = torch.where(mask > 0, torch.full_like(logits, 50.0), logits)
    assert torch.equal(loss_of(logits, target, free), loss_of(wild, target, free))


def test_learning_rate_warms_up_stays_and_falls(settings: TrainSettings) -> None:
    wanted = replace(settings, rate=1.0, warmup=10, decay=0.5)
    assert learning_rate(wanted, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(wanted, 20, 0.4) == 1.0
    assert learning_rate(wanted, 20, 0.75) == pytest.approx(0.5)
    assert learning_rate(wanted, 20, 1.0) == 0.0


def test_an_error_of_the_drawing_thread_is_raised(settings: TrainSettings) -> None:
    run = Run(settings)
    windows = make_windows(run.pack, 0, 0)
    windows.share = windows.share * 0 - 1  # points behind the last piece
    with prefetched(windows, run.family, 2, 4) as following, pytest.raises(IndexError):
        following()


def test_data_without_a_piece_to_train_on_is_refused_at_once(
    settings: TrainSettings, midi_folder: Path, tmp_path: Path
) -> None:
    data = (midi_folder / "piece-0.mid").read_bytes()
    pack([Piece("x", "valid", str(i), "", data) for i in range(2)], tmp_path / "p.npz")
    with pytest.raises(PackError, match="no piece in this split"):
        Run(replace(settings, data=tmp_path / "p.npz"))
