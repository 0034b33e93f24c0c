"""`midi-diffuse bench cadences`: how often the bundled melodies are closed by V-I."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.data import PATH, device_option, json_option, packed
from bridge.cli.options import knobs_for
from bridge.cli.score import check_words, load_generator, preset_model, progress
from bridge.files import tasks as file_tasks
from bridge.files.tasks import SourcePiece
from bridge.settings.presets import load, shared_dir
from engine.music.keys import Key
from engine.requests.request import STYLES
from engine.scores.midi_file import read

if TYPE_CHECKING:
    from engine.model.generator import Generator

_NAME, _CELL = 28, 16


@click.command("cadences")
@click.option(
    "--preset",
    "presets",
    multiple=True,
    default=["default", "hymn", "song"],
    show_default=True,
    help="Who plays; may be repeated.",
)
@click.option(
    "--style", "styles", multiple=True, help="In this style; may be repeated.  [each preset's own]"
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Each melody is harmonized with the seeds 1 to N.",
)
@click.option("--data", type=PATH, help="Packed data: its held-out composers beside it, by style.")
@device_option
@json_option
def bench_cadences(
    presets: tuple[str, ...],
    styles: tuple[str, ...],
    seeds: int,
    data: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Count V-I at the last note of the bundled melodies, as `harmonize` plays them.

    What counts as V-I: docs/evaluation.md.
    """
    check_words("--style", styles, STYLES)
    pieces = {path.stem: SourcePiece.of(read(path)) for path in melodies()}
    rows, say = [], progress()
    for name in presets:
        generator = load_generator(preset_model(name), device)
        for style in styles or (None,):
            say(f"{name}, {style or 'its own style'}")
            rows.append(row(name, style, generator, pieces, seeds))
    rows.append(rule_row(pieces))
    found = {
        "seeds": seeds,
        "melodies": {name: str(key_of(piece)) for name, piece in pieces.items()},
        "rows": rows,
        "composers": {} if data is None else _composers(data, [each["style"] for each in rows]),
    }
    click.echo(json.dumps(found, indent=2) if as_json else table(found))


def melodies() -> list[Path]:
    """Return the bundled melodies' files."""
    return sorted((shared_dir("presets") / "melodies").glob("*.mid"))


def key_of(piece: SourcePiece) -> Key:
    """Return the piece's key: every bundled melody tells it."""
    assert piece.key is not None
    return piece.key


def row(
    preset: str,
    style: str | None,
    generator: Generator,
    pieces: Mapping[str, SourcePiece],
    seeds: int,
) -> dict[str, Any]:
    """Return a preset's count of each melody. style: instead of the preset's own."""
    from engine.evaluation.last_note import closes_v_i
    from engine.music.roll import roll_to_notes

    knobs = knobs_for(load(preset), {"style": style}, mode="harmonize")
    closed = {}
    for name, piece in pieces.items():
        settings = knobs.sample_settings(knobs.integer("steps"), piece.key)
        job = file_tasks.harmonize(piece, settings, generator.pitches)
        requests = [
            replace(job.request, settings=replace(settings, seed=seed))
            for seed in range(1, seeds + 1)
        ]
        closed[name] = sum(
            closes_v_i(piece.melody.lead, roll_to_notes(roll), key_of(piece))
            for roll in generator.fill_many(requests)
        )
    return _row(preset, knobs.text("style"), closed, seeds)


def rule_row(pieces: Mapping[str, SourcePiece]) -> dict[str, Any]:
    """Return the rule baseline's; it has no seeds."""
    from engine.evaluation.last_note import closes_v_i
    from engine.evaluation.rule_baseline import RULE, by_rule

    closed = {}
    for name, piece in pieces.items():
        lead = piece.melody.lead
        span = piece.lines[0], piece.lines[-1]
        notes = by_rule(lead, piece.meters, span, ends=True)
        closed[name] = int(closes_v_i(lead, notes, key_of(piece)))
    return _row(RULE, "any", closed, 1)


def _row(player: str, style: str, closed: Mapping[str, int], seeds: int) -> dict[str, Any]:
    return {
        "player": player,
        "style": style,
        "closed": dict(closed),
        "total": sum(closed.values()),
        "of": seeds * len(closed),
    }


def _composers(data: Path, styles: Sequence[str]) -> dict[str, Any]:
    from engine.evaluation.last_note import composers
    from engine.training.corpus import SPLITS
    from engine.training.dataset import load_pack

    valid = SPLITS.index("valid")
    with packed(data) as path:
        pack = load_pack(path)
        wanted = [style for style in dict.fromkeys(styles) if style != "any"]
        shares = {style: composers(pack, style, valid) for style in wanted}
    return {
        style: {corpus: asdict(each) for corpus, each in found.items()}
        for style, found in shares.items()
    }


def table(found: Mapping[str, Any]) -> str:
    """Return the counts for people."""
    names = list(found["melodies"])
    lines = [
        "V-I at the last note",
        _line("", [*names, "all"]),
        _line("key", [*found["melodies"].values(), ""]),
    ]
    for each in found["rows"]:
        player = each["player"] if each["style"] == "any" else f"{each['player']} ({each['style']})"
        counts = [str(each["closed"][name]) for name in names]
        lines.append(_line(player, [*counts, f"{each['total']} of {each['of']}"]))
    for style, corpora in found["composers"].items():
        for corpus, each in corpora.items():
            share = f"{each['closed']} of {each['pieces']}"
            lines.append(_line(f"composers, {style}", [corpus, share]))
    return "\n".join(lines)


def _line(title: str, cells: Sequence[str]) -> str:
    return f"  {title:{_NAME}}" + "".join(f"{cell:>{max(_CELL, len(cell) + 1)}}" for cell in cells)
