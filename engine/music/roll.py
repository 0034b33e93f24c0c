"""The piano-roll: a binary array of voices, planes, pitches and steps.

`sustain` starts the step after `onset`, so the two planes never hold the same cell, and two notes
on one pitch in a row stay two notes (a sustain-only roll, as in the paper, would fuse them).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ONSET, PIANO, SUSTAIN, GridError, PitchRange

_T = TypeVar("_T", bound=np.generic)
Floats = NDArray[np.float64]
"""Numbers of music, of any shape."""
Cells = NDArray[np.bool_]
"""bool[voice, plane, pitch, step]"""
Mask = NDArray[np.bool_]
"""bool[voice, plane, pitch, step], as the roll: True where a cell is known and must stay."""


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note on the grid. `onset_step` is absolute; `length_steps` is at least 1."""

    onset_step: int
    pitch: int
    length_steps: int
    voice: int = 1
    velocity: int = 80

    @property
    def end_step(self) -> int:
        """The step at which the note is over."""
        return self.onset_step + self.length_steps


@dataclass(frozen=True, slots=True, eq=False)
class PianoRoll:
    """Cells bool[voice, plane, pitch, step], with the absolute step of column 0.

    The paper's roll is the special case of one voice and one plane (sustain from the onset on),
    56 pitches and 384 steps.
    """

    cells: Cells
    pitches: PitchRange = PIANO
    first_step: int = 0

    def __post_init__(self) -> None:
        if self.cells.ndim != 4 or self.cells.dtype != np.bool_:
            raise GridError("a roll wants bool[voice, plane, pitch, step]")
        if self.cells.shape[2] != self.pitches.size:
            raise GridError(f"{self.cells.shape[2]} rows do not fit {self.pitches.size} pitches")

    @classmethod
    def empty(
        cls, steps: int, first_step: int = 0, pitches: PitchRange = PIANO, voices: int = 2
    ) -> PianoRoll:
        """Return a silent onset/sustain roll of `steps` steps."""
        return cls(np.zeros((voices, 2, pitches.size, steps), np.bool_), pitches, first_step)

    @property
    def steps(self) -> int:
        """Length in steps."""
        return int(self.cells.shape[3])

    @property
    def end_step(self) -> int:
        """The absolute step after the last column."""
        return self.first_step + self.steps

    def window(self, first_step: int, end_step: int) -> PianoRoll:
        """Columns [first_step, end_step); what lies outside this roll is silent."""
        out = np.zeros((*self.cells.shape[:3], end_step - first_step), np.bool_)
        low, high = max(first_step, self.first_step), min(end_step, self.end_step)
        if low < high:
            source = self.cells[..., low - self.first_step : high - self.first_step]
            out[..., low - first_step : high - first_step] = source
        return replace(self, cells=out, first_step=first_step)


def notes_to_roll(
    notes: Iterable[Note],
    first_step: int,
    end_step: int,
    pitches: PitchRange = PIANO,
    voices: int = 2,
) -> PianoRoll:
    """Draw notes into a roll of the steps [first_step, end_step).

    A note that began earlier shows its sustain only; what reaches past the end is cut. Equal
    pitches of one voice that overlap: the later onset ends the earlier note. Notes outside
    `pitches` are left out; call `fold_into` first to keep them.
    """
    roll = PianoRoll.empty(end_step - first_step, first_step, pitches, voices)
    cells = roll.cells
    for note in sorted(notes, key=lambda n: n.onset_step):
        if note.pitch not in pitches:
            continue
        row = note.pitch - pitches.low
        start, end = note.onset_step - first_step, note.end_step - first_step
        if end <= 0 or start >= roll.steps:
            continue
        cells[note.voice, SUSTAIN, row, max(start, 0) :] = False
        cells[note.voice, SUSTAIN, row, max(start + 1, 0) : end] = True
        if start >= 0:
            cells[note.voice, ONSET, row, start] = True
    return roll


def roll_to_notes(roll: PianoRoll, velocity: int = 80) -> list[Note]:
    """Return notes of an onset/sustain roll, in order; a sustain that no onset leads into is
    dropped."""
    onset, sustain = roll.cells[:, ONSET], roll.cells[:, SUSTAIN] & ~roll.cells[:, ONSET]
    struck = onset.any(axis=-1)  # most rows are silent
    ends, row_of = _first_false(sustain[struck]), np.cumsum(struck).reshape(struck.shape) - 1
    notes = [
        Note(
            onset_step=roll.first_step + int(step),
            pitch=roll.pitches.low + int(row),
            length_steps=int(ends[row_of[voice, row], step + 1] - step),
            voice=int(voice),
            velocity=velocity,
        )
        for voice, row, step in np.argwhere(onset)
    ]
    return sorted(notes)


def drop_orphans(cells: Cells) -> Cells:
    """Return cells without the sustains that no onset (or sustain at column 0) leads into."""
    onset, sustain = cells[:, ONSET], cells[:, SUSTAIN] & ~cells[:, ONSET]
    before = _last_false(sustain)
    led_into = np.take_along_axis(onset, np.maximum(before, 0), axis=-1) if onset.size else onset
    kept = sustain & (led_into | (before < 0))
    return np.stack([onset, kept], axis=1)


def _first_false(cells: Cells) -> NDArray[np.int32]:
    """At each step of bool[..., S], and at the end S, the first step from there on that is False;
    S where none is. int32[..., S + 1]."""
    steps = cells.shape[-1]
    ends = np.full((*cells.shape[:-1], steps + 1), steps, np.int32)
    ends[..., :-1] = np.where(cells, steps, np.arange(steps, dtype=np.int32))
    found: NDArray[np.int32] = np.minimum.accumulate(ends[..., ::-1], axis=-1)[..., ::-1]
    return found


def _last_false(cells: Cells) -> NDArray[np.int32]:
    """At each step of bool[..., S] the last step up to there that is False; -1 where none is.
    int32[..., S]."""
    places = np.where(cells, -1, np.arange(cells.shape[-1], dtype=np.int32))
    found: NDArray[np.int32] = np.maximum.accumulate(places, axis=-1)
    return found


def fold_into(notes: Iterable[Note], pitches: PitchRange) -> tuple[list[Note], int]:
    """Move notes outside `pitches` by octaves into it; also says how many were moved."""
    folded, moved = [], 0
    for note in notes:
        pitch = note.pitch
        while pitch < pitches.low:
            pitch += 12
        while pitch > pitches.high:
            pitch -= 12
        if pitch not in pitches:
            raise GridError(f"a range of {pitches.size} pitches is too narrow to fold into")
        moved += pitch != note.pitch
        folded.append(replace(note, pitch=pitch))
    return folded, moved


def shifted(cells: NDArray[_T], semitones: int) -> NDArray[_T]:
    """Return cells [V, P, K, S] that much higher; what comes in from beyond the edge is 0."""
    if not semitones:
        return cells
    size = cells.shape[2]
    out = np.zeros_like(cells)
    out[:, :, max(semitones, 0) : size + semitones] = cells[
        :, :, max(-semitones, 0) : size - semitones
    ]
    return out
