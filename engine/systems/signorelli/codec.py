"""Notes as triples: pitch as a frequency, duration and delta in beats, each scaled to 0..1.

A delta is the time since the note before, so that notes of one chord have delta 0. numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import PIANO, STEPS_PER_BEAT
from engine.music.roll import Note, PianoRoll, notes_to_roll
from engine.systems.common.note_lists import Lost, listed

Triples = NDArray[np.float64]
"""[note, (pitch, duration, delta)], each 0..1"""

_LONGEST_BEATS = 8.0
"""A note that lasts longer is cut."""
FURTHEST_BEATS = 4.0
"""A longer rest between two onsets is cut to this."""
_PITCH, _DURATION, DELTA = 0, 1, 2
_HIGHEST_HZ = 440.0 * 2.0 ** ((PIANO.high - 69) / 12)


def hertz(pitch: NDArray[np.int64]) -> NDArray[np.float64]:
    """Equal temperament, A4 = 440 Hz."""
    return np.asarray(440.0 * 2.0 ** ((pitch - 69) / 12))


def nearest_pitch(frequency: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the MIDI pitch of the piano whose frequency is nearest in cents."""
    pitch = 69 + 12 * np.log2(np.maximum(frequency, 1.0) / 440.0)
    return np.asarray(np.clip(np.rint(pitch), PIANO.low, PIANO.high), np.int64)


def to_triples(notes: Sequence[Note], first_step: int) -> tuple[Triples, Lost]:
    """Triples of notes in order of onset; the first delta counts from `first_step`.

    What is longer, or comes later, than the format holds is cut, and counted as moved.
    """
    if not notes:
        return np.zeros((0, 3)), Lost()
    onset = np.array([note.onset_step for note in notes])
    beats = np.diff(onset, prepend=first_step) / STEPS_PER_BEAT
    length = np.array([note.length_steps for note in notes]) / STEPS_PER_BEAT
    pitch = np.array([note.pitch for note in notes])
    cut = (beats > FURTHEST_BEATS) | (length > _LONGEST_BEATS)
    triples = np.column_stack(
        [
            hertz(pitch) / _HIGHEST_HZ,
            np.minimum(length, _LONGEST_BEATS) / _LONGEST_BEATS,
            np.clip(beats, 0.0, FURTHEST_BEATS) / FURTHEST_BEATS,
        ]
    )
    return triples, Lost(moved=int(cut.sum()))


def from_triples(triples: Triples, first_step: int) -> list[Note]:
    """Return notes of triples, rounded to steps; a note lasts one step at least."""
    inside = np.clip(triples, 0.0, 1.0)
    pitch = nearest_pitch(inside[:, _PITCH] * _HIGHEST_HZ)
    length = np.rint(inside[:, _DURATION] * _LONGEST_BEATS * STEPS_PER_BEAT).astype(np.int64)
    beats = np.cumsum(inside[:, DELTA] * FURTHEST_BEATS)
    onset = first_step + np.rint(beats * STEPS_PER_BEAT).astype(np.int64)
    rows = zip(onset, pitch, np.maximum(length, 1), strict=True)
    return [Note(int(o), int(p), int(n)) for o, p, n in rows]


def encode(roll: PianoRoll) -> tuple[Triples, Lost]:
    """Return the triples of a roll, and what they cannot hold: voices are forgotten."""
    notes, lost = listed(roll)
    triples, cut = to_triples(notes, roll.first_step)
    return triples, lost + cut


def decode(triples: Triples, steps: int, first_step: int = 0) -> PianoRoll:
    """Return a roll of `steps` steps; all notes are the accompaniment's."""
    notes = from_triples(triples, first_step)
    return notes_to_roll(notes, first_step, first_step + steps)


def windows(triples: Triples, length: int) -> list[Triples]:
    """Return all triples in windows of `length`; the last may be shorter."""
    return [triples[at : at + length] for at in range(0, len(triples), length)]
