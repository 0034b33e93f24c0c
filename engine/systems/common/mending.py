"""What a network made, put right: register, locks and grid, each note counted once. numpy only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from engine.music.grid import ACCOMPANIMENT, PitchRange
from engine.music.roll import Note
from engine.requests.constraints import LEAST_STEPS, allowed_pitches
from engine.requests.request import SampleSettings

_GRIDS = (6, 8)
"""Sixteenths and triplet eighths, in steps; which players' notes are moved to, too."""


def on_grid(step: int, grids: tuple[int, ...] = _GRIDS) -> int:
    """Return the nearest place on any of the grids, absolute steps."""
    return min((round(step / each) * each for each in grids), key=lambda at: abs(at - step))


def snapped(note: Note) -> Note:
    """Onset and length on the grid; LEAST_STEPS at least."""
    length = max(on_grid(note.length_steps), LEAST_STEPS)
    return replace(note, onset_step=on_grid(note.onset_step), length_steps=length)


def fitting(
    notes: Iterable[Note], settings: SampleSettings, pitches: PitchRange
) -> tuple[list[Note], int]:
    """Return the notes with the accompaniment's moved to the nearest pitch that its register, key
    and locks allow; by octaves where that does. Also says how many were moved or left out."""
    allowed = allowed_pitches(settings, pitches)
    out: list[Note] = []
    wrong = 0
    for note in notes:
        rows = pitches.low + np.flatnonzero(allowed[note.voice])
        if not len(rows):
            wrong += 1
            continue
        pitch = _nearest(note.pitch, rows) if note.voice == ACCOMPANIMENT else note.pitch
        wrong += pitch != note.pitch
        out.append(replace(note, pitch=pitch))
    return out, wrong


def _nearest(pitch: int, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> int:
    octaves = rows[(rows - pitch) % 12 == 0]
    choice = octaves if len(octaves) else rows
    return int(choice[np.argmin(np.abs(choice - pitch))])
