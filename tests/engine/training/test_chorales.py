"""Chorales from JSON to a score, on made-up ones; the likelihood against closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.denoisers.inputs import Denoiser, Inputs
from engine.diffusion.bound import bound_rate, spread_levels, window_bound
from engine.diffusion.cell_evidence import CellEvidence
from engine.diffusion.inputs import logits_of, to_inputs
from engine.diffusion.noise import alpha_bar, diffuse, flip_rate, log_decay, posterior
from engine.diffusion.sampler import Sampler
from engine.evaluation.chorale_score import (
    benchmark,
    bound_of,
    load_chorale_model,
    marginal,
    shrink,
)
from engine.model import checkpoint
from engine.model.checkpoint import CheckpointError
from engine.training.chorales import ChoraleError, PieceWindows, Rolls, load_chorales, padded
from engine.training.feed import make_windows, prefetched
from engine.training.train import train
from engine.training.train_settings import TrainSettings

SIZES = {"width": 16, "layers": 1, "heads": 2}
RATES = torch.linspace(0.002, 0.3, 88)[:, None]
"""Chance of each pitch: the whole truth about the made-up chorales of `made`."""
PRIOR = torch.full((1, 1, 1, 1), 0.0044)


class Marginals(Denoiser):
    """Knows the rates and nothing else; what a cell itself says is added outside."""

    def forward(self, inputs: Inputs) -> Tensor:
        return torch.logit(RATES).expand_as(inputs.noisy)


def made(pieces: int, seed: int = 0, frames: tuple[int, int] = (5, 25)) -> Rolls:
    rng = np.random.default_rng(seed)
    return tuple(
        rng.random((88, int(rng.integers(*frames)))) < RATES.numpy() for _ in range(pieces)
    )


def as_frames(roll: np.ndarray) -> list[list[int]]:
    return [[21 + int(p) for p in np.flatnonzero(frame)] for frame in roll.T]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "made.json"
    splits = {"train": made(12), "valid": made(4, 1), "test": made(3, 2)}
    path.write_text(json.dumps({k: [as_frames(r) for r in v] for k, v in splits.items()}))
    return path


def exact(rolls: Rolls) -> float:
    """-log p in nats a frame under the truth."""
    cells = torch.from_numpy(np.concatenate(rolls, axis=1))
    cost = -torch.where(cells, RATES.double().log(), (1 - RATES.double()).log())
    return float(cost.sum()) / cells.shape[1]


def test_a_file_is_read_cell_by_cell(file: Path) -> None:
    music = load_chorales(file)
    assert music.corpora == ("made",)
    for split, seed, count in (("train", 0, 12), ("valid", 1, 4), ("test", 2, 3)):
        for ours, theirs in zip(music.pieces(split), made(count, seed), strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "not a file of chorales"),
        ("[1, 2]", "not a file of chorales"),
        ('{"train": [[[60, "x"]]]}', "not a file of chorales"),
        ('{"train": [[[60], [109]]]}', "pitch 109 in frame 1 is not on a piano's keys"),
        ('{"train": [[[60.5]]]}', "pitch 60.5 in frame 0"),
        ('{"train": [[]]}', "a piece without a frame"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ChoraleError, match=said):
        load_chorales(path)


def test_a_missing_file_or_split_is_told(tmp_path: Path) -> None:
    with pytest.raises(ChoraleError, match="no such file"):
        load_chorales(tmp_path / "none.json")
    (tmp_path / "x.json").write_text('{"train": [[[60]]], "valid": []}')
    with pytest.raises(ChoraleError, match="no piece in the split 'test'; this file has: train"):
        load_chorales(tmp_path / "x.json").pieces("test")


def test_every_piece_comes_whole_and_equally_often() -> None:
    rolls = made(10)
    windows = PieceWindows(rolls, np.random.default_rng(0))
    seen = dict.fromkeys(range(10), 0)
    for _ in range(500):
        batch = windows.batch(4, 16, augment=0.0)
        for cells, over in zip(batch.target[:, 0, 0], batch.mask[:, 0], strict=True):
            found = cells[:, ~over]
            seen[next(i for i in range(10) if np.array_equal(rolls[i], found))] += 1
    assert sum(seen.values()) == 2000
    assert min(seen.values()) > 150
    assert max(seen.values()) < 250


def test_transposed_by_five_down_to_six_up_within_the_keys() -> None:
    low = np.zeros((88, 3), bool)
    low[[2, 40]] = True
    windows = PieceWindows((low,), np.random.default_rng(0))
    lowest = [int(np.flatnonzero(windows.batch(1, 1).target[0, 0, 0, :, 0])[0]) for _ in range(200)]
    assert sorted(set(lowest)) == list(range(9))


def test_padding_is_marked_and_empty() -> None:
    rolls = made(3)
    batch = padded(rolls)
    longest = max(roll.shape[1] for roll in rolls)
    assert batch.target.shape == (3, 1, 1, 88, longest)
    assert (~batch.mask).sum(axis=(1, 2)).tolist() == [roll.shape[1] for roll in rolls]
    assert not batch.target[:, 0, 0].transpose(0, 2, 1)[batch.mask[:, 0]].any()


def network(**more: int) -> nn.Module:
    torch.manual_seed(0)
    found = checkpoint.build("chorale", SIZES | more).eval()
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return found


def test_what_fills_a_piece_up_has_no_influence() -> None:
    roll, longer = made(2, frames=(8, 9))[0], made(1, 5, (30, 31))[0]
    alone, filled = padded([roll]), padded([roll, longer])
    generator = torch.Generator().manual_seed(0)
    inputs, _, _ = to_inputs(alone, torch.tensor([0.5]), PRIOR, "linear", generator)
    more, _, _ = to_inputs(filled, torch.tensor([0.5, 0.5]), PRIOR, "linear", generator)
    frames = roll.shape[1]
    more.noisy[0, ..., :frames] = inputs.noisy[0]
    more.noisy[0, ..., frames:] = 1.0  # even if there were notes
    ours, theirs = network()(inputs), network()(more)
    torch.testing.assert_close(theirs[0, ..., :frames], ours[0], rtol=1e-4, atol=1e-5)
    more.noisy[0, ..., 3, 0] = 1.0 - more.noisy[0, ..., 3, 0]
    assert not torch.allclose(network()(more)[0, ..., :frames], theirs[0, ..., :frames], atol=1e-4)


def test_what_fills_a_piece_up_is_not_scored() -> None:
    class Wild(Marginals):
        def forward(self, inputs: Inputs) -> Tensor:
            return torch.where(inputs.mask > 0.5, 30.0, super().forward(inputs))

    def nats(model: nn.Module) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        batch = padded(made(6))
        return window_bound(model, batch, PRIOR, "linear", generator, exact=CellEvidence(1.0))

    assert torch.equal(nats(Wild()), nats(Marginals()))


def test_the_exact_marginals_score_their_closed_form() -> None:
    rolls = made(60)
    sampler = Sampler(Marginals(), PRIOR, "linear", 21, CellEvidence(1.0))
    found = bound_of(sampler, rolls, levels=1000, draws=60, seed=0)
    assert (found.pieces, found.frames) == (60, sum(roll.shape[1] for roll in rolls))
    assert found.standard_error < 0.01 * exact(rolls)
    assert found.nats_per_frame == pytest.approx(exact(rolls), abs=3 * found.standard_error)
    # With one level x[1] is pure noise, and the bound is the cross-entropy itself.
    one = bound_of(sampler, rolls, levels=1, draws=2, seed=0)
    assert one.nats_per_frame == pytest.approx(exact(rolls), rel=1e-5)


def test_the_fitted_marginal_is_near_the_truth() -> None:
    train_rolls, rolls = made(400), made(50, 1)
    assert marginal(train_rolls, rolls) == pytest.approx(exact(rolls), rel=0.01)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_flip_rates_are_the_limit_of_the_posterior(schedule: str) -> None:
    level, step = torch.tensor(0.4, dtype=torch.float64), 1e-6
    kept, before = alpha_bar(level, schedule), alpha_bar(level - step, schedule)
    prior, x_t = torch.tensor(0.03, dtype=torch.float64), torch.tensor([0.0, 1.0]).double()
    for x0 in (0.0, 1.0):
        back = posterior(x_t, torch.full_like(x_t, x0), kept, before, prior)
        flips = torch.where(x_t > 0.5, 1 - back, back) / step
        rate = flip_rate(x_t, x0, kept, log_decay(level, schedule), prior)
        torch.testing.assert_close(rate, flips, rtol=1e-4, atol=1e-4)


def test_the_mean_of_the_rate_over_the_levels_is_the_bound() -> None:
    rolls = made(64)
    batch, prior = padded(rolls), torch.full((1, 1, 1, 1), 0.03)
    generator, total = torch.Generator().manual_seed(0), 0.0
    wrong = Marginals()
    for _ in range(40):
        level = spread_levels(64, generator, prior.device)
        inputs, target, free = to_inputs(batch, level, prior, "linear", generator)
        logits = 0.5 + logits_of(wrong, inputs, prior, "linear", CellEvidence(1.0))
        cells = bound_rate(logits, inputs.noisy, target, level, prior, "linear")
        total += float((cells * free).sum()) / 40

    class Shifted(Marginals):
        def forward(self, inputs: Inputs) -> Tensor:
            return super().forward(inputs) + 0.5

    chain = window_bound(
        Shifted(), batch, prior, "linear", generator, 2000, 40, exact=CellEvidence(1.0)
    )
    assert total == pytest.approx(float(chain.sum()), rel=0.02)


def test_levels_are_spread_evenly() -> None:
    level = spread_levels(16, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert sorted((level * 16).long().tolist()) == list(range(16))


def settings(file: Path, steps: int = 2) -> TrainSettings:
    return TrainSettings(
        file,
        file.parent / "run",
        family="chorale",
        steps=steps,
        batch=4,
        warmup=2,
        save_every=2,
        sizes=SIZES,
        valid_windows=1,
        threads=1,
        rate=1e-2,
    )


def test_training_lowers_the_bound_and_its_small_file_scores_alike(file: Path) -> None:
    before = bound_of(
        Sampler(network(), PRIOR, "linear", 21, CellEvidence(1.0)), made(12), 100, 4, 0
    ).nats_per_frame
    run = train(settings(file, steps=60), lambda p, share: None)
    assert float(run.prior.mean()) == pytest.approx(0.0044)
    assert run.progress.bound == pytest.approx(exact(made(4, 1)), rel=0.3)
    small = file.parent / "small.pt"
    shrink(settings(file).out, small)
    assert small.stat().st_size < 0.3 * (settings(file).out / "checkpoint.pt").stat().st_size
    assert file.parent.name.encode() not in small.read_bytes()  # nothing of this machine
    music = load_chorales(file)
    whole, half = (
        benchmark(path, music, "test", 100, 4, 0, "cpu") for path in (settings(file).out, small)
    )
    assert (half["pieces"], half["levels"], half["pitches"]) == (3, 100, [21, 108])
    assert half["nats_per_frame"] == pytest.approx(whole["nats_per_frame"], rel=1e-3)
    assert half["nats_per_frame"] < 0.93 * before
    assert half["marginal_nats_per_frame"] == marginal(music.pieces("train"), music.pieces("test"))


def test_a_resumed_run_is_the_same_run_dropout_included(file: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(progress: object, share: float) -> None:
        if getattr(progress, "step", 0) == 3:
            raise KilledError

    whole = train(settings(file, 4), lambda p, share: None).averaged.state_dict()
    (settings(file).out / "checkpoint.pt").unlink()
    with pytest.raises(KilledError):
        train(settings(file, 4), kill)
    again = train(settings(file, 4), lambda p, share: None).averaged.state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_models_of_something_else_are_refused(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    checkpoint.save_atomically({"format": 1, "family": "paper-unet"}, path)
    with pytest.raises(CheckpointError, match="a paper-unet model, none of chorales"):
        load_chorale_model(path, "cpu")


def test_batches_follow_from_seed_and_place(file: Path) -> None:
    family, music = checkpoint.family_of("chorale"), load_chorales(file)
    drawn = []
    for _ in range(2):
        with prefetched(make_windows(music, 0, 0), family, 4, 16, 7, first=3) as following:
            drawn.append([following().target for _ in range(3)])
    assert all(np.array_equal(a, b) for a, b in zip(*drawn, strict=True))


def test_noise_at_the_last_level_is_the_prior_alone() -> None:
    uniform = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    kept = alpha_bar(torch.tensor(1.0), "linear")
    ones, zeros = (
        diffuse(x, kept, torch.tensor(0.1), uniform) for x in (torch.ones(1000), torch.zeros(1000))
    )
    assert torch.equal(ones, zeros)
