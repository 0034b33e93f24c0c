"""The file commands: harmonize, continue, infill, vary, generate and render.

The model is loaded once, inside a function: importing this module imports neither torch nor
Pillow.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from bridge.cli.file_job import answer_of, engine_for, report_of, run_task, settings_for, tracks_of
from bridge.cli.file_options import BEST_OF, CHORDS, MELODY, PARTS, REPLACE, TAKES
from bridge.cli.options import SAMPLE_ROWS, table_options
from bridge.files import lead_sheets
from bridge.files import tasks as file_tasks
from bridge.files.batch import (
    MIDI_SUFFIXES,
    BatchReport,
    FilePair,
    Where,
    check_output,
    check_writable,
    file_options,
    pairs,
    run_batch,
)
from bridge.files.tasks import Job, SourcePiece
from bridge.settings.values import file_defaults
from engine.music.grid import MeterMap, PitchRange
from engine.music.keys import class_weights, read_key
from engine.requests.request import SampleSettings
from engine.scores import midi_write
from engine.scores.midi_file import read
from engine.scores.parts import REPLY_NAME
from engine.scores.score import Score

_VARY_ROWS = ("variation", "rhythm")
_FILE_ROWS = (*(row for row in SAMPLE_ROWS if row != "meter"), "velocity")
_UNVARIED_ROWS = tuple(row for row in _FILE_ROWS if row not in _VARY_ROWS)


@click.command()
@file_options(MIDI_SUFFIXES)
@MELODY
@CHORDS
@BEST_OF
@TAKES
@PARTS
@table_options(_UNVARIED_ROWS, file_defaults("harmonize"))
def harmonize(melody_track: str, **options: Any) -> None:
    """Add harmony to the melody of MIDI files.

    The result keeps the file's tracks, tempo and meter and adds a track named midi-diffuse.
    """
    run_task("harmonize", melody_track, options, file_tasks.harmonize)


@click.command("continue")
@file_options(MIDI_SUFFIXES)
@MELODY
@CHORDS
@BEST_OF
@TAKES
@PARTS
@click.option("--bars", type=int, default=4, show_default=True, help="How many bars more.")
@table_options(_UNVARIED_ROWS, file_defaults())
def continue_(melody_track: str, bars: int, **options: Any) -> None:
    """Go on where MIDI files end, from the next bar line.

    The new track midi-diffuse holds the new melody and its accompaniment.
    """
    _check_bars(bars)

    def make(piece: SourcePiece, settings: SampleSettings, pitches: PitchRange) -> Job:
        return file_tasks.continue_(piece, settings, pitches, bars)

    run_task("continue", melody_track, options, make)


@click.command()
@file_options(MIDI_SUFFIXES)
@MELODY
@CHORDS
@BEST_OF
@TAKES
@PARTS
@click.option("--from-bar", type=int, help="First bar to fill, from 1; default: middle half.")
@click.option("--to-bar", type=int, help="Last bar to fill.")
@REPLACE
@table_options(_UNVARIED_ROWS, file_defaults())
def infill(
    melody_track: str, from_bar: int | None, to_bar: int | None, replace: bool, **options: Any
) -> None:
    """Fill bars of MIDI files anew, to fit what is around them."""

    def make(piece: SourcePiece, settings: SampleSettings, pitches: PitchRange) -> Job:
        return file_tasks.infill(piece, settings, pitches, from_bar, to_bar)

    run_task("infill", melody_track, options, make, replace=replace)


@click.command()
@file_options(MIDI_SUFFIXES)
@MELODY
@CHORDS
@BEST_OF
@TAKES
@PARTS
@click.option(
    "--keep",
    type=click.Choice(["nothing", "lead", "accompaniment"]),
    default="nothing",
    show_default=True,
    help="What stays exactly as it is.",
)
@click.option("--from-bar", type=int, help="First bar to vary, from 1; default: all of it.")
@click.option("--to-bar", type=int, help="Last bar to vary.")
@REPLACE
@table_options(_FILE_ROWS, file_defaults("vary"))
def vary(
    melody_track: str,
    keep: str,
    from_bar: int | None,
    to_bar: int | None,
    replace: bool,
    **options: Any,
) -> None:
    """Play the music of MIDI files differently; --variation says how far from it."""

    def make(piece: SourcePiece, settings: SampleSettings, pitches: PitchRange) -> Job:
        return file_tasks.vary(piece, settings, pitches, keep, from_bar, to_bar)

    run_task("vary", melody_track, options, make, replace=replace)


@click.command()
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT.mid",
    help="The file to write; with --n a folder.",
)
@click.option(
    "--n",
    "count",
    type=click.IntRange(1, 1000),
    help="So many files, `sample 1.mid` on, each with the next seed.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@click.option("--bars", type=int, default=8, show_default=True, help="How many bars.")
@CHORDS
@BEST_OF
@PARTS
@table_options((*_UNVARIED_ROWS, "meter", "tempo"), file_defaults("generate"))
def generate(
    output: Path, count: int | None, as_json: bool, bars: int, chords: Path | None, **given: Any
) -> None:
    """Make music out of nothing, as a new MIDI file."""
    targets = _targets(output, count)
    _check_bars(bars)
    sheet, candidates = lead_sheets.load_sheet(chords), int(given.pop("best_of"))
    by_part = bool(given.pop("parts"))
    preset, knobs = settings_for("generate", given)
    engine = engine_for(preset, knobs, "generate")
    where = Where((), None if count else output, output if count else None, as_json)

    def work(pair: FilePair) -> BatchReport:
        meters = MeterMap(((0, knobs.meter),))
        settings = knobs.sample_settings(knobs.integer("steps"))
        seed = settings.seed + targets.index(pair.target)
        settings = dataclasses.replace(settings, seed=seed)
        job = file_tasks.generate(settings, engine.pitches, bars, meters)
        notes, markers, job = answer_of(job, sheet, engine, knobs, candidates)
        key = read_key(class_weights(notes))
        track = midi_write.NewTrack(
            REPLY_NAME, notes, channels={0: 1, 1: 0}, markers=markers, key=key
        )
        tracks = tracks_of(Score(midi_write.NEW_FILE_TICKS_PER_BEAT, ()), track, by_part)
        midi_write.write(midi_write.new_file(tracks, knobs.number("tempo"), meters), pair.target)
        report = report_of("generate", pair, job, notes, preset, knobs) | {"seed": seed}
        return {key: value for key, value in report.items() if key != "input"}

    run_batch(where, [FilePair(target, target) for target in targets], work)


def _targets(output: Path, count: int | None) -> list[Path]:
    """Return the file, or `count` files in the folder `output`."""
    if count is None:
        check_writable(output.parent, f"-o {output}")
        return [check_output(output, MIDI_SUFFIXES)]
    if output.exists() and not output.is_dir():
        raise click.UsageError(f"-o {output}: with --n that is a folder's name")
    output.mkdir(parents=True, exist_ok=True)
    names = [output / f"sample {number}.mid" for number in range(1, count + 1)]
    return [check_output(name, MIDI_SUFFIXES) for name in names]


@click.command()
@file_options((".png",))
@MELODY
@click.option("--title", default="", help="Default: the file's name.")
def render(melody_track: str, title: str, **options: Any) -> None:
    """Draw MIDI files as piano-rolls: melody and reply in two colours.

    Without -o or --out-dir the picture goes beside the file, as NAME.png.
    """
    from engine.scores import picture
    from engine.scores import render as drawing

    where = Where(**options)

    def work(pair: FilePair) -> BatchReport:
        score = read(pair.source)
        shown = picture.picture_of(score, title or pair.source.stem, melody_track)
        drawing.save_png(drawing.draw(shown), pair.target)
        return {
            "input": str(pair.source),
            "output": str(pair.target),
            "bars": shown.bars,
            "text": f"{pair.source} -> {pair.target}: {shown.bars} bars",
            "warnings": list(shown.warnings),
        }

    run_batch(where, pairs(where, (".png",), beside=True), work)


def _check_bars(bars: int) -> None:
    if not 1 <= bars <= file_tasks.LONGEST_REPLY_BARS:
        raise click.UsageError(
            f"--bars wants 1 to {file_tasks.LONGEST_REPLY_BARS} bars, not {bars}"
        )
