from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.model.checkpoint import CheckpointError
from engine.model.export import ModelError
from engine.requests.abilities import SYSTEM_NAMES
from engine.systems import weights
from engine.systems.player import SystemPlayer, load_player
from engine.systems.train import SystemRun, SystemTrainSettings, train_system
from tests.engine.systems.small import SMALL


def settings(pack: Path, out: Path, family: str, steps: int) -> SystemTrainSettings:
    return SystemTrainSettings(
        pack,
        out,
        family,
        steps=steps,
        batch=2,
        save_every=1,
        listen_every=2,
        threads=1,
        valid_windows=16,
        sizes=SMALL[family],
    )


def run(pack: Path, out: Path, family: str, steps: int) -> SystemRun:
    return train_system(settings(pack, out, family, steps), lambda progress, share: None)


@pytest.mark.parametrize("family", SYSTEM_NAMES)
def test_a_stopped_run_goes_on_as_the_same_run(
    made_pack: Path, tmp_path: Path, family: str
) -> None:
    run(made_pack, tmp_path / "parts", family, 2)
    parts = run(made_pack, tmp_path / "parts", family, 4)
    whole = run(made_pack, tmp_path / "whole", family, 4)
    assert parts.progress.step == 4
    assert parts.progress.valid == whole.progress.valid
    for mine, theirs in zip(parts.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("family", SYSTEM_NAMES)
def test_an_export_plays_as_its_run_and_is_half_as_large(
    made_pack: Path, tmp_path: Path, family: str
) -> None:
    run(made_pack, tmp_path, family, 2)
    out = tmp_path / "model.pt"
    told = weights.export_any(tmp_path / "checkpoint.pt", out, "mine", None)
    player = load_player(out, "cpu")
    assert isinstance(player, SystemPlayer)
    assert (told["name"], player.metadata["name"]) == ("mine", "mine")
    assert player.metadata["trained_steps"] == 2
    stored = torch.load(out, weights_only=True)["weights"].values()
    assert {value.dtype for value in stored} == {torch.float16}


@pytest.mark.parametrize("family", SYSTEM_NAMES)
def test_a_run_from_an_export_goes_on_with_its_weights_and_counts_on(
    made_pack: Path, tmp_path: Path, family: str
) -> None:
    run(made_pack, tmp_path / "first", family, 2)
    export = tmp_path / "model.pt"
    before = weights.export_any(tmp_path / "first/checkpoint.pt", export, "mine", None)
    begun = SystemRun(replace(settings(made_pack, tmp_path / "next", family, 3), start_from=export))
    begun.resume()
    theirs, _ = weights.load_system(export, torch.device("cpu"))
    for one in (begun.network, begun.averaged):
        for mine, other in zip(one.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine, other)
    assert (begun.steps_in_all, begun.progress.step) == (2, 0)
    begun.step()
    begun.progress.elapsed_s = 60.0
    begun.save()
    after = weights.export_any(begun.path, export, "mine", None)
    assert after["trained_steps"] == 3
    assert (before["trained_minutes"], after["trained_minutes"]) == (0.0, 1.0)
    resumed = SystemRun(settings(made_pack, tmp_path / "next", family, 3))
    resumed.resume()
    assert (resumed.steps_in_all, resumed.progress.step) == (3, 1)


@pytest.mark.parametrize(("family", "sizes"), [("signorelli", {}), ("savkin", {"width": 16})])
def test_a_run_from_another_network_is_refused_and_names_both(
    made_pack: Path, tmp_path: Path, family: str, sizes: dict[str, int]
) -> None:
    run(made_pack, tmp_path / "first", "savkin", 1)
    mine = settings(made_pack, tmp_path / "next", family, 1)
    other = replace(mine, sizes=mine.sizes | sizes, start_from=tmp_path / "first")
    with pytest.raises(CheckpointError, match=rf"holds a savkin of .*trains a {family} of "):
        SystemRun(other).resume()


def test_weights_of_another_family_are_refused_by_name(made_pack: Path, tmp_path: Path) -> None:
    run(made_pack, tmp_path, "savkin", 1)
    with pytest.raises(CheckpointError, match=r"holds another model \(a savkin\)"):
        run(made_pack, tmp_path, "signorelli", 2)


def test_a_file_that_holds_no_system_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        load_player(path, "cpu")
    torch.save({"format": 1, "family": "savkin"}, path)
    with pytest.raises(ModelError, match="does not hold a system"):
        load_player(path, "cpu")
    with pytest.raises(ModelError, match="no such model file"):
        load_player(tmp_path / "gone.pt", "cpu")


def test_savkin_logs_its_pitch_class_distance(made_pack: Path, tmp_path: Path) -> None:
    run(made_pack, tmp_path, "savkin", 2)
    (line,) = (tmp_path / "listened.jsonl").read_text().splitlines()
    assert line.startswith('{"step": 2, ')
    assert '"pitch_class_distance": ' in line
