"""Options of the file commands that are not rows of the table of parameters."""

from __future__ import annotations

from pathlib import Path

import click

MELODY = click.option(
    "--melody-track",
    default="",
    metavar="NAME|N",
    help="Which track is the melody, by name or by number among the tracks with notes; default: "
    "one named melody, lead, voice, soprano or the like, else the highest.",
)
REPLACE = click.option(
    "--replace",
    is_flag=True,
    help="Take the original notes out where new ones stand for them; default: keep both. "
    "The new melody goes on the melody's track.",
)
CHORDS = click.option(
    "--chords",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A lead sheet to follow: chord symbols over bars, such as | C | F G7 | (docs/chords.md).",
)
TAKES = click.option(
    "--takes",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="So many answers, each on a track of its own, with the seeds that follow.",
)
PARTS = click.option(
    "--parts",
    is_flag=True,
    help="Bass, chords and lead each on a track and channel of its own; default: one track.",
)
BEST_OF = click.option(
    "--best-of",
    type=click.IntRange(1, 32),
    default=1,
    show_default=True,
    metavar="N",
    help="Make N answers and keep the one the others agree with most; takes N times as long.",
)
