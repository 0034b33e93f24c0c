"""A tiny training run: it learns, it survives a kill, it says what is wrong."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.diffusion.batch import Batch
from engine.diffusion.inputs import logits_of, to_inputs
from engine.model import checkpoint
from engine.model.checkpoint import CheckpointError
from engine.model.export import ModelError, export
from engine.training.corpus import Piece, write_pack
from engine.training.dataset import PackError, Windows
from engine.training.feed import make_windows, measure_prior, prefetched
from engine.training.train import Run, draw_level, loss_of, train
from engine.training.train_settings import Progress, TrainSettings, learning_rate
from tests.processes import running

PAPER_SIZES = {"full": 4, "half": 4, "quarter": 8, "eighth": 8}


@pytest.fixture
def settings(made_pack: Path, tmp_path: Path, tiny_sizes: dict[str, int]) -> TrainSettings:
    return TrainSettings(
        made_pack,
        tmp_path / "run",
        steps=6,
        batch=2,
        beats=4,
        warmup=2,
        save_every=3,
        sizes=tiny_sizes,
        valid_windows=1,
        threads=1,
        rate=1e-2,
    )


def test_it_learns(settings: TrainSettings) -> None:
    before = Run(settings)
    before.validate()
    losses: list[float] = []
    run = train(replace(settings, steps=60), lambda p, share: losses.append(p.loss))
    assert len(losses) == 60
    assert losses[-1] < losses[0]
    assert run.progress.valid < 0.6 * before.progress.valid
    assert run.progress.bound < 0.6 * before.progress.bound


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


KILLED = """
import sys, time
from pathlib import Path
from engine.training.train import train
from engine.training.train_settings import TrainSettings

def report(progress, share):
    if progress.step == 13:
        print("at 13", flush=True)
        time.sleep(600)

sizes = dict(width=16, layers=1, heads=2, condition_width=8,
             beat_layers=1, beat_width=16, beat_heads=2)
train(TrainSettings(Path(sys.argv[1]), Path(sys.argv[2]), steps=30, batch=2, beats=4, warmup=2,
                    save_every=10, sizes=sizes, valid_windows=1, threads=1, rate=1e-2), report)
"""


def test_killed_with_9_and_resumed_is_the_same_run(settings: TrainSettings, tmp_path: Path) -> None:
    """Bit for bit: weights, optimizer and scores are those of a run that was never stopped."""
    whole = train(
        replace(settings, out=tmp_path / "whole", steps=30, save_every=10), lambda p, share: None
    )
    words = [sys.executable, "-c", KILLED, str(settings.data), str(settings.out)]
    top = Path(__file__).parents[3]
    with running(words, stdout=subprocess.PIPE, cwd=top) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "at 13\n"
        child.kill()
    assert child.returncode == -signal.SIGKILL
    steps: list[int] = []
    resumed = train(
        replace(settings, steps=30, save_every=10), lambda p, share: steps.append(p.step)
    )
    assert steps == list(range(11, 31))  # from the checkpoint, not from the kill
    for name in ("network", "averaged"):
        ours, theirs = (getattr(run, name).state_dict() for run in (whole, resumed))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert resumed.progress.loss == whole.progress.loss
    assert resumed.progress.valid == whole.progress.valid
    assert resumed.progress.bound == whole.progress.bound


@pytest.mark.parametrize("kind", ["export", "run"])
def test_fine_tuning_begins_where_the_model_is(
    settings: TrainSettings, tmp_path: Path, kind: str
) -> None:
    trained = train(settings, lambda p, share: None).progress
    start = settings.out
    if kind == "export":
        start = tmp_path / "model.pt"
        export(settings.out / "checkpoint.pt", start, "model")
    fresh = Run(replace(settings, out=tmp_path / "scratch"))
    tuned = Run(replace(settings, out=tmp_path / "tuned", start_from=start))
    for run in (fresh, tuned):
        run.validate()
    assert tuned.progress.step == 0
    # An export holds weights as fp16, a run as they are.
    close = 2e-2 if kind == "export" else 1e-6
    assert tuned.progress.valid == pytest.approx(trained.valid, rel=close)
    assert abs(fresh.progress.valid / trained.valid - 1) > 2 * close


def test_a_fine_tuned_run_resumes_without_what_it_began_with(
    settings: TrainSettings, tmp_path: Path
) -> None:
    train(settings, lambda p, share: None)
    start = tmp_path / "model.pt"
    export(settings.out / "checkpoint.pt", start, "model")
    tuning = replace(settings, out=tmp_path / "tuned", start_from=start, steps=3)
    train(tuning, lambda p, share: None)
    start.unlink()
    steps: list[int] = []
    train(replace(tuning, steps=5), lambda p, share: steps.append(p.step))
    assert steps == [4, 5]


def test_fine_tuning_another_network_names_both(settings: TrainSettings, tmp_path: Path) -> None:
    train(settings, lambda p, share: None)
    start = tmp_path / "model.pt"
    export(settings.out / "checkpoint.pt", start, "model")
    ours = "--family frame-transformer --size width=16 --size layers=1 --size heads=2"
    for path in (start, settings.out):
        with pytest.raises(
            CheckpointError, match=rf"the weights of `{ours}.*`.*trains `--family p"
        ):
            Run(
                replace(
                    settings,
                    family="paper-unet",
                    sizes=PAPER_SIZES,
                    start_from=path,
                    out=tmp_path / "x",
                )
            )
        wider = {**settings.sizes, "width": 32}
        with pytest.raises(CheckpointError, match=r"width=16.*`.*`.*width=32.*with the former"):
            Run(replace(settings, sizes=wider, start_from=path, out=tmp_path / "x"))
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        Run(replace(settings, start_from=tmp_path, out=tmp_path / "x"))
    with pytest.raises(ModelError, match="no such model file"):
        Run(replace(settings, start_from=tmp_path / "none.pt", out=tmp_path / "x"))


def test_batch_i_is_the_same_wherever_a_run_begins(settings: TrainSettings) -> None:
    run = Run(settings)

    def drawn(first: int, count: int, seed: int = 5) -> list[Batch]:
        with prefetched(make_windows(run.pack, 0, 0), run.family, 4, 4, seed, first) as following:
            return [following() for _ in range(count)]

    whole = drawn(0, 7)
    assert [batch.mask.shape for batch in whole[:4]] == [
        (4, 2, 96),
        (8, 2, 48),
        (2, 2, 192),
        (4, 2, 96),
    ]
    for first in (1, 3, 5):
        for again, batch in zip(drawn(first, 7 - first), whole[first:], strict=True):
            for field in fields(Batch):
                assert np.array_equal(getattr(again, field.name), getattr(batch, field.name))
    assert not np.array_equal(whole[0].target, whole[3].target)
    assert not np.array_equal(whole[0].target, drawn(0, 1, seed=6)[0].target)


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
    run.network.register_forward_pre_hook(lambda _, args: seen.append(args[0].noisy))
    assert run.prior.shape == (1, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    with prefetched(make_windows(run.pack, 0, 0), run.family, 2, 4, 0) as following:
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
    logits = logits_of(run.network, inputs, run.prior, run.schedule, run.exact)
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
    assert isinstance(windows, Windows)
    windows.share = windows.share * 0 - 1  # points behind the last piece
    with prefetched(windows, run.family, 2, 4, 0) as following, pytest.raises(IndexError):
        following()


def test_data_without_a_piece_to_train_on_is_refused_at_once(
    settings: TrainSettings, midi_folder: Path, tmp_path: Path
) -> None:
    data = (midi_folder / "piece-0.mid").read_bytes()
    write_pack([Piece("x", "valid", str(i), "", data) for i in range(2)], tmp_path / "p.npz")
    with pytest.raises(PackError, match="no piece in this split"):
        Run(replace(settings, data=tmp_path / "p.npz"))
