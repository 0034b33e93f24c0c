"""The rules a reply keeps, as cells: which may sound at all, and which notes are put right after.

What is not allowed has probability 0 in every call of the sampler, so what the network hears of
its own earlier guesses keeps the rules. What a cell by itself cannot say (whole notes, an exact
rhythm) is done once, on the finished roll. numpy only.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, SUSTAIN, PitchRange
from engine.music.roll import Cells, Mask, Note, drop_orphans, roll_to_notes
from engine.requests.polyphony import limit_voices
from engine.requests.request import FillRequest, SampleSettings

Scores = NDArray[np.float32]
"""[voice, pitch, step]: how much a note that begins in this cell is wished for."""

LEAST_STEPS = 3
"""The shortest note that is made: a thirty-second."""


def allowed_pitches(settings: SampleSettings, pitches: PitchRange) -> NDArray[np.bool_]:
    """bool[V, K]: register and key, scale or chord lock. They bind the accompaniment only."""
    pitch = np.arange(pitches.low, pitches.high + 1)
    allowed = np.ones((2, pitches.size), np.bool_)
    allowed[ACCOMPANIMENT] = (pitch >= settings.low) & (pitch <= settings.high)
    if settings.pitch_classes:
        allowed[ACCOMPANIMENT] &= np.isin(pitch % 12, list(settings.pitch_classes))
    return allowed


def allowed_cells(
    cells: Cells, known: Mask, settings: SampleSettings, pitches: PitchRange
) -> NDArray[np.bool_]:
    """bool[V, P, K, S], as `cells`: where the reply may sound.

    No unison with the known lead where `doubling` is `avoid` (with a lead that is still to be
    guessed the sampler sees to it, call by call). With `rhythm` `keep`, onsets and sustains of a
    voice only where the source, which lies under the free cells, has some.
    """
    allowed = np.broadcast_to(allowed_pitches(settings, pitches)[:, None, :, None], cells.shape)
    allowed = allowed.copy()
    if settings.doubling == "avoid":
        allowed[ACCOMPANIMENT] &= ~(cells & known)[LEAD].any(axis=0)
    if settings.rhythm == "keep":
        allowed &= cells.any(axis=2, keepdims=True)
    return allowed


def _drop_specks(cells: Cells, known: Mask) -> Cells:
    """Drop the notes shorter than LEAST_STEPS that nobody gave; leaves orphans.

    Few calls of the sampler leave them behind; composers hardly write them. What the end of the
    roll cuts off stays.
    """
    steps, later = cells.shape[-1], LEAST_STEPS - 1
    goes_on = np.pad(cells[:, SUSTAIN], ((0, 0), (0, 0), (0, later)), constant_values=True)
    long = np.logical_and.reduce([goes_on[..., i : i + steps] for i in range(1, LEAST_STEPS)])
    out = cells.copy()
    out[:, ONSET] &= long | known[:, ONSET]
    return out


def whole_notes(request: FillRequest, cells: Cells) -> Cells:
    """Whole notes, no specks, none on the lead's pitch, at most `voices` at once.

    Known cells stay bit-exact.
    """
    known, settings = request.known, request.settings
    cells = np.where(known, request.roll.cells, cells)
    cells[:, SUSTAIN] &= ~cells[:, ONSET]
    # Nothing sounds already where nobody said so; it would take a real note's place.
    cells[:, SUSTAIN, :, 0] &= known[:, SUSTAIN, :, 0]
    cells = _drop_specks(cells, known)
    cells[LEAD:ACCOMPANIMENT] = drop_orphans(cells[LEAD:ACCOMPANIMENT])
    if settings.doubling == "avoid":
        cells[ACCOMPANIMENT] &= ~np.asarray(cells[LEAD].any(axis=0)) | known[ACCOMPANIMENT]
    cells[ACCOMPANIMENT:] = drop_orphans(cells[ACCOMPANIMENT:])
    free = ~known[ACCOMPANIMENT].any(axis=(0, 1))
    cells[ACCOMPANIMENT] = limit_voices(cells[ACCOMPANIMENT], free, settings.voices)
    return np.where(known, request.roll.cells, cells)


def same_rhythm(request: FillRequest, scores: Scores) -> Cells:
    """Return the source's notes, each at a new pitch: onsets, lengths and voices stay as they are.

    The notes that begin together in a voice take the best-scored pitches that are allowed and
    silent for as long, the lowest note the lowest. A note that reaches into known cells keeps its
    pitch. One for which no pitch is left (a narrow lock) is left out.
    """
    roll, known, settings = request.roll, request.known, request.settings
    low = roll.pitches.low
    allowed = allowed_pitches(settings, roll.pitches)
    cells = roll.cells.copy()
    cells[:, SUSTAIN, :, 0] &= known[:, SUSTAIN, :, 0]
    cells = drop_orphans(cells)
    moving = [n for n in roll_to_notes(roll) if not _cells_of(known, n, roll.first_step, low).any()]
    for note in moving:
        _cells_of(cells, note, roll.first_step, low)[:] = False
    # A pitch is taken where it sounds, and where its silence is known.
    taken = np.asarray(cells.any(axis=1) | known.any(axis=1))
    for (voice, onset_step), together in groupby(sorted(moving, key=_by_voice), _by_voice):
        notes, start = list(together), onset_step - roll.first_step
        span = slice(start, start + max(note.length_steps for note in notes))
        room = allowed[voice][:, None] & ~taken[voice, :, span]
        if voice == ACCOMPANIMENT and settings.doubling == "avoid":
            room &= ~cells[LEAD, :, :, span].any(axis=0)
        for note, row in _seated(notes, room, scores[voice, :, start]):
            end = start + note.length_steps
            cells[voice, ONSET, row, start] = True
            cells[voice, SUSTAIN, row, start + 1 : end] = True
            taken[voice, row, start:end] = True
    return np.where(known, roll.cells, cells)


_by_voice = attrgetter("voice", "onset_step")


def _cells_of(array: NDArray[np.bool_], note: Note, first_step: int, low: int) -> NDArray[np.bool_]:
    """Return a view of all cells of both planes in which the note sounds, [P, length]."""
    start = note.onset_step - first_step
    return array[note.voice, :, note.pitch - low, start : start + note.length_steps]


def _seated(
    notes: list[Note], room: NDArray[np.bool_], scores: NDArray[np.float32]
) -> list[tuple[Note, int]]:
    """Return notes of one voice that begin together, each with the row it takes.

    room: bool[K, steps from their onset on], where a pitch may sound. scores: [K].
    """
    by_pitch = sorted(notes, key=attrgetter("pitch"))
    rows = sorted(_best(room, scores, len(notes)))
    seated = list(zip(by_pitch, rows, strict=False))
    # Fewer rows are free for the longest note than there are notes: shorter ones may still fit.
    for note in by_pitch[len(rows) :]:
        left = room[:, : note.length_steps].copy()
        left[[row for _, row in seated]] = False
        seated += [(note, row) for row in _best(left, scores, 1)]
    return seated


def _best(room: NDArray[np.bool_], scores: NDArray[np.float32], count: int) -> list[int]:
    """Up to `count` rows that are free throughout, best score first, then from below."""
    rows = np.flatnonzero(room.all(axis=1))
    order = np.argsort(-scores[rows], kind="stable")
    return [int(row) for row in rows[order][:count]]
