"""The file commands: harmonize, continue, infill, vary, generate and render.

The model is loaded once, inside a function: importing this module imports neither torch nor
Pillow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import click

from bridge.cli.file_options import BEST_OF, CHORDS, MELODY, REPLACE, TAKES
from bridge.cli.options import SAMPLE_ROWS, knobs_for, table_options
from bridge.files import lead_sheets
from bridge.files import tasks as file_tasks
from bridge.files.batch import (
    MIDI_SUFFIXES,
    Pair,
    Report,
    Where,
    check_output,
    check_writable,
    file_options,
    pairs,
    run,
    window_bar,
)
from bridge.files.tasks import Job, SourcePiece
from bridge.settings.knobs import Knobs
from bridge.settings.parameters import DEFAULTS, ParameterError, file_defaults
from bridge.settings.presets import Preset
from bridge.settings.presets import load as load_preset
from engine.devices import missing
from engine.music.grid import PIANO, MeterMap, PitchRange
from engine.music.roll import Note
from engine.requests.abilities import require
from engine.requests.candidates import Drafter, best_of
from engine.requests.lead_sheet import SheetBar
from engine.requests.request import SampleSettings
from engine.scores import midi_write
from engine.scores.midi_file import MidiFileError, Score, parse, read

MakeJob = Callable[[SourcePiece, SampleSettings, PitchRange], Job]
_VARY_ROWS = ("variation", "rhythm")
_FILE_ROWS = (*(row for row in SAMPLE_ROWS if row != "meter"), "velocity")
_UNVARIED_ROWS = tuple(row for row in _FILE_ROWS if row not in _VARY_ROWS)


class Filler(Drafter, Protocol):
    """What `Generator` (engine.model) and `FixtureGenerator` (engine.requests) have in common."""

    progress: Callable[[int, int], None]

    @property
    def pitches(self) -> PitchRange:
        """The pitches the model knows."""
        ...

    @property
    def metadata(self) -> dict[str, object]:
        """Its family and what else is known of it."""
        ...


def load_engine(preset: Preset, device: str) -> Filler:
    """The preset's model on `device`. Raises engine.model.generator.ModelError."""
    if preset.model is None:
        from engine.requests.fixture import FixtureGenerator

        return FixtureGenerator()
    from bridge.engine_host.main import load_model

    return load_model(Path(preset.model), device, sha256=preset.sha256)


@click.command()
@file_options(MIDI_SUFFIXES)
@MELODY
@CHORDS
@BEST_OF
@TAKES
@table_options(_UNVARIED_ROWS, file_defaults("harmonize"))
def harmonize(melody_track: str, **options: Any) -> None:
    """Add harmony to the melody of MIDI files.

    The result keeps the file's tracks, tempo and meter and adds a track named midi-diffuse.
    """
    _run_task("harmonize", melody_track, options, file_tasks.harmonize)


@click.command("continue")
@file_options(MIDI_SUFFIXES)
@MELODY
@CHORDS
@BEST_OF
@TAKES
@click.option("--bars", type=int, default=4, show_default=True, help="How many bars more.")
@table_options(_UNVARIED_ROWS, file_defaults())
def continue_(melody_track: str, bars: int, **options: Any) -> None:
    """Go on where MIDI files end, from the next bar line.

    The new track midi-diffuse holds the new melody and its accompaniment.
    """
    _check_bars(bars)

    def make(piece: SourcePiece, settings: SampleSettings, pitches: PitchRange) -> Job:
        return file_tasks.continue_(piece, settings, pitches, bars)

    _run_task("continue", melody_track, options, make)


@click.command()
@file_options(MIDI_SUFFIXES)
@MELODY
@CHORDS
@BEST_OF
@TAKES
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

    _run_task("infill", melody_track, options, make, replace=replace)


@click.command()
@file_options(MIDI_SUFFIXES)
@MELODY
@CHORDS
@BEST_OF
@TAKES
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

    _run_task("vary", melody_track, options, make, replace=replace)


@click.command()
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT.mid",
    help="The file to write; with --n a folder.",
)  # fmt: skip
@click.option("--n", "count", type=click.IntRange(1, 1000),
              help="So many files, `sample 1.mid` on, each with the next seed.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@click.option("--bars", type=int, default=8, show_default=True, help="How many bars.")
@CHORDS
@BEST_OF
@table_options((*_UNVARIED_ROWS, "meter", "tempo"), file_defaults("generate"))
def generate(
    output: Path, count: int | None, as_json: bool, bars: int, chords: Path | None, **given: Any
) -> None:
    """Make music out of nothing, as a new MIDI file."""
    targets = _targets(output, count)
    _check_bars(bars)
    sheet, candidates = lead_sheets.load(chords), int(given.pop("best_of"))
    preset, knobs = _settings("generate", given)
    engine = _engine(preset, knobs, "generate")
    where = Where((), None if count else output, output if count else None, as_json)

    def work(pair: Pair) -> Report:
        meters = MeterMap(((0, knobs.meter),))
        settings = knobs.sample_settings(knobs.integer("steps"))
        seed = settings.seed + targets.index(pair.target)
        settings = dataclasses.replace(settings, seed=seed)
        job = file_tasks.generate(settings, engine.pitches, bars, meters)
        notes, markers, job = _answer(job, sheet, engine, knobs, candidates)
        track = midi_write.NewTrack(
            midi_write.REPLY_NAME, notes, channels={0: 1, 1: 0}, markers=markers
        )
        midi_write.write(midi_write.new_file([track], knobs.number("tempo"), meters), pair.target)
        report = _report("generate", pair, job, notes, preset, knobs) | {"seed": seed}
        return {key: value for key, value in report.items() if key != "input"}

    run(where, [Pair(target, target) for target in targets], work)


def _targets(output: Path, count: int | None) -> list[Path]:
    """The file, or `count` files in the folder `output`."""
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

    def work(pair: Pair) -> Report:
        score = read(pair.source)
        shown = picture.picture_of(score, title or pair.source.stem, melody_track)
        drawing.save(drawing.draw(shown), pair.target)
        return {
            "input": str(pair.source),
            "output": str(pair.target),
            "bars": shown.bars,
            "text": f"{pair.source} -> {pair.target}: {shown.bars} bars",
            "warnings": list(shown.warnings),
        }

    run(where, pairs(where, (".png",), beside=True), work)


def _run_task(
    task: str, melody_track: str, options: dict[str, Any], make: MakeJob, *, replace: bool = False
) -> None:
    """Everything that can be wrong with the command line is said before the model is loaded."""
    where = Where(*(options.pop(name) for name in ("inputs", "output", "out_dir", "as_json")))
    jobs = pairs(where, MIDI_SUFFIXES)
    sheet = lead_sheets.load(options.pop("chords"))
    takes, candidates = int(options.pop("takes")), int(options.pop("best_of"))
    preset, knobs = _settings(task, options)
    if where.single:
        score = read(jobs[0].source)
        _job(score, jobs[0], melody_track, make, knobs, PIANO)
    engine = _engine(preset, knobs, task)

    def work(pair: Pair) -> Report:
        score = read(pair.source)
        piece, wanted = _job(score, pair, melody_track, make, knobs, engine.pitches)
        if replace:
            span = (wanted.from_step, wanted.to_step)
            score = midi_write.without_notes(score, wanted.replaced, *span)
        notes: list[Note] = []
        for number in range(1, takes + 1):
            take = _of_take(wanted, number)
            found, markers, job = _answer(take, sheet, engine, knobs, candidates)
            track = midi_write.reply_track(score, found, piece.melody.track, markers)
            data = midi_write.add_track(score, _named(track, number))
            score, notes = parse(data), notes + found
        midi_write.write(data, pair.target)
        report = _report(task, pair, job, notes, preset, knobs)
        report["warnings"] += file_tasks.overlay_warnings(piece, job, replaced=replace)
        return report

    run(where, jobs, work)


def _job(
    score: Score, pair: Pair, melody_track: str, make: MakeJob, knobs: Knobs, pitches: PitchRange
) -> tuple[SourcePiece, Job]:
    """What is to be done with a file. Raises MidiFileError, which names it."""
    try:
        piece = SourcePiece.of(score, melody_track)
        settings = knobs.sample_settings(knobs.integer("steps"), piece.key)
        return piece, make(piece, settings, pitches)
    except MidiFileError as err:
        raise MidiFileError(f"{pair.source}: {err}") from None


def _of_take(job: Job, number: int) -> Job:
    """The job with the seed of take `number`, from 1: one more each time."""
    settings = job.request.settings
    settings = dataclasses.replace(settings, seed=settings.seed + number - 1)
    return dataclasses.replace(job, request=dataclasses.replace(job.request, settings=settings))


def _named(track: midi_write.NewTrack, number: int) -> midi_write.NewTrack:
    """Takes after the first say which they are, and leave the markers to the first."""
    if number == 1:
        return track
    name = f"{midi_write.REPLY_NAME} {number}"
    return dataclasses.replace(track, name=name, markers=())


def _answer(
    job: Job, sheet: Sequence[SheetBar], engine: Filler, knobs: Knobs, candidates: int
) -> tuple[list[Note], list[tuple[int, str]], Job]:
    """The new notes, the chords they follow as markers, and the job with the lead sheet in it.

    candidates: how many answers the notes are chosen from.
    """
    job = lead_sheets.with_sheet(job, sheet)
    with window_bar() as engine.progress:
        roll, cells = best_of(engine, job.request, candidates)
    return (
        file_tasks.new_notes(job, roll, knobs.integer("velocity")),
        lead_sheets.chord_markers(job, roll, cells),
        job,
    )


def _settings(task: str, given: dict[str, Any]) -> tuple[Preset, Knobs]:
    """Preset and settings, without torch. Raises PresetError or ParameterError."""
    preset = load_preset(given.pop("preset", None) or str(DEFAULTS["preset"]))
    knobs = knobs_for(preset, given, mode=task)
    if reason := missing(knobs.text("device")):
        raise ParameterError(reason)
    return preset, knobs


def _engine(preset: Preset, knobs: Knobs, task: str) -> Filler:
    """The preset's model. Raises ModelError, or AbilityError for what it cannot do."""
    engine = load_engine(preset, knobs.text("device"))
    require(str(engine.metadata.get("family", "")), task)
    return engine


def _report(
    task: str, pair: Pair, job: Job, notes: list[Note], preset: Preset, knobs: Knobs
) -> Report:
    """What `--json` prints of one file, with the line for people under `text`."""
    first, last = job.bars
    melody = job.melody
    found = f"; melody: {melody.describe()}" if melody else ""
    source = "" if job.melody is None else f"{pair.source} -> "
    return {
        "input": str(pair.source),
        "output": str(pair.target),
        "task": task,
        "preset": preset.name,
        "seed": knobs.integer("seed"),
        "notes_added": len(notes),
        "bars": [first, last],
        "melody_track": melody.describe() if melody else None,
        "folded": job.folded,
        "left_out": job.left_out,
        "warnings": [*job.warnings, *file_tasks.range_warnings(job, notes)],
        "text": f"{source}{pair.target}: {len(notes)} notes in bars {first} to {last}{found}",
    }


def _check_bars(bars: int) -> None:
    if not 1 <= bars <= file_tasks.LONGEST_REPLY_BARS:
        raise click.UsageError(
            f"--bars wants 1 to {file_tasks.LONGEST_REPLY_BARS} bars, not {bars}"
        )
