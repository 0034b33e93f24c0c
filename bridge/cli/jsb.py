"""`midi-diffuse bench jsb`: the likelihood benchmark on JSB chorales."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bridge.cli.data import PATH, device_option, json_option, seed_option

_SHIPPED = Path(__file__).resolve().parents[2] / "benchmarks" / "jsb.pt"
"""In a checkout only: the wheel leaves it out."""


@click.command("jsb")
@click.option(
    "--data", type=PATH, required=True, help="jsb-chorales-quarter.json, or any JSON of that form."
)
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    default="valid",
    show_default=True,
    help="Whose pieces.",
)
@click.option(
    "--model",
    type=PATH,
    default=_SHIPPED,
    show_default="benchmarks/jsb.pt",
    help="A checkpoint or a run's folder.",
)
@click.option(
    "--shrink", "small", type=PATH, help="Keep its weights in this file, as fp16, and score that."
)
@click.option(
    "--levels",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="T of the bound; more is tighter, and takes no longer.",
)
@click.option(
    "--draws",
    type=click.IntRange(2),
    default=100,
    show_default=True,
    help="Random terms of the bound for each piece.",
)
@device_option
@seed_option
@json_option
def bench_jsb(
    data: Path, split: str, model: Path, small: Path | None, as_json: bool, **options: Any
) -> None:
    """Bound a chorale model's nats a frame on a split of the JSB chorales.

    An upper bound on -log p, summed over all frames and all 88 keys of whole pieces and divided by
    the number of frames; with its Monte-Carlo standard error.
    """
    from engine.evaluation.chorale_score import benchmark, shrink
    from engine.training.chorales import load_chorales

    music = load_chorales(data)
    if small is not None:
        shrink(model, small)
    found = benchmark(small or model, music, split, **options)
    click.echo(json.dumps(found, indent=2) if as_json else as_text(found))


def as_text(found: dict[str, Any]) -> str:
    """Return the result for people."""
    lines = [
        f"{found['model']}: {found['pieces']} {found['split']} pieces, {found['frames']} frames",
        f"  -log p <= {found['nats_per_frame']:.3f} +- {found['standard_error']:.3f} nats a frame "
        f"(T = {found['levels']}, {found['draws']} draws a piece)",
    ]
    if found["marginal_nats_per_frame"] is not None:
        lines.append(f"  marginal  {found['marginal_nats_per_frame']:.3f} (each pitch by itself)")
    return "\n".join(lines)
