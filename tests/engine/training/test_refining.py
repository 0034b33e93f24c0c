"""What stands behind a finished network in the exact chain."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.diffusion.cell_evidence import CellEvidence, CellRefiner
from engine.diffusion.sampler import Sampler
from engine.model import checkpoint
from engine.model.checkpoint import CheckpointError
from engine.model.export import sampler_of, script
from engine.training.refining import RefineSettings, refine
from engine.training.train import train
from engine.training.train_settings import TrainSettings

SHAPE = (2, 2, 2, 88, 48)


def test_untrained_it_only_weighs_the_evidence() -> None:
    logits, seen = torch.randn(SHAPE), torch.randn(SHAPE)
    nothing, level = torch.zeros(SHAPE), torch.rand(2)
    out = CellRefiner()(logits, seen, nothing, nothing, level)
    assert torch.allclose(out, logits + 0.9 * seen, atol=1e-6)
    out = CellEvidence(0.95, 0.5)(logits, seen, nothing, nothing, torch.tensor([0.0, 1.0]))
    assert torch.allclose(out[0], logits[0] + 0.95 * seen[0])
    assert torch.allclose(out[1], logits[1] + 0.45 * seen[1])


def test_it_hears_three_octaves_to_either_side() -> None:
    module = CellRefiner(width=16)
    with torch.no_grad():
        for weights in module.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    logits, nothing, level = torch.randn(SHAPE), torch.zeros(SHAPE), torch.full((2,), 0.3)
    changed = logits.clone()
    changed[:, :, :, 40, 13] += 1.0
    before, after = (module(x, nothing, nothing, nothing, level) for x in (logits, changed))
    moved = (before - after).abs().amax(dim=(0, 1, 2)) > 0
    assert moved.any(dim=1).nonzero().flatten().tolist() == list(range(4, 77))


def test_cells_come_back_where_they_were() -> None:
    module, cells = CellRefiner(width=8), torch.randn(SHAPE)
    assert torch.equal(module._unfolded(module._folded(cells)), cells.flatten(1, 2))


def test_it_lowers_the_loss_and_leaves_the_network_and_its_playing_alone(
    made_pack: Path, tmp_path: Path, tiny_sizes: dict[str, int]
) -> None:
    settings = TrainSettings(
        made_pack, tmp_path, steps=2, batch=2, beats=4, sizes=tiny_sizes, valid_windows=1
    )
    path = train(settings, lambda progress, share: None).checkpoint_path
    before = checkpoint.load(path)
    told: list[float] = []
    wanted = RefineSettings(made_pack, path, steps=40, batch=4, beats=4, threads=1, seed=2)
    module = refine(wanted, lambda step, nats: told.append(nats))
    assert told[-1] < 0.8 * told[0]
    after = checkpoint.load(path)
    assert after.keys() - before.keys() == {"retouch"}
    for name in ("network", "averaged"):
        ours, theirs = after[name], before[name]
        assert isinstance(ours, dict)
        assert isinstance(theirs, dict)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    sampler = sampler_of(dict(after))
    assert isinstance(sampler, Sampler)
    assert isinstance(sampler.exact, CellRefiner)
    saved = sampler.exact.state_dict()
    assert all(torch.equal(saved[key], x) for key, x in module.state_dict().items())
    script(sampler)


def test_a_refiner_of_another_version_says_what_to_do() -> None:
    older = {"into.weight": torch.zeros(32, 16, 5)}
    with pytest.raises(CheckpointError, match="run `midi-diffuse refine` on its run again"):
        checkpoint.cell_evidence_of("frame-transformer", older)


def test_a_network_that_sees_single_cells_needs_none(tmp_path: Path) -> None:
    state: dict[str, object] = {"format": 1, "family": "paper-unet"}
    checkpoint.save_atomically(state, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="nothing to refine"):
        refine(RefineSettings(tmp_path, tmp_path / "checkpoint.pt"), lambda step, nats: None)
