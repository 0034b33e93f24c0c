"""`train --family chorale` and `bench jsb`, as a user types them, on made-up chorales."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bridge.cli.main import main

TINY = shlex.split(
    "--size width=16 --size layers=1 --size heads=2 --steps 2 --batch 2 --device cpu"
)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("jsb") / "made.json"
    rng = np.random.default_rng(0)
    splits = {
        name: [
            [sorted(int(p) for p in rng.integers(48, 80, 3)) for _ in range(6)]
            for _ in range(count)
        ]
        for name, count in (("train", 5), ("valid", 3))
    }
    path.write_text(json.dumps(splits))
    return path


@pytest.fixture(scope="module")
def trained(data: Path) -> Path:
    out = data.parent / "run"
    result = run("train", "--family", "chorale", "--data", data, "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    assert "2 steps" in result.output
    assert f"next: midi-diffuse bench jsb --data {data} --model {out}" in result.output
    return out


def test_json_says_what_was_scored_and_how(data: Path, trained: Path) -> None:
    small = trained / "small.pt"
    result = run(
        *(
            f"bench jsb --data {data} --model {trained} --shrink {small} --levels 100 "
            "--draws 3 --device cpu --json"
        ).split()
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert (found["split"], found["pieces"], found["frames"]) == ("valid", 3, 18)
    assert (found["levels"], found["draws"], found["pitches"]) == (100, 3, [21, 108])
    assert found["model"] == str(small)
    assert found["nats_per_frame"] > 0
    assert found["standard_error"] > 0
    again = run(
        *f"bench jsb --data {data} --model {small} --levels 100 --draws 3 --device cpu".split()
    )
    assert f"-log p <= {found['nats_per_frame']:.3f}" in again.output
    assert f"marginal  {found['marginal_nats_per_frame']:.3f}" in again.output


def test_a_model_that_cannot_play_is_not_exported(trained: Path) -> None:
    result = run("export", trained, "-o", trained / "player.pt")
    assert result.exit_code == 2
    assert "score it with `midi-diffuse bench jsb`" in result.output
    assert not (trained / "player.pt").exists()


def test_a_split_that_is_not_there_is_told_in_one_line(data: Path, trained: Path) -> None:
    result = run("bench", "jsb", "--data", data, "--model", trained, "--split", "test")
    assert result.exit_code == 2
    assert "no piece in the split 'test'; this file has: train, valid" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_file_of_another_kind_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    result = run("bench", "jsb", "--data", tmp_path / "x.json")
    assert result.exit_code == 2
    assert "not a file of chorales" in result.output
