"""A first-order Markov chain of notes: what anyone can have without a network. numpy only.

Notes in order of onset; the next pitch depends on this pitch, and delta and length, together, on
this note's delta. Fitted by counting, sampled by drawing one of the cases that were counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from engine.music.roll import Note
from engine.systems.common.note_lists import ordered_notes, voiced

Case = TypeVar("Case")


@dataclass(frozen=True, slots=True)
class NoteChain:
    """pitches: those that followed a pitch. places: (delta, length) in steps after a delta."""

    pitches: dict[int, list[int]]
    places: dict[int, list[tuple[int, int]]]

    @classmethod
    def fit(cls, pieces: Sequence[Sequence[Note]]) -> NoteChain:
        """Count the pieces' notes; each piece in order of onset."""
        pitches: dict[int, list[int]] = defaultdict(list)
        places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for notes in pieces:
            delta = 0
            for before, note in pairwise(notes):
                pitches[before.pitch].append(note.pitch)
                following = note.onset_step - before.onset_step
                places[delta].append((following, note.length_steps))
                delta = following
        return cls(dict(pitches), dict(places))

    def sample(self, first_step: int, end_step: int, rng: np.random.Generator) -> list[Note]:
        """Return notes that begin in the steps [first_step, end_step), with voices: the top line
        leads."""
        notes: list[Note] = []
        every = sorted(self.pitches)
        pitch, delta, step = int(rng.choice(every)), 0, first_step
        while True:
            pitch = _one(self.pitches.get(pitch) or every, rng)
            delta, length = _one(self.places.get(delta) or self.places[0], rng)
            step += delta
            if step >= end_step:
                kept, _ = ordered_notes(notes)
                return voiced(kept)
            notes.append(Note(step, pitch, min(length, end_step - step)))


def _one(cases: Sequence[Case], rng: np.random.Generator) -> Case:
    return cases[int(rng.integers(len(cases)))]
