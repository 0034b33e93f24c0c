"""`midi-diffuse push`: what was kept, into clips of Ableton Live."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from bridge.text import printable


@click.command(short_help="Put a kept take into clips of Ableton Live")
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE.mid]")
@click.option("--track", default="", metavar="NAME", help="Live's track.  [named as in the file]")
@click.option("--all", "everything", is_flag=True, help="Your parts too, not only midi-diffuse's.")
@click.option(
    "--takes",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where takes are kept.  [your data folder]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Live's machine.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=11000,
    show_default=True,
    help="Where AbletonOSC listens.",
)
@click.option(
    "--reply-port",
    type=click.IntRange(1, 65535),
    default=11001,
    show_default=True,
    help="Where AbletonOSC answers.",
)
def push(
    file: Path | None,
    track: str,
    everything: bool,
    takes: Path | None,
    host: str,
    port: int,
    reply_port: int,
) -> None:
    """Put the last take, or any MIDI file, into empty clip slots of the Live Set that is open.

    Live needs AbletonOSC, a remote script (github.com/ideoforms/AbletonOSC). A part goes on the
    track of its name, which is made where there is none.
    """
    from bridge.takes.ableton import AbletonClient, clips_of
    from bridge.takes.keeper import takes_folder
    from engine.scores.midi_file import read

    path = file or _last(takes or takes_folder())
    clips = clips_of(read(path), path.stem, everything=everything)
    if not clips:
        raise click.UsageError(f"{path} has no midi-diffuse track; --all takes every part")
    with closing(AbletonClient((host, port), reply_port)) as client:
        client.greet()
        for name, clip in clips:
            place = client.push(clip, track or name)
            where = f"track {place.track + 1} {place.track_name!r}, slot {place.slot + 1}"
            text = f"{path.name}: {len(clip.notes)} notes, {clip.length_beats:g} beats -> {where}"
            click.echo(printable(text))


def _last(folder: Path) -> Path:
    """Return the take that was kept last: names begin with the time."""
    found = sorted(folder.glob("*.mid")) if folder.is_dir() else []
    if not found:
        raise click.UsageError(f"no takes in {folder}; /diffuse/keep makes one, or name a file")
    return found[-1]
