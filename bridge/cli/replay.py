"""`midi-diffuse replay`: an event log played again, offline, and held against what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bridge.event_log.lines import STORES
from bridge.event_log.replay import Replay, replay
from bridge.event_log.writer import logs_folder, parts_of, read_lines
from bridge.timebase import NS_PER_MS

TICKS_PER_BEAT, BEAT_US = 1000, 1_000_000
"""Of the MIDI file: a tick is a millisecond."""
MOST_FAULTS = 5


@click.command("replay")
@click.argument("log", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@click.option(
    "--midi",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT.mid",
    help="Write what was played in and what was sent as a MIDI file.",
)
def replay_command(log: Path | None, as_json: bool, midi: Path | None) -> None:
    """Play an event log again, offline: does this version send, bit for bit, what was sent?

    LOG is a part of a log or a folder of logs (then the newest). Without it: the newest of your
    state folder. Nothing is sent and no model is run: the plans are in the log. Exit code 1 when
    the replay differs.
    """
    parts = parts_of(log or logs_folder())
    found = replay(read_lines(parts))
    if midi is not None:
        from engine.scores.midi_write import write

        write(midi_file(found), midi)
    if as_json:
        click.echo(json.dumps(as_dict(found, parts), indent=2))
    else:
        for line in report(found, parts):
            click.echo(line)
    if found.difference is not None:
        raise SystemExit(1)


def as_dict(found: Replay, parts: list[Path]) -> dict[str, Any]:
    """Return what `--json` prints."""
    difference = found.difference
    return {
        "parts": [str(path) for path in parts],
        "version": found.header.version,
        "begun": found.header.begun,
        "settings": found.header.settings,
        "seconds": found.seconds,
        "commands": found.commands,
        "replayed": found.stepped,
        "received": len(found.received),
        "requests": found.requests,
        "sent": len(found.sent),
        "late_ms": _late_ms(found),
        "faults": found.faults,
        "told": found.lines,
        "engine": found.engine,
        "lost": found.lost,
        "incomplete": found.incomplete,
        "ended": found.ended,
        "exact": found.exact,
        "difference": None
        if difference is None
        else {
            "line": difference.line,
            "at_s": difference.at_s,
            "command": difference.command,
            "text": difference.text,
        },
    }


def report(found: Replay, parts: list[Path]) -> list[str]:
    """Return it for people."""
    late, header = _late_ms(found), found.header
    rows = [
        f"log       {parts[0]}" + (f" and {len(parts) - 1} more parts" * (len(parts) > 1)),
        f"          {header.begun}, midi-diffuse {header.version}, {found.seconds:.1f} s, "
        f"{found.commands} commands; {found.ended or 'cut off'}",
        f"holds     {STORES}",
        f"in        {len(found.received)} MIDI messages; {len(found.engine)} engine states",
        f"plans     {found.requests} asked for",
        f"out       {len(found.sent)} MIDI messages; late p50 {late['p50']:.2f} ms, "
        f"p99 {late['p99']:.2f} ms, most {late['max']:.2f} ms",
    ]
    rows += [f"fault     {text}" for text in found.faults[:MOST_FAULTS]]
    if len(found.faults) > MOST_FAULTS:
        rows.append(f"fault     and {len(found.faults) - MOST_FAULTS} more")
    if found.incomplete:
        rows.append(f"replay    incomplete: {found.incomplete}; {found.stepped} commands replayed")
    difference = found.difference
    if difference is not None:
        rows.append(f"replay    DIFFERS at line {difference.line}, {difference.at_s:.3f} s")
        rows += [f"          {difference.command}", f"          {difference.text}"]
    elif not found.incomplete:
        rows.append(f"replay    exact: the effects of all {found.stepped} commands are the same")
    return rows


def _late_ms(found: Replay) -> dict[str, float]:
    late = sorted(found.late_ns) or [0]
    places = {"p50": len(late) // 2, "p99": len(late) * 99 // 100, "max": len(late) - 1}
    return {name: late[place] / NS_PER_MS for name, place in places.items()}


def midi_file(found: Replay) -> bytes:
    """Track 1: what was played in; track 2: what was sent, at the time due. One tick is 1 ms."""
    from engine.scores.midi_events import META, SET_TEMPO, Event
    from engine.scores.midi_write import join, track_body

    tempo = track_body([Event(0, META, SET_TEMPO, BEAT_US.to_bytes(3, "big"))])
    played = _track("played in", found.received), _track("sent", found.sent)
    return join(TICKS_PER_BEAT, [(b"MTrk", body) for body in (tempo, *played)])


def _track(name: str, messages: list[tuple[int, tuple[int, ...]]]) -> bytes:
    """Channel messages only: a MIDI file has no place for clock. In the order they came."""
    from engine.scores.midi_events import (
        END_OF_TRACK,
        META,
        TRACK_NAME,
        Event,
        channel_event,
        write_events,
    )
    from engine.scores.midi_write import text_event

    events = [text_event(0, TRACK_NAME, name)]
    for ns, data in sorted(messages, key=_when):
        event = channel_event(max(0, round(ns / NS_PER_MS)), data)
        events += [event] if event else []
    return write_events([*events, Event(events[-1].tick, META, END_OF_TRACK, b"")])


def _when(entry: tuple[int, tuple[int, ...]]) -> int:
    return entry[0]
