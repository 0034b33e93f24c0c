"""The systems of docs/systems.md on the command line: compared, looked into, heard through a code.

`train` comes here for them too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.data import PATH, checkpoint_in, device_option, json_option, packed, seed_option

if TYPE_CHECKING:
    from engine.evaluation.systems import Entry
    from engine.music.roll import Note
    from engine.training.processes import Processes
    from engine.training.train_settings import Progress

_OURS = ("family", "minutes", "steps", "batch", "seed", "save_every", "threads", "start_from")
"""Options of `train` that mean the same here. Windows and rate are the systems' own."""
Bar = Callable[[], AbstractContextManager[Callable[["Progress", float], None]]]


def train_system(
    data: Path,
    out: Path,
    sizes: dict[str, int],
    bar: Bar,
    options: dict[str, Any],
    processes: Processes,
) -> None:
    """Train or resume, shared out among `processes`; Ctrl-C saves and exits with 130.

    Raises CheckpointError or PackError.
    """
    from engine.model.export import pick_device
    from engine.systems.train import SystemTrainSettings
    from engine.systems.train import train_system as run_training

    ours = {name: options[name] for name in _OURS}
    chosen = str(pick_device(options["device"]))
    if options["compiled"]:
        raise click.UsageError(f"--compile is not for {options['family']}")
    device = processes.device(chosen)
    settings = SystemTrainSettings(data, out, sizes=sizes, device=device, **ours)
    with bar() if processes.first else nullcontext(_nothing) as report:
        try:
            run = run_training(settings, report, processes)
        except KeyboardInterrupt:
            click.echo("\nstopped and saved; the same command goes on from here", err=True)
            sys.exit(130)
    if not processes.first:
        return
    click.echo(
        f"{run.path}: {run.progress.step} steps, valid loss {run.progress.valid:.4f}\n"
        f"next: midi-diffuse export {out} -o MODEL.pt --name NAME"
    )


def _nothing(progress: Progress, share: float) -> None:
    """Report nothing: what the processes beside the first one do."""


_PRESETS = ("default", "paper", "atassi", "savkin", "ziko-munim", "signorelli", "kumawat")
_COLUMNS = (
    ("F1", "note_f1"),
    ("mean x", "mean_ratio"),
    ("rhythm", "rhythm"),
    ("pc dist", "pitch_classes"),
    ("mended", "mended"),
    ("silent", "profile.silent"),
    ("onsets/b", "profile.mean_onsets_per_beat"),
    ("dissonant", "profile.dissonant"),
)


@click.command("systems")
@click.option(
    "--data",
    type=PATH,
    required=True,
    help="A packed file, a folder of MIDI files, or one with manifest.csv.",
)
@click.option(
    "--preset",
    "presets",
    multiple=True,
    default=_PRESETS,
    show_default=True,
    help="Whose system, as it is shipped; repeatable.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 1000),
    help="Sampler calls of every system.  [as each is shipped]",
)
@click.option(
    "--split",
    type=click.Choice(["train", "valid"]),
    default="valid",
    show_default=True,
    help="Whose windows.",
)
@click.option("--windows", type=click.IntRange(4), default=48, show_default=True, help="How many.")
@device_option
@seed_option
@json_option
def bench_systems(
    data: Path,
    presets: tuple[str, ...],
    steps: int | None,
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare whole systems on the same held-out windows, each as it is shipped."""
    from bridge.cli.score import progress
    from engine.evaluation import bench, systems
    from engine.evaluation.held_out import EvaluateSettings
    from engine.training.dataset import load_pack

    entries = {name: _entry(name, steps, options["seed"], device) for name in presets}
    with packed(data) as path:
        wanted = EvaluateSettings(beats=16, **options)
        found = systems.score(entries, load_pack(path), wanted, progress())
    first = next(iter(entries.values())).player
    found["machine"] = bench.torch_machine(first.device)
    click.echo(json.dumps(found, indent=2) if as_json else table(found))


def _entry(preset: str, steps: int | None, seed: int, device: str) -> Entry:
    """Return a preset's system with its shipped settings, those of `harmonize`."""
    from bridge.cli.options import knobs_for
    from bridge.engine_host.main import load_model
    from bridge.settings.presets import PresetError, load
    from engine.evaluation.systems import Entry

    found = load(preset)
    if found.model is None:
        raise PresetError(f"preset {preset!r} has no network to measure")
    knobs = knobs_for(found, {"seed": seed, "voices": 8, "low": 21, "high": 108}, mode="harmonize")
    settings = knobs.sample_settings(steps or knobs.integer("steps"))
    return Entry(load_model(found.model, device), settings)


def _place(note: Note) -> tuple[int, int, int]:
    """Return a note without its voice, which some formats forget."""
    return note.onset_step, note.pitch, note.length_steps


def table(found: Mapping[str, Any]) -> str:
    """Return the whole comparison for people."""
    lines: list[str] = []
    for task, result in found["tasks"].items():
        lines += [
            f"{task}, {found['windows']} {found['split']} windows of {found['beats']} beats",
            _line("", [head for head, _ in _COLUMNS]),
        ]
        lines += [
            _line(name, [_cell(row, path) for _, path in _COLUMNS])
            for name, row in result["rows"].items()
        ] + [""]
    heads = ("parameters", "trained_minutes", "steps", "seconds_a_bar")
    lines.append(_line("", ["params", "minutes", "steps", "s a bar"]) + "   can")
    for name, facts in found["models"].items():
        cells = [_told(facts[head]) for head in heads]
        lines.append(f"{_line(name, cells)}   {', '.join(facts['can'])} ({facts['time']})")
    return "\n".join(lines)


def _cell(row: Mapping[str, Any], path: str) -> str:
    group, _, name = path.rpartition(".")
    return _told((row[group] if group else row).get(name))


def _told(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _line(title: str, cells: list[str]) -> str:
    return f"  {title:16}" + "".join(f"{cell:>10}" for cell in cells)


@click.command()
@click.argument("model")
@click.option("-o", "--out", type=PATH, help="The picture to write (.png).  [NAME-filters.png]")
@click.option("--layer", help="Which layer.  [the last at the lowest level]")
@click.option(
    "--filter",
    "filters",
    type=click.IntRange(0),
    multiple=True,
    default=(0, 1, 2),
    show_default=True,
    help="Which of its filters; repeatable.",
)
@click.option("--list", "as_list", is_flag=True, help="Name the layers and stop.")
@click.option(
    "--ascent",
    "steps",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Steps of gradient ascent.",
)
@seed_option
def inspect(
    model: str,
    out: Path | None,
    layer: str | None,
    filters: tuple[int, ...],
    as_list: bool,
    steps: int,
    seed: int,
) -> None:
    """Draw what filters of a network look for. MODEL is a preset, a model file or a run.

    Neighbours near 1 would mean that resolution is lost along that axis: runs of equal elements.
    """
    from bridge.cli.score import preset_model
    from engine.scores.heat import save_heat
    from engine.systems import inspect as looking

    path = checkpoint_in(Path(model)) if Path(model).exists() else preset_model(model)
    subject = looking.subject_of(path)
    if as_list:
        for name, count in subject.layers().items():
            click.echo(f"{name}  {count} filters")
        return
    chosen = layer or subject.lowest
    pictures = looking.maximise(subject, chosen, filters, seed, steps)
    target = out or Path(f"{Path(model).stem}-filters.png")
    save_heat(list(pictures), [f"{chosen}, filter {each}" for each in filters], target)
    click.echo(f"{target}: filters {', '.join(map(str, filters))} of {chosen}")
    for each, picture in zip(filters, pictures, strict=True):
        rows, columns = looking.neighbours(picture)
        click.echo(
            f"  filter {each}: neighbours alike {rows:.2f} from row to row, {columns:.2f} in time"
        )


@click.command()
@click.argument("source", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="The MIDI file to write.")
@click.option("--preset", default="kumawat", show_default=True, help="Whose format and code.")
@device_option
@json_option
def reconstruct(source: Path, out: Path, preset: str, device: str, as_json: bool) -> None:
    """Hear what a system's format and code lose of a MIDI file, without any diffusion."""
    from bridge.cli.score import preset_model
    from bridge.engine_host.main import load_model
    from bridge.files.batch import MIDI_SUFFIXES, check_output
    from bridge.files.tasks import SourcePiece
    from engine.music.roll import notes_to_roll, roll_to_notes
    from engine.requests.abilities import AbilityError
    from engine.scores import midi_write
    from engine.scores.midi_file import read
    from engine.scores.parts import REPLY_NAME
    from engine.systems.player import SystemPlayer

    check_output(out, MIDI_SUFFIXES)
    score = read(source)
    piece = SourcePiece.of(score)
    player = load_model(preset_model(preset), device)
    if not isinstance(player, SystemPlayer):
        raise AbilityError(f"{preset} plays rolls as they are; --preset kumawat has a code of them")
    roll = notes_to_roll(piece.voiced(), 0, piece.lines[-1], player.pitches)
    found, lost = player.recode(roll)
    before, after = roll_to_notes(roll), roll_to_notes(found)
    track = midi_write.NewTrack(REPLY_NAME, after, channels={0: 1, 1: 0})
    midi_write.write(midi_write.new_file([track], score.bpm, piece.meters), out)
    report = {
        "output": str(out),
        "preset": preset,
        "notes": len(before),
        "notes_after": len(after),
        "same": len({_place(note) for note in before} & {_place(note) for note in after}),
        "held": lost.held,
        "doubled": lost.doubled,
        "moved": lost.moved,
    }
    click.echo(
        json.dumps(report, indent=2)
        if as_json
        else f"{out}: {report['same']} of {len(before)} notes come back as they were, "
        f"{len(after)} in all; the format lost {lost.total}"
    )
