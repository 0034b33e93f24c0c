"""`midi-diffuse evaluate`: how good a model is."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.data import PATH, checkpoint_in, device_option, json_option, packed, seed_option
from bridge.cli.trusted import trusted

if TYPE_CHECKING:
    from engine.model.generator import Generator
    from engine.requests.request import SampleSettings
    from engine.systems.player import SystemPlayer

_REPLY_ROWS = ("chord_temperature", "chord_calls", "chord_choices", "figure", "density")
LIVE_TASKS = ("live", "replay", "recovery")
"""Tasks of `evaluate` that are played as the daemon plays."""
_LOG_EVERY_S = 30.0


def load_model(model: Path, device: str) -> Generator | SystemPlayer:
    """Return what plays an export, or a checkpoint or its folder. Raises ModelError."""
    import tempfile

    from engine.systems import weights
    from engine.systems.player import load_player

    if not model.is_dir() and model.name != "checkpoint.pt":
        return load_player(trusted(model), device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        weights.export_any(checkpoint_in(model), path, str(model), None)
        return load_player(path, device)


def load_generator(model: Path, device: str) -> Generator:
    """Return the same, of a model whose sampling loop can be measured; ModelError for a
    system's."""
    from engine.model.generator import Generator, ModelError

    player = load_model(model, device)
    if not isinstance(player, Generator):
        raise ModelError(f"{model} has a loop of its own; measure it with `bench systems`")
    return player


def preset_model(preset: str) -> Path:
    """Return where a preset's model is. Raises PresetError where it has none."""
    from bridge.settings.presets import PresetError, load

    found = load(preset)
    if found.model is None:
        raise PresetError(f"preset {preset!r} has no network to measure")
    return found.model


_model_options = (
    click.option("--model", type=PATH, help="An export, a checkpoint or a run's folder."),
    click.option(
        "--preset",
        default="default",
        show_default=True,
        help="Whose model, where --model is not given.",
    ),
)


def with_model(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --model and --preset."""
    for option in reversed(_model_options):
        function = option(function)
    return function


@click.command()
@click.option(
    "--data",
    type=PATH,
    required=True,
    help="A packed file, a folder of MIDI files, or one with manifest.csv.",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    default=["harmonize"],
    show_default=True,
    help="harmonize, live, continue, infill, generate, replay, recovery.",
)
@click.option(
    "--model",
    "models",
    type=PATH,
    multiple=True,
    help="An export, a checkpoint or a run's folder; repeat to compare.",
)
@click.option(
    "--preset",
    "presets",
    multiple=True,
    help="Whose model; may be repeated.  [default, if no --model]",
)
@click.option(
    "--split",
    type=click.Choice(["train", "valid"]),
    default="valid",
    show_default=True,
    help="Whose windows.",
)
@click.option("--windows", type=click.IntRange(4), default=64, show_default=True, help="How many.")
@click.option(
    "--beats", type=click.IntRange(4, 64), default=16, show_default=True, help="Length of a window."
)
@click.option(
    "--levels",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="T of the bound; more is tighter and slower.",
)
@click.option(
    "--draws",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Random terms of the bound for each window.",
)
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Marginal and Markov models of the same cells beside it.",
)
@click.option(
    "--replies/--no-replies",
    default=True,
    show_default=True,
    help="Fill the windows too, and compare with the composer.",
)
@click.option(
    "--horizon",
    "horizons",
    type=click.FloatRange(0, 12),
    multiple=True,
    default=[0.0, 1.0, 4.0],
    show_default=True,
    help="Of replay, recovery: beats from decision to sound; repeatable.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 1000),
    help="Sampler calls of a reply, for every model.  [as each is played]",
)
@click.option(
    "--chord-temperature", type=click.FloatRange(0.1, 2), help="Of the chords.  [as each is played]"
)
@click.option(
    "--chord-calls",
    type=click.IntRange(1, 100),
    help="Sampler calls for the chords.  [as each is played]",
)
@click.option(
    "--chord-choices",
    type=click.IntRange(1, 64),
    help="Plans of chords to choose from.  [as each is played]",
)
@click.option(
    "--figure",
    type=click.FloatRange(0, 1),
    help="How much bars share a rhythm.  [as each is played]",
)
@click.option(
    "--density",
    type=click.FloatRange(0, 12),
    help="Onsets a beat that models are asked for.  [as each is played]",
)
@click.option(
    "--best-of",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Answers to each window, of which the most agreed is scored; not of replay, recovery.",
)
@click.option("--sampler", help="Reverse process.  [as each is played]")
@click.option(
    "--temperature",
    type=click.FloatRange(0.1, 2),
    help="Below 1 safer, above 1 bolder.  [as each is played]",
)
@click.option(
    "--style",
    default="any",
    show_default=True,
    help="Music of this style, which models are asked for; halves by piece.",
)
@click.option(
    "--chords",
    type=click.Choice(["drawn", "composers"]),
    default="drawn",
    show_default=True,
    help="Of harmonize: drawn by each model, or the composers' given.",
)
@device_option
@seed_option
@json_option
def evaluate(
    data: Path,
    tasks: tuple[str, ...],
    models: tuple[Path, ...],
    presets: tuple[str, ...],
    replies: bool,
    horizons: tuple[float, ...],
    steps: int | None,
    sampler: str | None,
    temperature: float | None,
    best_of: int,
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Score models on held-out music, side by side, with baselines and the composers."""
    from bridge.cli.score_table import table
    from engine.evaluation import evaluate as scoring
    from engine.evaluation.recovery import recovery
    from engine.evaluation.rollout_score import rollout_scores
    from engine.requests.request import SAMPLERS, STYLES
    from engine.training.dataset import load_pack

    rollouts = {"replay": rollout_scores, "recovery": recovery}
    given = options["chords"] == "composers"
    scored = scoring.WITH_CHORDS if given else (*scoring.SCORED_TASKS, *rollouts)
    check_words("--task", tasks, tuple(scored))
    check_words("--sampler", (sampler or SAMPLERS[0],), SAMPLERS)
    check_words("--style", (options["style"],), STYLES)
    asked = {"steps": steps, "sampler": sampler, "temperature": temperature}
    asked |= {name: options.pop(name) for name in _REPLY_ROWS}
    names = presets or (() if models else ("default",))
    generators: dict[str, Generator | SystemPlayer] = {}
    for model in (*models, *(preset_model(name) for name in names)):
        generator = load_model(model, device)
        generators[_unused(str(generator.metadata["name"]), generators)] = generator
    found, say = [], progress()
    with packed(data) as path:
        pack = load_pack(path)
        for task in tasks:
            wanted = scoring.EvaluateSettings(task=task, **options)
            candidates = {
                name: scoring.Candidate(
                    each,
                    replace(as_played(each, asked, wanted.seed, task), style=wanted.style),
                    best_of,
                )
                for name, each in generators.items()
            }
            if task in rollouts:
                found.append(rollouts[task](candidates, pack, wanted, say, horizons))
            else:
                found.append(scoring.evaluate(candidates, pack, wanted, say, replies))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n\n".join(table(one) for one in found))


def as_played(
    generator: Generator | SystemPlayer, asked: dict[str, Any], seed: int, task: str = "harmonize"
) -> SampleSettings:
    """Return the model's own sampling, else the parameters' defaults for files, or for live where
    the task is of that kind; what is asked for goes first."""
    from bridge.settings.parameters import DEFAULTS
    from bridge.settings.values import file_defaults
    from engine.requests.request import SampleSettings

    own = generator.metadata.get("sampling") or {}
    given = {name: value for name, value in asked.items() if value is not None}
    defaults = DEFAULTS if task in LIVE_TASKS else file_defaults(task)
    best: dict[str, Any] = {**defaults, "density": None, **own, **given}
    names = dict.fromkeys((*asked, *_REPLY_ROWS))
    return SampleSettings(**{name: best[name] for name in names}, seed=seed, voices=88)


def _unused(name: str, taken: Container[str]) -> str:
    """`name`, or `name 2`, `name 3`, ... where that is taken."""
    tries = (name if number == 1 else f"{name} {number}" for number in itertools.count(1))
    return next(each for each in tries if each not in taken)


def check_words(option: str, words: tuple[str, ...], choices: tuple[str, ...]) -> None:
    """Raise UsageError, with a hint, for a word that is not among the choices."""
    from bridge.text import did_you_mean, one_of

    for word in words:
        if word not in choices:
            hint = did_you_mean(word, choices)
            raise click.UsageError(f"{option} wants {one_of(choices)}, not {word!r}{hint}")


def progress() -> Callable[[str], None]:
    """Progress on stderr: one line that overwrites itself, or in a log a line each half minute."""
    if sys.stderr.isatty():
        return lambda text: click.echo(f"\r\x1b[K{text}", nl=False, err=True)
    told_s = time.monotonic()

    def log(text: str) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= _LOG_EVERY_S:
            told_s = time.monotonic()
            click.echo(text, err=True)

    return log
