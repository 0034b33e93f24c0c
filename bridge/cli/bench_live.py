"""`bench live` and `bench jitter`: what this machine can do live."""

from __future__ import annotations

import json
from typing import Any

import click

from bridge.cli.live import shared_options


@click.command("live", short_help="Play bars through real ports; count beats")
@click.option("--bars", type=click.IntRange(2, 100_000), default=200, show_default=True)
@click.option("--bpm", type=click.FloatRange(20, 400), default=120.0, show_default=True)
@click.option("--mode", default="live", show_default=True, help="live, next-bar, loop or continue.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@shared_options
def bench_live(as_json: bool, mode: str, **options: Any) -> None:
    """Play a melody and a MIDI clock into a daemon of its own through real JACK ports.

    Counts the reply's beats as the daemon does, and checks the recorded reply by itself. Without
    a JACK server it starts a dummy one. Exit code 1 when notes stuck or came late.
    """
    from bridge.bench.live import BenchError, BenchPlan, run_bench, table

    try:
        result = run_bench(BenchPlan(mode=mode, **options), lambda text: click.echo(text, err=True))
    except BenchError as err:
        raise click.UsageError(str(err)) from None
    click.echo(json.dumps(result, indent=2) if as_json else table(result))
    if result["stuck_notes"] or result["late"]:
        raise SystemExit(1)


@click.command("jitter", short_help="How late notes leave, idle and under load")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 600),
    default=6.0,
    show_default=True,
    help="For each of three loads and two ways of playing.",
)
@click.option("--preset", default="default", show_default=True, help="Whose model keeps busy.")
@click.option(
    "--threads",
    type=click.IntRange(0, 256),
    default=0,
    show_default="chosen",
    help="Bound on the model's threads.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def bench_jitter(as_json: bool, **options: Any) -> None:
    """Time from when a note is due to when the MIDI system has taken it.

    Three loads: nothing else of ours (idle), the preset's model answering without a pause in its
    own process (engine busy), and a process for every core that only counts (cores busy). Under
    each, some 100 messages a second are played by the daemon's own player, and then the same
    messages by a loop of `time.sleep` and mido. Takes about 50 s. Uses the JACK server that runs,
    or one with the dummy driver.
    """
    from bridge.bench.jitter import JitterPlan, run_jitter, table

    result = run_jitter(JitterPlan(**options), lambda text: click.echo(text, err=True))
    click.echo(json.dumps(result, indent=2) if as_json else table(result))
