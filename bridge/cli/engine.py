"""`midi-diffuse train` and `export`; `evaluate` and `bench engine` come from `score`.

Training must run on a bare GPU machine with torch, numpy and click alone, from a packed file:
nothing else is imported here at the top, and mido and tqdm only where they are used.
`python -m bridge.cli.engine train ...` works without the package being installed.
"""

from __future__ import annotations

import json
import math
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.bench_engine import bench_engine
from bridge.cli.data import PATH, checkpoint_in, device_option, json_option, prepare, seed_option
from bridge.cli.score import evaluate, progress
from bridge.cli.systems import train_system
from bridge.cli.trusted import is_program, trusted
from bridge.text import did_you_mean

if TYPE_CHECKING:
    from engine.training.processes import Processes
    from engine.training.train_settings import Progress

_NEXT = {
    "pack": "midi-diffuse export {out} -o MODEL.pt --name NAME",
    "chorales": "midi-diffuse bench jsb --data {data} --model {out}",
    "plans": "midi-diffuse export NOTES --harmony {out} -o MODEL.pt --name NAME",
}
"""What to do with a trained model, by `Family.music`."""

__all__ = ["bench_engine", "evaluate", "export", "refine", "train"]


def _from_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Options from a TOML file; what is on the command line goes first."""
    if path is None:
        return
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise click.UsageError(f"--config {path}: {err.strerror or err}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise click.UsageError(f"--config {path}: not TOML: {err}") from None
    names = {option.lstrip("-"): each.name for each in ctx.command.params for option in each.opts}
    for key in document:
        if key not in names or key == "config":
            raise click.UsageError(f"--config {path}: no option {key!r}{did_you_mean(key, names)}")
    sizes = document.get("size", {})
    if isinstance(sizes, dict):
        document["size"] = [f"{name}={size}" for name, size in sizes.items()]
    ctx.default_map = {str(names[key]): value for key, value in document.items()}


@click.command()
@click.option(
    "--config",
    type=PATH,
    is_eager=True,
    expose_value=False,
    callback=_from_config,
    help="A TOML file with any of these options; run it again to go on.",
)
@click.option(
    "--data",
    type=PATH,
    required=True,
    help="A packed file, a folder of MIDI files, or one with manifest.csv.",
)
@click.option("--pack", type=PATH, help="Only prepare: write the packed file and stop.")
@click.option(
    "--corpus",
    "corpora",
    multiple=True,
    metavar="NAME",
    help="With manifest.csv: which corpora to pack.  [those with a share]",
)
@click.option(
    "--out",
    type=PATH,
    default=Path("runs/mine"),
    show_default=True,
    help="Folder of the run; one that is there is resumed.",
)
@click.option(
    "--family",
    default="frame-transformer",
    show_default=True,
    help="Kind of network: frame-transformer, harmony (the chords it follows), paper-unet, "
    "chorale, or a system of docs/systems.md.",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="NAME=N",
    help="Size of the network, such as width=384.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Training time, over all resumes.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=1_000_000,
    help="Stop after so many steps, if that is sooner.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=16, show_default=True, help="Windows a step."
)
@click.option(
    "--beats", type=click.IntRange(4, 64), default=16, show_default=True, help="Length of a window."
)
@click.option("--rate", type=float, default=1.2e-3, show_default=True, help="Learning rate.")
@click.option(
    "--save-every",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Steps between checkpoints.",
)
@click.option("--threads", type=click.IntRange(0), default=0, help="Bound on torch's threads.")
@click.option(
    "--start-from",
    type=PATH,
    help="Weights to begin with: an export (presets/default.pt) or a run.",
)
@click.option(
    "--compile/--no-compile",
    "compiled",
    default=False,
    show_default=True,
    help="Through torch.compile: shorter steps, needs a C++ compiler.",
)
@device_option
@seed_option
def train(
    data: Path,
    pack: Path | None,
    corpora: tuple[str, ...],
    out: Path,
    sizes: tuple[str, ...],
    device: str,
    **options: Any,
) -> None:
    """Train a model; run the same command again to go on after a stop.

    On several GPUs, or machines: `torchrun --nproc-per-node 4 -m bridge train ...`, with as many or
    other numbers of them after a stop. --batch is that of all together.
    """
    if pack is not None:
        prepare(data, pack, corpora, pack.with_suffix(".skipped.txt"))
        return
    from engine.model.export import pick_device
    from engine.requests.abilities import SYSTEM_NAMES
    from engine.training.harmony_run import train_plans
    from engine.training.processes import joined
    from engine.training.train import train as run_training
    from engine.training.train_settings import TrainSettings

    chosen = str(pick_device(device))
    with joined(chosen) as processes:
        packed = _packed(data, out, corpora, processes)
        if options["family"] in SYSTEM_NAMES:
            wanted = options | {"device": device}
            train_system(packed, out, _sizes(sizes), _progress, wanted, processes)
            return
        settings = TrainSettings(
            packed, out, sizes=_sizes(sizes), device=processes.device(chosen), **options
        )
        with _progress() if processes.first else nullcontext(_nothing) as report:
            try:
                trainer = train_plans if settings.family == "harmony" else run_training
                run = trainer(settings, report, processes)
            except KeyboardInterrupt:
                click.echo("\nstopped and saved; the same command goes on from here", err=True)
                sys.exit(130)
    if not processes.first:
        return
    progress = run.progress
    click.echo(
        f"{run.checkpoint_path}: {progress.step} steps, valid loss {progress.valid:.3f} a step, "
        f"valid bound {progress.bound:.1f} nats a beat\n"
        f"next: {_NEXT[run.family.music].format(out=out, data=packed)}"
    )


def _packed(data: Path, out: Path, corpora: tuple[str, ...], processes: Processes) -> Path:
    """Return the packed file; made beside the run, which needs the same windows when it is
    resumed."""
    if data.is_file():
        return data
    packed = out / "data.npz"
    if processes.first and not packed.is_file():
        prepare(data, packed, corpora, out / "skipped.txt")
    processes.wait()
    return packed


def _nothing(progress: Progress, share: float) -> None:
    """Report nothing: what the processes beside the first one do."""


def _sizes(words: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value.isdecimal():
            raise click.UsageError(f"--size wants NAME=N, such as width=384, not {word!r}")
        sizes[name] = int(value)
    return sizes


@contextmanager
def _progress() -> Iterator[Callable[[Progress, float], None]]:
    """Show a progress bar where tqdm is there and stderr is a terminal, else a line at times."""

    def numbers(progress: Progress) -> str:
        text = f"step {progress.step}, loss {progress.loss:.3f}"
        if not math.isnan(progress.valid):
            text += f", valid {progress.valid:.3f}"
        if not math.isnan(progress.bound):
            text += f", bound {progress.bound:.1f} nats/beat"
        return text

    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    if tqdm is None or not sys.stderr.isatty():
        shown_s = -math.inf

        def line(progress: Progress, share: float) -> None:
            nonlocal shown_s
            if time.monotonic() - shown_s >= 10 or share >= 1:
                shown_s = time.monotonic()
                click.echo(f"{100 * share:5.1f} %  {numbers(progress)}", err=True)

        yield line
        return
    shape = "{percentage:3.0f} %|{bar}| {desc} [{elapsed}<{remaining}]"
    with tqdm(total=1.0, bar_format=shape) as bar:

        def update(progress: Progress, share: float) -> None:
            bar.set_description_str(numbers(progress), refresh=False)
            bar.update(min(share, 1.0) - bar.n)

        yield update


@click.command()
@click.argument("run", type=PATH)
@click.option("--data", type=PATH, required=True, help="The packed file it was trained on.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=2600,
    show_default=True,
    help="Steps of eight windows of two bars.",
)
@click.option("--threads", type=click.IntRange(0), default=0, help="Bound on torch's threads.")
@device_option
@seed_option
def refine(run: Path, data: Path, device: str, **options: Any) -> None:
    """Fit what single cells say in a finished run: better likelihood, same playing."""
    from engine.model.export import pick_device
    from engine.training.refining import RefineSettings
    from engine.training.refining import refine as fit

    settings = RefineSettings(data, checkpoint_in(run), device=str(pick_device(device)), **options)
    say = progress()
    fit(settings, lambda step, nats: say(f"{step} of {settings.steps}  {nats:.3f} nats a step"))
    click.echo(f"{settings.run}: refined; export it again")


@click.command()
@click.argument("checkpoint", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="The model file to write (.pt).")
@click.option("--name", help="What it is called.  [a converted one's own, else the file's name]")
@click.option(
    "--harmony", type=PATH, help="A checkpoint, run or model whose network draws the chords."
)
@json_option
def export(
    checkpoint: Path, out: Path, name: str | None, harmony: Path | None, as_json: bool
) -> None:
    """Make one self-contained TorchScript file of a checkpoint (or its run's folder).

    An older model file is converted: the same weights, with this version's sampling loop.
    """
    from bridge.settings import model_trust
    from engine.systems.weights import export_any

    planner = checkpoint_in(harmony) if harmony else None
    metadata = export_any(trusted(checkpoint_in(checkpoint)), out, name, planner)
    if is_program(out):  # made here, of weights that were read as data or trusted before
        model_trust.trust(out)
    if as_json:
        click.echo(json.dumps(metadata, indent=2))
    else:
        click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {metadata['trained_steps']} steps")


if __name__ == "__main__":
    from bridge.cli.main import run

    run()
