"""New notes into a request's roll: voices, register and locks. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note, notes_to_roll
from engine.requests.request import FillRequest
from engine.systems.common.mending import fitting
from engine.systems.common.note_lists import voiced
from engine.systems.common.spans import Free, Given
from engine.systems.common.system import Mended, SystemAnswer


def in_voices(notes: Sequence[Note], free: Free, given: Given) -> list[Note]:
    """Return new notes of a span with the voice that is free there; the top line leads if both
    are."""
    if free.voices == (LEAD, ACCOMPANIMENT):
        return voiced(notes)
    return [replace(note, voice=free.voices[0]) for note in notes]


def answered(
    request: FillRequest, given: Given, new: Sequence[Note], mended: int, dropped: int = 0
) -> SystemAnswer:
    """Return the request's roll with the known notes and the new ones.

    mended: how many of the new ones were put right already. dropped: how many others could not
    be; they count as made, and as mended.
    """
    roll = request.roll
    notes, moved = fitting(new, request.settings, roll.pitches)
    drawn = notes_to_roll([*given.known, *notes], roll.first_step, roll.end_step, roll.pitches)
    cells = np.where(request.known, roll.cells, drawn.cells)
    return SystemAnswer(cells, Mended(len(new) + dropped, min(mended + moved, len(new)) + dropped))
