"""`midi-diffuse bench samplers`: every way of sampling, answering the same leads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.data import PATH, device_option, json_option, packed, seed_option
from bridge.cli.score import (
    as_played,
    check_words,
    load_generator,
    preset_model,
    progress,
    with_model,
)

if TYPE_CHECKING:
    from engine.evaluation.study import StudySettings

_TITLES = {
    "calls": "samplers and calls",
    "temperature": "temperature",
    "spacing": "spacing of the noise levels",
    "corrections": "calls spent at low noise",
}
_COLUMNS = (
    ("F1", "note_f1"),
    ("dissonant", "profile.dissonant"),
    ("out scale", "profile.out_of_scale"),
    ("silent", "profile.silent"),
    ("notes/fr", "profile.mean_notes_per_frame"),
    ("onsets/b", "profile.mean_onsets_per_beat"),
    ("length tv", "distance.lengths"),
    ("short", "short"),
    ("length x", "length_ratio"),
    ("mean x", "mean_ratio"),
    ("order", "order"),
    ("ms", "ms_per_reply"),
)


@click.command("samplers")
@click.option(
    "--data",
    type=PATH,
    required=True,
    help="A packed file, a folder of MIDI files, or one with manifest.csv.",
)
@with_model
@click.option("--sampler", "samplers", multiple=True, help="Only this one; may be repeated.  [all]")
@click.option(
    "--calls",
    type=click.IntRange(1, 1000),
    multiple=True,
    help="Calls of the network; may be repeated.  [4 6 10 20 50 100]",
)
@click.option(
    "--temperature",
    "temperatures",
    type=click.FloatRange(0.1, 2),
    multiple=True,
    help="Of the model's own sampler; repeat it.  [0.6 0.7 0.8 0.9 1]",
)
@click.option(
    "--split",
    type=click.Choice(["train", "valid"]),
    default="valid",
    show_default=True,
    help="Whose windows.",
)
@click.option("--windows", type=click.IntRange(4), default=24, show_default=True, help="How many.")
@click.option(
    "--beats", type=click.IntRange(4, 64), default=16, show_default=True, help="Length of a window."
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Replies filled together; times are of one alone.",
)
@device_option
@seed_option
@json_option
def bench_samplers(
    data: Path,
    model: Path | None,
    preset: str,
    samplers: tuple[str, ...],
    calls: tuple[int, ...],
    temperatures: tuple[float, ...],
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare samplers, numbers of calls and temperatures on the same held-out leads.

    `mean x` is the mean of nine distances to the composers, each in units of how far two halves of
    the composers' own windows lie apart; `order` sorts by it. Read the other columns too.
    """
    from engine.evaluation import bench, study
    from engine.requests.request import SAMPLERS
    from engine.training.dataset import load_pack

    check_words("--sampler", samplers, SAMPLERS)
    generator = load_generator(model or preset_model(preset), device)
    own = as_played(generator, dict.fromkeys(("sampler", "steps", "temperature")), 0)
    wanted = study.StudySettings(
        default=study.SamplerChoice(own.sampler, own.steps, own.temperature),
        samplers=samplers or SAMPLERS,
        calls=calls or study.CALLS,
        temperatures=temperatures or study.TEMPERATURES,
        **options,
    )
    with packed(data) as path:
        found = {
            "model": generator.metadata["name"],
            "machine": bench.torch_machine(generator.device),
            **study.study(generator, load_pack(path), wanted, progress()),
        }
    click.echo(json.dumps(found, indent=2) if as_json else table(found, wanted))


def table(found: Mapping[str, Any], wanted: StudySettings) -> str:
    """Return the whole study for people."""
    lines = [f"{found['model']}: {wanted.windows} {wanted.split} windows of {wanted.beats} beats"]
    for name, title in _TITLES.items():
        rows = found["tables"][name]
        lines += ["", f"{title}", _line("", [head for head, _ in _COLUMNS])]
        lines += [_line(_way(row), _cells(row)) for row in rows]
        lines.append(_line("wrong piece", _cells(found["wrong piece"])))
        lines.append(_line("composer", _cells(_composer(found["human"]))))
    return "\n".join(lines)


def _way(row: Mapping[str, Any]) -> str:
    pace = f"^{row['spacing']:g}" if row["spacing"] != 1 else ""
    pace += f" {row['corrections']} low" if row["corrections"] else ""
    return f"{row['sampler']}, {row['steps']}, {row['temperature']:g}{pace}"


def _composer(human: Mapping[str, Any]) -> dict[str, Any]:
    """Return the composers' row: their own numbers, and the distance between two halves of them."""
    return {
        "note_f1": 1.0,
        "profile": human["profile"],
        "distance": human["half_split"],
        "short": human["short"],
        "length_ratio": 1.0,
        "mean_ratio": 1.0,
    }


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [_told(_at(row, path)) for _, path in _COLUMNS]


def _at(row: Mapping[str, Any], path: str) -> Any:
    """`profile.silent` of a row; None where it has no such number."""
    group, _, name = path.rpartition(".")
    return (row[group] if group else row).get(name)


def _told(value: float | int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}"


def _line(title: str, cells: Sequence[str]) -> str:
    return f"  {title:30}" + "".join(f"{cell:>10}" for cell in cells)
