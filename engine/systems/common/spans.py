"""Where a request is free, and what it knows, as notes. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note, PianoRoll, roll_to_notes
from engine.requests.request import FillRequest


class Free(NamedTuple):
    """Absolute steps [first, end) in which the same voices are free."""

    first: int
    end: int
    voices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What a request tells: known notes, notes of the source that lie in free cells, and where
    it is free, in order of time."""

    known: tuple[Note, ...]
    source: tuple[Note, ...]
    free: tuple[Free, ...]


def given_by(request: FillRequest) -> Given:
    """Return what a request tells; a voice is known in a column where all its cells are."""
    roll = request.roll
    known_steps = np.asarray(request.known.all(axis=(1, 2)))  # [V, S]
    known, source = list[Note](), list[Note]()
    for note in roll_to_notes(roll):
        here = known if known_steps[note.voice, note.onset_step - roll.first_step] else source
        here.append(note)
    return Given(tuple(known), tuple(source), tuple(_free(known_steps, roll)))


def _free(
    known_steps: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], roll: PianoRoll
) -> list[Free]:
    edges = np.flatnonzero((known_steps[:, 1:] != known_steps[:, :-1]).any(axis=0)) + 1
    bounds = [0, *(int(edge) for edge in edges), known_steps.shape[1]]
    spans: list[Free] = []
    for first, end in pairwise(bounds):
        voices = tuple(v for v in (LEAD, ACCOMPANIMENT) if not known_steps[v, first])
        if voices and end > first:
            spans.append(Free(roll.first_step + first, roll.first_step + end, voices))
    return spans
