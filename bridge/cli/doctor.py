"""`midi-diffuse doctor`: checks this machine and says what to do about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import click

from bridge.doctor.finding import FAIL, Finding, worst

Check = Callable[[], Finding | list[Finding]]
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9000,
    show_default=True,
    help="The OSC port to look at.",
)
@click.option("--midi-api", default="auto", show_default=True, help="core, alsa, jack or windows.")
@click.option("--preset", default="default", show_default=True, help="Whose model is timed.")
@click.option("--no-engine", is_flag=True, help="Leave the model out: much quicker.")
@click.option(
    "--loop",
    "ports",
    nargs=2,
    metavar="OUT IN",
    default=None,
    help="Measure the way from one MIDI port to another that you have connected.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def doctor(
    port: int,
    midi_api: str,
    preset: str,
    no_engine: bool,
    ports: tuple[str, str] | None,
    as_json: bool,
) -> None:
    """Check MIDI, clock, echoes, priority, timers, ports, presets and engine of this machine.

    Each line is ok, warn or fail, with what to do about it. Nothing that sounds is sent, but for
    the quiet notes of --loop. Exit code 1 when anything fails.
    """
    from bridge.doctor import machine_checks, midi_checks
    from bridge.event_log.writer import logs_folder

    checks: dict[str, Check] = {
        "versions": machine_checks.versions,
        "MIDI system": lambda: midi_checks.systems(midi_api),
        "own ports": lambda: midi_checks.virtual_ports(midi_api),
        "MIDI clock": lambda: midi_checks.clock(midi_api),
        "echo": lambda: midi_checks.echo(midi_api),
        "real-time priority": machine_checks.realtime,
        "timers": machine_checks.timers,
        "OSC port": lambda: machine_checks.osc_port(port),
        "log folder": lambda: machine_checks.folder(logs_folder()),
        "presets": machine_checks.models,
    }
    if ports is not None:
        checks["loop"] = lambda: midi_checks.loop(*ports, midi_api)
    if not no_engine:
        checks["engine"] = lambda: machine_checks.engine(preset)
    findings: list[Finding] = []
    for name, check in checks.items():
        for finding in made(name, check):
            findings.append(finding)
            if not as_json:
                _tell(finding)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"worst": worst(findings), "checks": rows}, indent=2))
    if worst(findings) == FAIL:
        raise SystemExit(1)


def made(name: str, check: Check) -> list[Finding]:
    """Return what the check finds; that it cannot be made is a finding, too."""
    try:
        found = check()
    except Exception as err:  # one check that breaks must not hide the others
        text = " ".join(str(err).split()) or type(err).__name__
        return [Finding(name, FAIL, text, "if this looks wrong, please report it")]
    return found if isinstance(found, list) else [found]


def _tell(finding: Finding) -> None:
    level = click.style(f"{finding.level:4}", fg=_COLOURS[finding.level], bold=True)
    click.echo(f"{level}  {finding.name:18}  {finding.text}")
    if finding.fix:
        click.echo(f"{'':26}-> {finding.fix}")
