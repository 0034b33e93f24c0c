"""A GPU day on a CPU: it trains both, and what goes in and comes out is small enough."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from engine.model.export import network_weights_of
from scripts.gpu_day import DATA_LIMIT_BYTES, FILE_LIMIT_BYTES, main

TOP = Path(__file__).resolve().parents[3]
PRESETS = TOP / "presets"
PACK_BYTES = 10_000_000  # about the size of the packed corpus


def same_weights(before: dict[str, torch.Tensor], file: Path) -> bool:
    after = torch.load(file, weights_only=True)["averaged"]
    return all(torch.equal(before[name], after[name]) for name in before)


def test_a_dry_run_leaves_both_models_small_enough(made_pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "day"
    few = "--device cpu --pieces 2 --steps 1 --scored 2 --harmony-beats 32 --texture-beats 32"
    told = ["--data", str(made_pack), "--out", str(out), *few.split()]
    found = CliRunner().invoke(main, told, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    assert {file.name for file in out.iterdir()} == {"harmony.pt", "texture.pt", "log.txt"}
    for name in ("harmony.pt", "texture.pt"):
        assert 1_000_000 < (out / name).stat().st_size <= FILE_LIMIT_BYTES
        assert f"{name}: {(out / name).stat().st_size} bytes\n" in found.output
    assert (out / "log.txt").read_text() == found.output
    # Its own texture is what a second day may begin with.
    kept = torch.load(out / "texture.pt", weights_only=True)["averaged"]
    again = [*told, "--harmony-minutes", "0", "--texture-rate", "0", "--start"]
    CliRunner().invoke(main, [*again, str(out / "texture.pt")], catch_exceptions=False)
    assert same_weights(kept, out / "texture.pt")
    # A shipped model's too, for a network with other blocks.
    hourglass = ["--texture-size", "layers", "2", "--texture-size", "beat_layers", "2"]
    begun = [*again, str(PRESETS / "default.pt"), *hourglass]
    CliRunner().invoke(main, begun, catch_exceptions=False)
    left = torch.load(out / "texture.pt", weights_only=True)
    assert left["sizes"]["beat_layers"] == 2
    assert "blocks.1.join.weight" in left["averaged"]
    theirs = network_weights_of(PRESETS / "default.pt")
    assert torch.equal(left["averaged"]["out.weight"], theirs["out.weight"].half())
    # And its planner, or a shipped model's, is what the next planner may begin with.
    before = torch.load(out / "harmony.pt", weights_only=True)["averaged"]
    only = [*told, "--texture-minutes", "0", "--harmony-rate", "0", "--start-harmony"]
    for start in (out / "harmony.pt", PRESETS / "default.pt"):
        found = CliRunner().invoke(main, [*only, str(start)], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        assert same_weights(before, out / "harmony.pt") == (start.name == "harmony.pt")
    weights = torch.load(out / "texture.pt", weights_only=True)["averaged"]
    assert {x.dtype for x in weights.values()} == {torch.float16}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (["--texture-size", "lyers", "2"], "frame-transformer: no size 'lyers'; there are: width"),
        (["--texture-size", "width", "100"], "frame-transformer: size width cannot be 100"),
        (["--dropout", "100"], "harmony: size dropout_percent cannot be 100"),
        (
            ["--start", str(PRESETS / "default.pt"), "--texture-size", "layers", "9"],
            "6 blocks to begin with, and the network has 9",
        ),
        (["--start", str(PRESETS / "paper.pt")], "weights of another family"),
        (["--start-harmony", str(PRESETS / "paper.pt")], "this model has no planner"),
        (["--data", "none.npz"], "none.npz: no such file"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_training(
    told: list[str], said: str, made_pack: Path, tmp_path: Path
) -> None:
    given = ["--data", str(made_pack), "--out", str(tmp_path), "--device", "cpu", *told]
    found = CliRunner().invoke(main, given)
    assert found.exit_code == 1
    assert said in found.output
    assert not list(tmp_path.glob("*.pt"))


def test_the_checkout_and_a_packed_corpus_fit_into_what_a_machine_takes() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [TOP / name for name in listed.stdout.decode().split("\0") if name]
    size = sum(file.stat().st_size for file in files if file.exists())
    assert 0 < size + PACK_BYTES <= DATA_LIMIT_BYTES
