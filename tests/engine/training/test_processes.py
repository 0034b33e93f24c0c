"""One run on one process and on two: the same losses; resumed on another number; one writer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.model import checkpoint
from engine.model.checkpoint import CheckpointError
from engine.training.processes import Processes
from engine.training.train import Run, train
from engine.training.train_settings import Progress, TrainSettings

TOP = Path(__file__).parents[3]
SIZES = {"width": 16, "layers": 1, "heads": 2, "condition_width": 8}

PROGRAM = """
import json, os, sys
from pathlib import Path
from engine.training.processes import joined
from engine.training.train import train
from engine.training.train_settings import TrainSettings

told = json.loads(sys.argv[1])
settings = TrainSettings(**{**told, "data": Path(told["data"]), "out": Path(told["out"])})
losses = []
with joined("cpu") as processes:
    run = train(settings, lambda p, share: losses.append(p.loss), processes)
    weights = sum(float(p.abs().sum()) for p in run.network.parameters())
    found = {"losses": losses, "valid": run.progress.valid, "weights": weights}
    Path(f"{settings.out}-{processes.rank}.json").write_text(json.dumps(found))
"""


def run_on(count: int, settings: TrainSettings) -> list[dict[str, object]]:
    """What each of `count` processes, started by torchrun, tells of the run."""
    told = {
        "data": str(settings.data),
        "out": str(settings.out),
        "steps": settings.steps,
        "batch": settings.batch,
        "beats": settings.beats,
        "warmup": settings.warmup,
        "save_every": settings.save_every,
        "sizes": settings.sizes,
        "family": settings.family,
        "valid_windows": settings.valid_windows,
        "threads": 1,
        "rate": settings.rate,
        "own_past": settings.own_past,
    }
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    program = settings.out.parent / "program.py"
    program.write_text(PROGRAM)
    words = [*torchrun, "--nproc-per-node", str(count), str(program), json.dumps(told)]
    environment = {"PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        words, cwd=TOP, env=environment, capture_output=True, text=True, timeout=250
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return [json.loads(Path(f"{settings.out}-{rank}.json").read_text()) for rank in range(count)]


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


@pytest.mark.stage
@pytest.mark.parametrize("family", ["paper-unet", "frame-transformer"])
def test_a_run_begun_on_one_process_goes_on_on_two_as_it_would_on_one(
    settings: TrainSettings, family: str, tmp_path: Path
) -> None:
    sizes = SIZES if family != "paper-unet" else {"full": 4, "half": 4, "quarter": 8, "eighth": 8}
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
