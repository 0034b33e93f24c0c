"""Train the shipped models on a GPU machine in minutes: `python -m scripts.gpu_day --help`.

Needs the checkout, a packed corpus (`midi-diffuse train --data DATA --pack clean.npz`), torch,
numpy and click; no registry, no installation. Leaves `harmony.pt` and `texture.pt` (checkpoints
of fp16 weights, each below 16 MB) and `log.txt` in --out. A run that ends early leaves what was
finished.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click
import torch

from engine.model.checkpoint import CheckpointError
from engine.model.export import ModelError, network_weights_of, planner_weights_of
from engine.training.clocked_run import Recipe
from engine.training.dataset import PackError, load_pack
from engine.training.harmony_training import begun_planner, train_harmony
from engine.training.texture_training import begun_texture, train_texture

FILE_LIMIT_BYTES = 16_000_000
DATA_LIMIT_BYTES = 64 * 1024 * 1024
"""What such a machine takes in: the checkout and the packed corpus."""


@click.command(help=__doc__)
@click.option("--data", type=Path, required=True, help="Packed corpus.")
@click.option("--out", type=Path, required=True, help="Folder for results.")
@click.option(
    "--start",
    type=Path,
    default=None,
    help="Model or checkpoint whose texture weights to begin with.",
)
@click.option(
    "--start-harmony",
    type=Path,
    default=None,
    help="Model or checkpoint whose planner to go on from.",
)
@click.option("--harmony-minutes", default=1.7, show_default=True)
@click.option("--texture-minutes", default=6.5, show_default=True)
@click.option("--harmony-beats", default=32768, show_default=True, help="Beats of music a step.")
@click.option("--texture-beats", default=8192, show_default=True, help="Beats of music a step.")
@click.option("--harmony-rate", default=2e-3, show_default=True)
@click.option("--texture-rate", default=1.5e-3, show_default=True)
@click.option(
    "--texture-size",
    "texture_sizes",
    type=(str, int),
    multiple=True,
    metavar="NAME N",
    help="Size of the network of the notes, such as `layers 2`; `beat_layers 2` for an hourglass.",
)
@click.option("--dropout", default=10, show_default=True, help="Per cent.")
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--pieces", type=int, default=None, help="Of each split; a dry run needs few.")
@click.option("--steps", type=int, default=None, help="At most; a dry run needs one.")
@click.option("--scored", default=256, show_default=True, help="Windows a score is taken of.")
def main(
    data: Path,
    out: Path,
    start: Path | None,
    start_harmony: Path | None,
    harmony_minutes: float,
    texture_minutes: float,
    harmony_beats: int,
    texture_beats: int,
    harmony_rate: float,
    texture_rate: float,
    texture_sizes: tuple[tuple[str, int], ...],
    dropout: int,
    device: str,
    seed: int,
    pieces: int | None,
    steps: int | None,
    scored: int,
) -> None:
    """Both trainings, one after the other."""
    if device == "cuda" and not torch.cuda.is_available():
        raise click.UsageError("no CUDA device here; try the command with --device cpu")
    began = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = True

    def report(line: str) -> None:
        text = f"{time.perf_counter() - began:6.1f} s  {line}"
        print(text, flush=True)
        with (out / "log.txt").open("a") as log:
            log.write(text + "\n")

    where = torch.device(device)
    name = torch.cuda.get_device_name() if where.type == "cuda" else "CPU"
    report(f"{name}, torch {torch.__version__}")
    common = Recipe(
        0.0,
        seed=seed,
        scored=scored,
        most_steps=steps,
        most_pieces=pieces,
        sizes={"dropout_percent": dropout},
    )
    harmony = replace(common, minutes=harmony_minutes, beats=harmony_beats, rate=harmony_rate)
    texture = replace(
        common,
        minutes=texture_minutes,
        beats=texture_beats,
        rate=texture_rate,
        sizes=common.sizes | dict(texture_sizes),
    )
    try:  # before the first training, not after it
        pack = load_pack(data)
        planner = None if start_harmony is None else planner_weights_of(start_harmony)
        begun_planner(harmony.sizes, planner)
        weights = None if start is None else network_weights_of(start)
        begun_texture(texture.sizes, weights)
    except (PackError, ModelError, CheckpointError) as error:
        raise click.ClickException(str(error)) from None
    report(f"{len(pack.piece_beats)} pieces")
    if harmony_minutes > 0:
        train_harmony(pack, harmony, where, out / "harmony.pt", report, planner)
    if texture_minutes > 0:
        keep_at = (0.3, 0.5, 0.7, 0.85)
        train_texture(pack, texture, where, out / "texture.pt", report, weights, keep_at)
    for file in sorted(out.glob("*.pt")):
        size = file.stat().st_size
        report(f"{file.name}: {size} bytes" + ("" if size <= FILE_LIMIT_BYTES else ", TOO LARGE"))


if __name__ == "__main__":
    main()
