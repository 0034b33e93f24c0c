"""`midi-diffuse serve`, `ports` and `bench live`. The daemon is imported when it is run."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bridge.cli.options import table_options
from bridge.commands import Value
from bridge.settings.parameters import DEFAULTS, PARAMETERS
from bridge.settings.rows import ParameterError
from bridge.settings.values import check_value
from bridge.text import printable

if TYPE_CHECKING:
    from bridge.runtime.config import DaemonConfig

_ROWS = tuple(row.name for row in PARAMETERS if row.name != "preset")
FAULT_EXIT = 70
"""Exit code where a part of the daemon ended that should not: it may be started again."""


def read_settings(options: dict[str, Any], assignments: tuple[str, ...]) -> dict[str, Value]:
    """Return settings from the table's options and `--set name=value` words; raises
    ParameterError."""
    settings = {name: value for name, value in options.items() if value is not None}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"--set wants name=value, such as tempo=96, not {text!r}")
        if name.strip() == "preset":
            raise ParameterError("--set: give the preset by --preset")
        settings[name.strip()] = check_value(name.strip(), value.strip())
    return settings


_SHARED: tuple[Callable[..., Any], ...] = (
    click.option("--preset", default="default", show_default=True, help="Model and settings."),
    click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Set any parameter."
    ),
    click.option(
        "--threads",
        type=click.IntRange(0, 256),
        default=0,
        show_default="chosen",
        help="Bound on the model's threads.",
    ),
    click.option(
        "--delay-ms",
        type=click.FloatRange(0, 60_000),
        default=0.0,
        help="Time a plan takes, preset fixture only.",
    ),
    click.option(
        "--slow-down",
        type=click.FloatRange(1, 1000),
        default=1.0,
        help="Plans take so many times as long, for tests.",
    ),
)


def shared_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `serve` and `bench live` have in common."""
    for option in reversed(_SHARED):
        function = option(function)
    return function


@click.command(short_help="Play along: MIDI ports and OSC")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9000,
    show_default=True,
    help="UDP port for OSC; 0 takes any free one.",
)
@click.option(
    "--reply-port",
    type=click.IntRange(1, 65535),
    default=None,
    help="UDP port that answers go to.  [port + 1]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 lets other machines in.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="PEER",
    help="Address or network that may talk to us and be sent answers, such as "
    "192.168.1.20 or 192.168.1.0/24.  [any private network]",
)
@click.option(
    "--log",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the event log goes, for `midi-diffuse replay`.  [your state folder]",
)
@click.option(
    "--chords",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A lead sheet to follow: chord symbols over bars (docs/chords.md).",
)
@click.option(
    "--takes",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where /diffuse/keep writes MIDI files.  [your data folder]",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Go on with the preset, settings and learned controllers of the last run, and keep them; "
    "without FILE in your state folder.",
)
@click.option("--monitor", is_flag=True, help="Serve the monitor, a page that shows it all.")
@click.option(
    "--monitor-port",
    type=click.IntRange(0, 65535),
    default=9080,
    show_default=True,
    help="TCP port of that page; 0 takes any free one.",
)
@click.option("--no-log", is_flag=True, help="Keep no event log.")
@click.option(
    "--in",
    "in_name",
    default="",
    metavar="NAME",
    help="Existing MIDI port to listen to, instead of one of our own.",
)
@click.option(
    "--out", "out_name", default="", metavar="NAME", help="Existing MIDI port to play to."
)
@click.option("--midi-api", default="auto", show_default=True, help="core, alsa, jack or windows.")
@click.option(
    "--engine",
    "engine_url",
    metavar="URL",
    help="Engine server that plans, wss://HOST:PORT; this machine steps in.",
)
@click.option(
    "--engine-token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The token that its owner gave you.",
)
@click.option(
    "--engine-ca",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The certificate that its owner gave you.  [the system's]",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@shared_options
@table_options(_ROWS, DEFAULTS)
def serve(
    log: Path | None,
    no_log: bool,
    chords: Path | None,
    state: Path | None,
    monitor: bool,
    monitor_port: int,
    engine_url: str | None,
    engine_token_file: Path | None,
    engine_ca: Path | None,
    verbose: bool,
    assignments: tuple[str, ...],
    **options: Any,
) -> None:
    """Make two MIDI ports, `midi-diffuse in` and `midi-diffuse out`, and play along.

    Send your melody and your DAW's MIDI clock to the first; record the second. Everything can be
    changed while it runs, over OSC (see max_patches/OSC.md) or by MIDI controllers on channel 16.

    The last hours are kept in an event log on this machine, for bug reports: notes and clock in,
    notes out, settings, OSC commands, plans. `--no-log` keeps none.
    """
    settings = read_settings({name: options.pop(name) for name in _ROWS}, assignments)
    preset, settings, remembered = _restored(state, options.pop("preset"), settings)
    from bridge.engine_link.address import server_address
    from bridge.event_log.writer import logs_folder
    from bridge.runtime.config import DaemonConfig

    config = DaemonConfig(
        preset=preset,
        settings=settings,
        **remembered,
        log=None if no_log else log or logs_folder(),
        companion=_monitor(monitor_port, options["takes"]) if monitor else None,
        chords=_given_chords(chords, str(settings.get("meter", ""))),
        server=server_address(engine_url, engine_token_file, engine_ca) if engine_url else None,
        **options,  # the others have the names of its fields
    )
    _play(config, logging.DEBUG if verbose else logging.INFO)


def _restored(
    path: Path | None, preset: str, given: dict[str, Value]
) -> tuple[str, dict[str, Value], dict[str, Any]]:
    """Preset and settings: what is given on the command line, then what is remembered.

    And the fields of the configuration that have to do with remembering.
    """
    if path is None:
        return preset, given, {}
    from bridge.settings import state

    file = path if path.name else state.default_path()
    found = state.load_state(file)
    if click.get_current_context().get_parameter_source("preset") is ParameterSource.COMMANDLINE:
        found = found.beside(preset)
    for problem in found.problems:
        click.echo(printable(problem), err=True)
    return found.preset, {**found.settings, **given}, {"state": file, "learned": found.learned}


def _play(config: DaemonConfig, level: int) -> None:
    """Run a daemon on this terminal until a signal comes."""
    from bridge.runtime.daemon import Daemon, StartError
    from bridge.runtime.terminal import LogHandler, Terminal
    from bridge.runtime.thread_watch import ThreadEndedError

    out, errors = Terminal(1), Terminal(2)
    # On one terminal all lines go one way, so that the status line stays the last of them.
    lines = out if out.is_terminal and errors.is_terminal else errors
    logging.basicConfig(level=level, handlers=[LogHandler(lines)])
    try:
        Daemon(config, out.put, out.show if out.is_terminal else None).run()
    except StartError as err:
        raise click.UsageError(str(err)) from None
    except ThreadEndedError as err:
        logging.error("%s", err)
        raise SystemExit(FAULT_EXIT) from None
    finally:
        out.close()
        errors.close()


def _monitor(web_port: int, takes: Path | None) -> Callable[[int], list[str]]:
    """Return the monitor's command line, from the daemon's port. Raises click.UsageError without
    it."""
    from bridge.monitor.main import NO_MONITOR, is_installed

    if not is_installed():
        raise click.UsageError(NO_MONITOR)
    words = [sys.executable, "-m", "bridge", "monitor", "--web-port", str(web_port)]
    words += ["--takes", str(takes)] if takes else []
    return lambda port: [*words, "--port", str(port)]


def _given_chords(path: Path | None, meter: str) -> tuple[tuple[int, float, str], ...]:
    """(bar, beat, symbol) of a lead sheet in one meter. Raises LeadSheetError."""
    if path is None:
        return ()
    from bridge.files.lead_sheets import load_sheet
    from engine.music.grid import STEPS_PER_BEAT, Meter
    from engine.requests.lead_sheet import place

    here = Meter.parse(meter or str(DEFAULTS["meter"]))
    placed = place(load_sheet(path), lambda bar: here)
    return tuple((p.bar, 1 + p.offset_steps / STEPS_PER_BEAT, p.symbol) for p in placed)


@click.command(short_help="List the MIDI ports of this machine")
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON list.")
@click.option("--midi-api", default="auto", show_default=True, help="core, alsa, jack or windows.")
def ports(as_json: bool, midi_api: str) -> None:
    """List the MIDI ports of this machine, as `serve --in NAME --out NAME` takes them."""
    from bridge.midi.systems import list_ports, no_midi_advice

    found = list_ports(midi_api)
    if as_json:
        rows = [{"api": s.api, "inputs": s.inputs, "outputs": s.outputs} for s in found]
        click.echo(json.dumps(rows, indent=2))
        return
    if not found:
        click.echo(f"No MIDI system here. To get one, {no_midi_advice()}.")
    for system in found:
        click.echo(system.api)
        for title, names in (("--in", system.inputs), ("--out", system.outputs)):
            click.echo(f"  for {title}")
            for name in names or ("(none)",):
                click.echo(f"    {printable(name)}")
