"""`midi-diffuse bench engine`: how fast a model is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.data import device_option, json_option
from bridge.cli.score import load_generator, preset_model, progress, with_model

if TYPE_CHECKING:
    from engine.requests.request import PlanRequest, SampleSettings


@click.command("engine")
@with_model
@click.option(
    "--paper/--no-paper",
    default=True,
    show_default=True,
    help="The paper's network beside it, with random weights.",
)
@click.option(
    "--steps",
    "steps",
    type=click.IntRange(1, 1000),
    multiple=True,
    default=[4, 10, 20, 100],
    show_default=True,
    help="Sampler calls.",
)
@click.option(
    "--plans",
    type=click.IntRange(3),
    default=20,
    show_default=True,
    help="Plans timed for each row.",
)
@click.option(
    "--longest",
    type=float,
    default=20.0,
    show_default=True,
    help="Seconds a row may take; beyond that it is estimated, and says so.",
)
@click.option(
    "--threads",
    type=click.IntRange(0),
    default=0,
    help="Bound on torch's threads.  [as `serve` has it]",
)
@device_option
@json_option
def bench_engine(
    model: Path | None,
    preset: str,
    paper: bool,
    steps: tuple[int, ...],
    plans: int,
    longest: float,
    threads: int,
    device: str,
    as_json: bool,
) -> None:
    """Time the very request `live` makes, and four bars of harmonize."""
    import torch

    from bridge.engine_host.main import default_threads
    from engine.evaluation import bench
    from engine.requests.request import SampleSettings

    torch.set_num_threads(threads or default_threads())
    generator = load_generator(model or preset_model(preset), device)
    models = {"default": generator}
    if paper:
        models["paper (random weights)"] = bench.paper_model(device)
    defaults = SampleSettings(low=36, high=84, voices=4)
    requests = {
        "live": live_request(defaults),
        "harmonize 4 bars": bench.harmonize_request(defaults),
    }
    machine = bench.torch_machine(generator.device)
    rows = list(bench.bench(models, requests, steps, plans, longest, progress()))
    if as_json:
        found = {"machine": machine, "rows": [asdict(row) for row in rows]}
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in machine.items()))
    for row in rows:
        note = f"  (scaled up from {row.estimated_from} steps)" if row.estimated_from else ""
        click.echo(
            f"{row.request:17} {row.steps:4} steps  {row.model:23} "
            f"p50 {row.p50_ms:9.1f} ms  p95 {row.p95_ms:9.1f} ms{note}"
        )


def live_request(settings: SampleSettings) -> PlanRequest:
    """Return what `live` asks for in mid-song at 120 bpm with the default parameters."""
    from bridge.live.listening.note_memory import RememberedNote, SongMemory
    from bridge.live.planning.beat_lines import BeatLines
    from bridge.live.planning.request_window import Known, ahead_steps, plan_request
    from bridge.settings.parameters import DEFAULTS
    from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, MeterMap

    song, beat, place = SongMemory(), STEPS_PER_BEAT, 16 * 4 * STEPS_PER_BEAT
    for index, pitch in enumerate((60, 62, 64, 65, 67, 65, 64, 62) * 8):
        start = index * beat
        song.input.add(RememberedNote(start, start + beat, pitch, 80, LEAD))
        song.reply.add(RememberedNote(start, start + beat, pitch - 12, 64, ACCOMPANIMENT))
    now = place - beat
    known = Known(now, 0, ((0, now),))
    ahead = ahead_steps(place - now, 120.0)
    bars = BeatLines(MeterMap())
    context, memory = int(DEFAULTS["context_bars"]), int(DEFAULTS["memory_beats"])
    return plan_request(place, ahead, context, memory, known, song, bars, settings)
