"""Chords of a request as cells of a harmony plan (`denoisers.harmony`), and back. numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import STEPS_PER_BEAT
from engine.requests.request import ChordCell

_CLASSES = 12
PlanCells = NDArray[np.bool_]
"""bool[24, beat]: pitch classes, then bass classes."""


def to_plan(
    chords: Sequence[ChordCell], first_step: int, beats: int
) -> tuple[PlanCells, PlanCells]:
    """Return the plan that the chords say of the beats from `first_step` on, and which cells of it.

    A chord holds for the beats of which it covers half or more; a later one of the sequence
    overrules an earlier one. Its bass is among its classes; where none is given the bass is open.
    """
    plan, known = np.zeros((2, 2 * _CLASSES, beats), np.bool_)
    for chord in chords:
        half = STEPS_PER_BEAT // 2
        first = -((first_step - chord.first_step + half) // STEPS_PER_BEAT)
        end = (chord.end_step - first_step + half) // STEPS_PER_BEAT
        held = slice(max(first, 0), max(end, 0))
        plan[:, held], known[:, held] = False, True
        for pitch_class in chord.classes:
            plan[pitch_class % _CLASSES, held] = True
        if chord.bass is not None:
            bass = chord.bass % _CLASSES
            plan[[bass, _CLASSES + bass], held] = True
        elif chord.classes:
            known[_CLASSES:, held] = False
    return plan, known


def to_chords(plan: PlanCells, planned: NDArray[np.bool_], first_step: int) -> list[ChordCell]:
    """Return a chord for each beat that is planned; planned: bool[beat]."""
    found = []
    for beat in np.flatnonzero(planned):
        step = first_step + int(beat) * STEPS_PER_BEAT
        classes, bass = (np.flatnonzero(part) for part in plan[:, beat].reshape(2, _CLASSES))
        found.append(
            ChordCell(
                step,
                step + STEPS_PER_BEAT,
                frozenset(classes.tolist()),
                int(bass[0]) if len(bass) else None,
            )
        )
    return found


def transposed_plan(plan: PlanCells, semitones: int) -> PlanCells:
    """Return the plan with all classes so many semitones higher."""
    halves = plan.reshape(2, _CLASSES, -1)
    return np.asarray(np.roll(halves, semitones, axis=1).reshape(plan.shape))
