"""An engine without a network: always answers with a triad under the lead.

It drives the timing tests and the `fixture` preset (is my DAW connected?). Because it always
yields notes, silence cannot pass for success. Needs no torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, PIANO, STEPS_PER_BEAT, PitchRange
from engine.music.roll import Mask, Note, PianoRoll, notes_to_roll, roll_to_notes
from engine.requests.request import ChordCell, FillRequest, Plan, PlanRequest

_C4 = 60


class FixtureGenerator:
    """Quarter-note triads on every beat, below the lead note that sounds there.

    Where the lead is not known yet, below the last one known, so that live it follows the player;
    where there is none, on C4. Where the request gives a chord, that chord. `delay_ms` is slept in
    each call, to stand in for a network's time.
    """

    def __init__(self, delay_ms: float = 0.0) -> None:
        self.delay_ms = delay_ms
        self.pitches: PitchRange = PIANO
        self.progress: Callable[[int, int], None] = lambda done, total: None
        self.metadata: dict[str, object] = {
            "name": "fixture",
            "styles": ["any"],
            "pitches": [PIANO.low, PIANO.high],
            "device": "none",
        }

    def fill(self, request: FillRequest) -> PianoRoll:
        """Return the roll with its free accompaniment cells holding triads; known cells stay."""
        time.sleep(self.delay_ms / 1000)
        return self._filled(request)

    def plan(self, request: PlanRequest) -> Plan:
        """Fill, and read the notes off the roll."""
        return self.plan_many([request])[0]

    def plan_many(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return each as `plan` answers it; `delay_ms` is slept once, however many there are."""
        started_ns = time.perf_counter_ns()
        time.sleep(self.delay_ms / 1000)
        rolls = [self._filled(request.to_fill(self.pitches)) for request in requests]
        elapsed_ns = time.perf_counter_ns() - started_ns
        return [
            Plan(
                id=request.id,
                first_step=request.first_step,
                end_step=request.end_step,
                notes=tuple(roll_to_notes(roll)),
                elapsed_ns=elapsed_ns,
                calls=request.settings.steps,
            )
            for request, roll in zip(requests, rolls, strict=True)
        ]

    def _filled(self, request: FillRequest) -> PianoRoll:
        roll = request.roll
        first_beat = -(-roll.first_step // STEPS_PER_BEAT)
        chords = [
            Note(beat * STEPS_PER_BEAT, pitch, STEPS_PER_BEAT, ACCOMPANIMENT)
            for beat in range(first_beat, -(-roll.end_step // STEPS_PER_BEAT))
            for pitch in self._triad(roll, beat * STEPS_PER_BEAT, request)
        ]
        drawn = notes_to_roll(chords, roll.first_step, roll.end_step, roll.pitches).cells
        drawn[LEAD] = roll.cells[LEAD]
        cells = np.where(request.known, roll.cells, drawn)
        return PianoRoll(cells, roll.pitches, roll.first_step)

    def fill_with_chords(self, request: FillRequest) -> tuple[PianoRoll, tuple[ChordCell, ...]]:
        """Return the same, and no harmony plan."""
        return self.fill(request), ()

    def _triad(self, roll: PianoRoll, step: int, request: FillRequest) -> tuple[int, ...]:
        low, high = request.settings.low, request.settings.high
        column = step - roll.first_step
        found = _highest(roll.cells[LEAD, ..., column])
        if found is None and not request.known[LEAD, ..., column].all():
            found = _last_heard(np.logical_and(roll.cells[LEAD], request.known[LEAD])[..., :column])
        lead = _C4 + 12 if found is None else roll.pitches.low + found
        given = next(
            (c for c in reversed(request.chords) if c.first_step <= step < c.end_step), None
        )
        chord = (lead - 12, lead - 8, lead - 5) if given is None else _spread(given, lead)
        if not chord:
            return ()
        folded = [pitch + 12 * max(0, -(-(low - pitch) // 12)) for pitch in chord]
        return tuple(sorted(p for p in set(folded) if low <= p <= high)) or (low,)


def _spread(chord: ChordCell, lead: int) -> tuple[int, ...]:
    """Return the chord's notes in the octave below `lead`, the bass, if given, an octave lower
    still."""
    below = [lead - 1 - (lead - 1 - each) % 12 for each in chord.classes]
    bass = [] if chord.bass is None else [lead - 13 - (lead - 13 - chord.bass) % 12]
    return tuple(sorted({*below, *bass}))


def _last_heard(lead: Mask) -> int | None:
    """Return the row of the note of `lead`, bool[K, P, S], that began last; the upper one of
    several.

    Where none began in the roll, the one that sounded last: it has been held since before.
    """
    for planes in (lead[ONSET : ONSET + 1], lead):
        columns = np.flatnonzero(planes.any(axis=(0, 1)))
        if columns.size:
            return _highest(planes[..., columns[-1]])
    return None


def _highest(planes: Mask) -> int | None:
    """Return the highest row of bool[K, P] in which anything sounds."""
    rows = np.flatnonzero(planes.any(axis=0))
    return int(rows[-1]) if rows.size else None
