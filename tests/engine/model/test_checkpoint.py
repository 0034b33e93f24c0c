"""Weights on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.model import checkpoint
from engine.model.checkpoint import CheckpointError


def test_round_trip(tmp_path: Path, tiny_sizes: dict[str, int]) -> None:
    network = checkpoint.build("frame-transformer", tiny_sizes)
    state: dict[str, object] = {"format": checkpoint.FORMAT, "network": network.state_dict()}
    checkpoint.save_atomically(state, tmp_path / "deep" / "c.pt")
    found = checkpoint.load(tmp_path / "deep" / "c.pt")
    other = checkpoint.build("frame-transformer", tiny_sizes)
    checkpoint.load_weights(other, found["network"])
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["c.pt"]


@pytest.mark.parametrize("family", list(checkpoint.FAMILIES))
def test_sizes_rebuild_the_network(family: str) -> None:
    sizes = {"full": 8} if family == "paper-unet" else {"width": 16, "layers": 1, "heads": 2}
    network = checkpoint.build(family, sizes)
    again = checkpoint.build(family, checkpoint.sizes_of(network))
    assert [p.shape for p in network.parameters()] == [p.shape for p in again.parameters()]


def test_unknown_family_and_size_name_the_choices() -> None:
    with pytest.raises(CheckpointError, match=r"'lstm'.*frame-transformer, paper-unet"):
        checkpoint.build("lstm", {})
    with pytest.raises(CheckpointError, match=r"'depth'.*layers"):
        checkpoint.build("frame-transformer", {"depth": 3})


def test_a_missing_a_damaged_and_a_foreign_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such"):
        checkpoint.load(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"not a zip")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        checkpoint.load(tmp_path / "bad.pt")
    torch.save({"x": 1}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a midi-diffuse checkpoint"):
        checkpoint.load(tmp_path / "other.pt")


def test_a_truncated_file(tmp_path: Path) -> None:
    whole = tmp_path / "c.pt"
    checkpoint.save_atomically({"format": 1, "x": torch.zeros(1000)}, whole)
    whole.write_bytes(whole.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(whole)


def test_a_newer_format_says_what_to_do(tmp_path: Path) -> None:
    checkpoint.save_atomically({"format": 99}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match=r"newer.*99.*upgrade"):
        checkpoint.load(tmp_path / "c.pt")


def test_weights_of_another_size_are_refused(tiny_sizes: dict[str, int]) -> None:
    small = checkpoint.build("frame-transformer", tiny_sizes)
    wide = checkpoint.build("frame-transformer", tiny_sizes | {"width": 32})
    with pytest.raises(CheckpointError, match="do not fit"):
        checkpoint.load_weights(small, wide.state_dict())


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)

    torch.save({"format": 1, "evil": Evil()}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "c.pt")
    assert not (tmp_path / "ran").exists()
