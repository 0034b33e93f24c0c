"""One file command on one file: read, asked of the model, and written with what came of it.

The model is loaded once, inside a function: importing this module does not import torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from bridge.cli.options import knobs_for
from bridge.files import job_warnings, lead_sheets
from bridge.files import tasks as file_tasks
from bridge.files.batch import (
    MIDI_SUFFIXES,
    BatchReport,
    FilePair,
    Where,
    pairs,
    run_batch,
    window_bar,
)
from bridge.files.tasks import Job, SourcePiece
from bridge.settings.knobs import Knobs
from bridge.settings.parameters import DEFAULTS
from bridge.settings.presets import Preset
from bridge.settings.presets import load as load_preset
from bridge.settings.rows import ParameterError
from engine.devices import missing
from engine.music.grid import LEAD, PIANO, PitchRange
from engine.music.roll import Note
from engine.requests.abilities import require
from engine.requests.candidates import Drafter, best_of
from engine.requests.lead_sheet import SheetBar
from engine.requests.request import SampleSettings
from engine.scores import midi_write
from engine.scores.midi_file import MidiFileError, parse, read
from engine.scores.parts import REPLY_NAME
from engine.scores.score import Score

MakeJob = Callable[[SourcePiece, SampleSettings, PitchRange], Job]


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
    """Return the preset's model on `device`. Raises engine.model.generator.ModelError."""
    if preset.model is None:
        from engine.requests.fixture import FixtureGenerator

        return FixtureGenerator()
    from bridge.engine_host.main import load_model

    return load_model(Path(preset.model), device, sha256=preset.sha256)


def run_task(
    task: str, melody_track: str, options: dict[str, Any], make: MakeJob, *, replace: bool = False
) -> None:
    """Do a task on files; what is wrong with the command line is said before a model loads."""
    where = Where(*(options.pop(name) for name in ("inputs", "output", "out_dir", "as_json")))
    jobs = pairs(where, MIDI_SUFFIXES)
    sheet = lead_sheets.load_sheet(options.pop("chords"))
    takes, candidates = int(options.pop("takes")), int(options.pop("best_of"))
    by_part = bool(options.pop("parts"))
    preset, knobs = settings_for(task, options)
    if where.single:
        score = read(jobs[0].source)
        _job(score, jobs[0], melody_track, make, knobs, PIANO)
    engine = engine_for(preset, knobs, task)

    def work(pair: FilePair) -> BatchReport:
        score = read(pair.source)
        piece, wanted = _job(score, pair, melody_track, make, knobs, engine.pitches)
        if replace:
            span = (wanted.from_step, wanted.to_step)
            score = midi_write.without_notes(score, wanted.replaced, *span)
        notes: list[Note] = []
        for number in range(1, takes + 1):
            take = _of_take(wanted, number)
            found, markers, job = answer_of(take, sheet, engine, knobs, candidates)
            notes += found
            if replace and number == 1:
                score, found = with_melody(score, piece, found)
            track = midi_write.reply_track(score, found, piece.melody.track, markers)
            data = midi_write.add_tracks(score, tracks_of(score, _named(track, number), by_part))
            score = parse(data)
        midi_write.write(data, pair.target)
        report = report_of(task, pair, job, notes, preset, knobs)
        report["warnings"] += job_warnings.overlay_warnings(piece, job, replaced=replace)
        return report

    run_batch(where, jobs, work)


def _job(
    score: Score,
    pair: FilePair,
    melody_track: str,
    make: MakeJob,
    knobs: Knobs,
    pitches: PitchRange,
) -> tuple[SourcePiece, Job]:
    """Return what is to be done with a file. Raises MidiFileError, which names it."""
    try:
        piece = SourcePiece.of(score, melody_track)
        settings = knobs.sample_settings(knobs.integer("steps"), piece.key)
        return piece, make(piece, settings, pitches)
    except MidiFileError as err:
        raise MidiFileError(f"{pair.source}: {err}") from None


def _of_take(job: Job, number: int) -> Job:
    """Return the job with the seed of take `number`, from 1: one more each time."""
    settings = job.request.settings
    settings = dataclasses.replace(settings, seed=settings.seed + number - 1)
    return dataclasses.replace(job, request=dataclasses.replace(job.request, settings=settings))


def with_melody(score: Score, piece: SourcePiece, notes: list[Note]) -> tuple[Score, list[Note]]:
    """Return the score with the new melody on the melody's own track, and the notes that are left.

    A melody that is only guessed at, in a part of many voices, has no such track.
    """
    lead = [note for note in notes if note.voice == LEAD]
    if not lead or not piece.melody.certain:
        return score, notes
    score = midi_write.put_notes(score, piece.melody.track, lead)
    return score, [note for note in notes if note.voice != LEAD]


def tracks_of(score: Score, track: midi_write.NewTrack, by_part: bool) -> list[midi_write.NewTrack]:
    """Return the reply as one track, or as one for each part."""
    return midi_write.part_tracks(score, track) if by_part else [track]


def _named(track: midi_write.NewTrack, number: int) -> midi_write.NewTrack:
    """Take after the first say which they are, and leave the markers to the first."""
    if number == 1:
        return track
    name = f"{REPLY_NAME} {number}"
    return dataclasses.replace(track, name=name, markers=())


def answer_of(
    job: Job, sheet: Sequence[SheetBar], engine: Filler, knobs: Knobs, candidates: int
) -> tuple[list[Note], list[tuple[int, str]], Job]:
    """Return the new notes, the chords they follow as markers, and the job with the lead sheet in
    it.

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


def settings_for(task: str, given: dict[str, Any]) -> tuple[Preset, Knobs]:
    """Preset and settings, without torch. Raises PresetError or ParameterError."""
    preset = load_preset(given.pop("preset", None) or str(DEFAULTS["preset"]))
    knobs = knobs_for(preset, given, mode=task)
    if reason := missing(knobs.text("device")):
        raise ParameterError(reason)
    return preset, knobs


def engine_for(preset: Preset, knobs: Knobs, task: str) -> Filler:
    """Return the preset's model. Raises ModelError, or AbilityError for what it cannot do."""
    engine = load_engine(preset, knobs.text("device"))
    require(str(engine.metadata.get("family", "")), task)
    return engine


def report_of(
    task: str, pair: FilePair, job: Job, notes: list[Note], preset: Preset, knobs: Knobs
) -> BatchReport:
    """Return what `--json` prints of one file, with the line for people under `text`."""
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
        "warnings": [*job.warnings, *job_warnings.range_warnings(job, notes)],
        "text": f"{source}{pair.target}: {len(notes)} notes in bars {first} to {last}{found}",
    }
