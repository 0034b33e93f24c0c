"""A roll as one list of notes and back, for codecs that know no voices. numpy only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, SUSTAIN, PitchRange
from engine.music.roll import Cells, Note, PianoRoll, notes_to_roll, roll_to_notes


@dataclass(frozen=True, slots=True)
class Lost:
    """What a format could not hold of some notes, as counts.

    held: notes that began before the roll. doubled: notes whose pitch another voice had sounding
    already. moved: notes put on the format's grid, or shortened to what it can hold.
    """

    held: int = 0
    doubled: int = 0
    moved: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.held + self.doubled + self.moved

    def __add__(self, other: Lost) -> Lost:
        return Lost(self.held + other.held, self.doubled + other.doubled, self.moved + other.moved)


def ordered_notes(notes: Iterable[Note]) -> tuple[list[Note], int]:
    """Return the notes in order of onset, then pitch, and how many were left out.

    Of two that begin together on one pitch the lead's stays; one that sounds when its pitch is
    struck again ends there.
    """
    ordered = sorted(notes, key=lambda n: (n.onset_step, n.pitch, n.voice))
    kept: list[Note] = []
    last: dict[int, int] = {}  # pitch to index in kept
    for note in ordered:
        at = last.get(note.pitch)
        if at is not None and kept[at].onset_step == note.onset_step:
            continue
        if at is not None and kept[at].end_step > note.onset_step:
            kept[at] = replace(kept[at], length_steps=note.onset_step - kept[at].onset_step)
        last[note.pitch] = len(kept)
        kept.append(note)
    return kept, len(ordered) - len(kept)


def held_notes(roll: PianoRoll) -> int:
    """Return how many pitches sound in column 0 of a roll without an onset there."""
    if not roll.steps:
        return 0
    first = roll.cells[..., 0]
    return int((first[:, SUSTAIN] & ~first[:, ONSET]).sum())


def listed(roll: PianoRoll) -> tuple[list[Note], Lost]:
    """Return the notes of a roll in one list, all voices together, and what that loses."""
    notes, doubled = ordered_notes(roll_to_notes(roll))
    return notes, Lost(held=held_notes(roll), doubled=doubled)


def voiced(notes: Iterable[Note], known: Iterable[Note] = ()) -> list[Note]:
    """Return new notes with a voice each: the highest that begin at an onset lead, the rest
    accompany.

    A note below one of the lead's that still sounds accompanies. `known` are notes whose voice is
    known; where any of these leads, nothing new does.
    """
    new = sorted(notes, key=lambda n: (n.onset_step, -n.pitch))
    if any(note.voice == LEAD for note in known):
        return [replace(note, voice=ACCOMPANIMENT) for note in new]
    out: list[Note] = []
    leading: Note | None = None
    for note in new:
        over = leading is None or note.onset_step >= leading.end_step
        leads = over or (leading is not None and note.pitch > leading.pitch)
        if leads and leading is not None and note.onset_step == leading.onset_step:
            leads = False
        leading = note if leads else leading
        out.append(replace(note, voice=LEAD if leads else ACCOMPANIMENT))
    return out


def _drawn(notes: Iterable[Note], roll: PianoRoll, pitches: PitchRange) -> Cells:
    """Return cells of `notes` over the steps of `roll`."""
    return np.asarray(notes_to_roll(notes, roll.first_step, roll.end_step, pitches).cells)
