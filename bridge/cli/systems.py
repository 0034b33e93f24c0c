"""The systems of docs/systems.md on the command line; `train` and `export` come here for them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from engine.training.train import Progress

_OURS = ("family", "minutes", "steps", "batch", "seed", "save_every", "threads")
"""Options of `train` that mean the same here. Windows and rate are the systems' own."""
Bar = Callable[[], AbstractContextManager[Callable[["Progress", float], None]]]


def train_system(
    data: Path, out: Path, sizes: dict[str, int], bar: Bar, options: dict[str, Any]
) -> None:
    """Train or resume. Raises CheckpointError or PackError; Ctrl-C saves and exits with 130."""
    from engine.systems.train import SystemTrainSettings
    from engine.systems.train import train as run_training

    ours = {name: options[name] for name in _OURS}
    if options["start_from"] is not None or options["compiled"]:
        raise click.UsageError(f"--start-from and --compile are not for {options['family']}")
    settings = SystemTrainSettings(data, out, sizes=sizes, **ours)
    with bar() as report:
        try:
            run = run_training(settings, report)
        except KeyboardInterrupt:
            click.echo("\nstopped and saved; the same command goes on from here", err=True)
            sys.exit(130)
    click.echo(
        f"{run.path}: {run.progress.step} steps, valid loss {run.progress.valid:.4f}\n"
        f"next: midi-diffuse export {out} -o MODEL.pt --name NAME"
    )
