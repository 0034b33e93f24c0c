"""One run on one process and on two: the same losses; resumed on another number; one writer."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.model import checkpoint
from engine.model.checkpoint import CheckpointError
from engine.training.processes import Processes
from engine.training.train import Run, train
from engine.training.train_settings import Progress, TrainSettings
from tests import torchrun

SIZES = {"width": 16, "layers": 1, "heads": 2, "condition_width": 8}
SIZES |= {"beat_layers": 1, "beat_width": 16, "beat_heads": 2}
UNET = {"full": 4, "half": 4, "quarter": 8, "eighth": 8}

PROGRAM = """
import json, sys
from pathlib import Path
from engine.training.harmony_run import train_plans
from engine.training.processes import joined
from engine.training.train import train
from engine.training.train_settings import TrainSettings

given = json.loads(sys.argv[1])
settings = TrainSettings(**{**given, "data": Path(given["data"]), "out": Path(given["out"])})
losses = []
trainer = train_plans if settings.family == "harmony" else train
with joined("cpu") as processes:
    run = trainer(settings, lambda p, share: losses.append(p.loss), processes)
    weights = sum(float(p.abs().sum()) for p in run.network.parameters())
    found = {"losses": losses, "valid": run.progress.valid, "weights": weights}
    Path(f"{sys.argv[2]}-{processes.rank}").write_text(json.dumps(found))
"""


def run_on(count: int, settings: TrainSettings) -> list[dict[str, object]]:
    """What each of `count` processes, started by torchrun, tells of the run."""
    given = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(settings).items()
        if value is not None
    }
    return torchrun.run_on(count, PROGRAM, given, settings.out.parent)


@pytest.fixture
def settings(made_pack: Path, tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        made_pack,
        tmp_path / "run",
        steps=200,
        batch=4,
        beats=4,
        warmup=10,
        save_every=100,
        sizes=SIZES,
        valid_windows=1,
        threads=1,
        rate=3e-3,
        own_past=0.05,
    )


def test_two_processes_learn_what_one_does_and_another_number_goes_on(
    settings: TrainSettings,
) -> None:
    alone: list[float] = []
    whole = train(
        replace(settings, out=settings.out.with_name("alone")),
        lambda p, share: alone.append(p.loss),
    )
    first, second = run_on(2, settings)
    assert first["losses"] == second["losses"]
    assert first["weights"] == pytest.approx(second["weights"], rel=1e-9)
    assert first["losses"][:50] == pytest.approx(alone[:50], rel=1e-3)  # type: ignore[index]
    assert first["valid"] == pytest.approx(whole.progress.valid, abs=0.01)
    state = checkpoint.load(settings.out / "checkpoint.pt")
    assert state["progress"]["step"] == 200  # type: ignore[index]
    assert [path.name for path in settings.out.iterdir()] == ["checkpoint.pt"]

    # The same run goes on, on one process.
    steps: list[int] = []
    train(replace(settings, steps=210), lambda p, share: steps.append(p.step))
    assert steps == list(range(201, 211))


@pytest.fixture
def chorales(tmp_path: Path) -> Path:
    """Twelve chorales of four voices in steps, and four to score with."""
    rng = np.random.default_rng(0)
    rows = rng.choice([0, 2, 4, 5, 7], size=(16, 20, 4)) + np.array([48, 55, 60, 67])
    path = tmp_path / "chorales.json"
    path.write_text(json.dumps({"train": rows[:12].tolist(), "valid": rows[12:].tolist()}))
    return path


@pytest.mark.stage
@pytest.mark.parametrize("family", ["paper-unet", "chorale"])
def test_every_other_family_learns_on_two_processes_what_it_does_on_one(
    settings: TrainSettings, chorales: Path, family: str
) -> None:
    """Without dropout, whose masks are of each process's own rows."""
    if family == "chorale":
        sizes = {"width": 16, "layers": 1, "heads": 2, "dropout_percent": 0}
        asked = replace(settings, family=family, sizes=sizes, data=chorales)
    else:
        asked = replace(settings, family=family, sizes=UNET)
    whole = train(replace(asked, out=asked.out.with_name("alone")), lambda p, share: None)
    first, second = run_on(2, asked)
    assert first["losses"] == second["losses"]
    assert first["valid"] == pytest.approx(whole.progress.valid, abs=0.01)


@pytest.mark.stage
@pytest.mark.parametrize("family", ["paper-unet", "frame-transformer"])
def test_a_run_begun_on_one_process_goes_on_on_two_as_it_would_on_one(
    settings: TrainSettings, family: str, tmp_path: Path
) -> None:
    sizes = SIZES if family != "paper-unet" else UNET
    begun = replace(settings, family=family, sizes=sizes, steps=100, own_past=0.4)
    longer = replace(begun, steps=140)
    for out in ("one", "two"):
        train(replace(begun, out=tmp_path / out), lambda p, share: None)
    whole = train(replace(longer, out=tmp_path / "one"), lambda p, share: None)
    first, _ = run_on(2, replace(longer, out=tmp_path / "two"))
    assert first["valid"] == pytest.approx(whole.progress.valid, abs=0.01)


def test_rows_are_shared_out_without_gap_or_overlap() -> None:
    for count in (1, 2, 3):
        for size in (3, 4, 7):
            found = [Processes(rank, count).rows(size) for rank in range(count)]
            assert [row for each in found for row in range(size)[each]] == list(range(size))
            lengths = [each.stop - each.start for each in found]
            assert max(lengths) - min(lengths) <= 1


def test_alone_nothing_is_changed() -> None:
    alone = Processes.from_environment()
    network = torch.nn.Linear(2, 2)
    assert alone == Processes()
    assert alone.first
    assert alone.parallel(network) is network
    assert alone.sums(torch.tensor(2.5), 3, device=torch.device("cpu")) == [2.5, 3.0]
    assert alone.device("cuda") == "cuda"
    assert Processes(3, 4, 1).device("cuda") == "cuda:1"
    assert Processes(3, 4, 1).device("cpu") == "cpu"


def test_only_the_first_writes(settings: TrainSettings) -> None:
    run = Run(settings)
    run.processes = Processes(1, 2)
    run.save()
    assert not run.checkpoint_path.exists()


def test_more_processes_than_windows_are_refused(settings: TrainSettings) -> None:
    with pytest.raises(CheckpointError, match="give --batch 16 or more"):
        Run(settings, Processes(0, 8))


def test_progress_counts_once(settings: TrainSettings) -> None:
    found: list[Progress] = []
    train(replace(settings, steps=2), lambda p, share: found.append(replace(p)))
    assert [p.step for p in found] == [1, 2]
    assert found[1].elapsed_s > found[0].elapsed_s > 0
