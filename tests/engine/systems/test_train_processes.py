"""Runs of systems on one process and on two: the same loss, one writer, any number resumes."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from engine.model.checkpoint import CheckpointError
from engine.requests.abilities import SYSTEM_NAMES
from engine.systems import train
from engine.systems.common.draws import Draws
from engine.systems.common.standard import Standard
from engine.systems.train import SystemRun, SystemTrainSettings, train_system
from engine.training.processes import Processes
from tests import torchrun
from tests.engine.systems.small import SMALL

PROGRAM = """
import contextlib, json, sys
from pathlib import Path
from engine.systems import train
from engine.systems.train import SystemTrainSettings, train_system
from engine.training.processes import joined

train.autocast = lambda device: contextlib.nullcontext()
found = []
with joined("cpu") as processes:
    for given in json.loads(sys.argv[1]):
        paths = {name: Path(given[name]) for name in ("data", "out")}
        losses = []
        settings = SystemTrainSettings(**{**given, **paths})
        run = train_system(settings, lambda p, share: losses.append(p.loss), processes)
        found.append({"losses": losses, "valid": run.progress.valid})
    Path(f"{sys.argv[2]}-{processes.rank}").write_text(json.dumps(found))
"""


def settings(pack: Path, out: Path, family: str, steps: int) -> SystemTrainSettings:
    """Of a batch of three, so that one process has more rows than the other."""
    sizes = SMALL[family]
    if "coder_steps" in sizes:
        sizes = sizes | {"coder_steps": steps // 2}
    return SystemTrainSettings(
        pack,
        out / family,
        family,
        steps=steps,
        batch=3,
        save_every=steps // 2,
        listen_every=0,
        threads=1,
        valid_windows=16,
        sizes=sizes,
    )


def on_two(asked: list[SystemTrainSettings], folder: Path) -> tuple[list[dict[str, float]], ...]:
    given = [asdict(each) | {"data": str(each.data), "out": str(each.out)} for each in asked]
    first, second = torchrun.run_on(2, PROGRAM, given, folder)
    return first, second


def goes_on(asked: SystemTrainSettings) -> list[int]:
    """Numbers of the steps it takes."""
    numbers: list[int] = []
    train_system(asked, lambda p, share: numbers.append(p.step))
    return numbers


@pytest.mark.parametrize(
    "steps", [8, pytest.param(200, marks=[pytest.mark.stage, pytest.mark.timeout(900)])]
)
def test_two_processes_learn_what_one_does_and_another_number_goes_on(
    made_pack: Path, tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In fp32: in bf16 a sum over other rows is rounded otherwise, and after 200 steps that is
    another run (savkin: 0.24 against 0.27)."""
    monkeypatch.setattr(train, "autocast", lambda device: contextlib.nullcontext())
    asked = [settings(made_pack, tmp_path / "two", family, steps) for family in SYSTEM_NAMES]
    first, second = on_two(asked, tmp_path)
    assert first == second
    for each, found in zip(asked, first, strict=True):
        alone = train_system(
            replace(each, out=tmp_path / "one" / each.family), lambda p, share: None
        )
        assert found["valid"] == pytest.approx(alone.progress.valid, abs=0.01), each.family
        assert [path.name for path in each.out.iterdir()] == ["checkpoint.pt"]
        assert goes_on(replace(each, steps=steps + 2)) == [steps + 1, steps + 2]


def test_processes_draw_their_rows_of_what_one_would_draw() -> None:
    def drawn(draws: Draws, size: int) -> list[torch.Tensor]:
        return [
            draws.normal(torch.zeros(size, 3)),
            draws.normal(torch.zeros(2 * size, 3)),  # two a row
            draws.levels(size),
            draws.below(9, size),
            draws.chances(size),
        ]

    whole = drawn(Draws(torch.Generator().manual_seed(1)), 5)
    parts = [
        drawn(Draws(torch.Generator().manual_seed(1), rows, 5), rows.stop - rows.start)
        for rows in (Processes(rank, 2).rows(5) for rank in (0, 1))
    ]
    for at, all_rows in enumerate(whole):
        assert torch.equal(torch.cat([part[at] for part in parts]), all_rows)


def test_moments_are_of_the_whole_batch() -> None:
    x = torch.randn(5, 2, 7, generator=torch.Generator().manual_seed(1))
    alone, shared = Standard(2), Standard(2)
    alone.note(x, 0.5, lambda sums: sums)
    others = iter(
        [
            torch.stack([torch.full((2,), 14.0), x[3:].sum((0, 2))]),
            (x[3:] - x.mean((0, 2))[:, None]).pow(2).sum((0, 2)),
        ]
    )
    shared.note(x[:3], 0.5, lambda sums: sums + next(others))
    assert torch.allclose(alone.mean, shared.mean)
    assert torch.allclose(alone.spread, shared.spread)


def test_the_first_process_alone_writes_and_all_have_a_window(
    made_pack: Path, tmp_path: Path
) -> None:
    asked = settings(made_pack, tmp_path, "savkin", 2)
    run = SystemRun(asked, Processes(1, 2))
    run.save()
    assert not run.path.exists()
    with pytest.raises(CheckpointError, match="give --batch 4 or more"):
        SystemRun(asked, Processes(0, 4))
