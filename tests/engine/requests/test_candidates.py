"""Of several answers the one the others agree with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note, PianoRoll, notes_to_roll
from engine.requests import tasks
from engine.requests.candidates import BestOf, best_of, most_agreed
from engine.requests.request import ChordCell, FillRequest, SampleSettings

LEAD_NOTE = Note(0, 72, 24, LEAD)


def roll_of(*pitches: int) -> PianoRoll:
    notes = [Note(0, pitch, 24, ACCOMPANIMENT) for pitch in pitches]
    return notes_to_roll([LEAD_NOTE, *notes], 0, 24, PIANO)


class Scripted:
    """Answers one roll after the other, and keeps the seeds it was asked with."""

    def __init__(self, *rolls: PianoRoll) -> None:
        self.rolls, self.seeds = list(rolls), list[int]()

    def fill_with_chords(self, request: FillRequest) -> tuple[PianoRoll, tuple[ChordCell, ...]]:
        self.seeds.append(request.settings.seed)
        place = len(self.seeds) - 1
        return self.rolls[place], (ChordCell(0, 24, frozenset({place})),)


def test_two_alike_are_chosen_over_the_odd_and_the_fullest() -> None:
    rolls = [roll_of(48, 53, 57), roll_of(48, 52, 55), roll_of(48, 52, 55), roll_of(*range(40, 60))]
    free = np.ones(rolls[0].cells.shape, np.bool_)
    assert most_agreed([roll.cells for roll in rolls], free) == 1


def test_one_full_beat_does_not_outweigh_the_others() -> None:
    def two_beats(first: tuple[int, ...], second: tuple[int, ...]) -> PianoRoll:
        notes = [Note(0, pitch, 24, ACCOMPANIMENT) for pitch in first]
        notes += [Note(24, pitch, 24, ACCOMPANIMENT) for pitch in second]
        return notes_to_roll(notes, 0, 48, PIANO)

    # The last two share eight cells of the first beat, but silence where the others have a chord.
    full = tuple(range(40, 48))
    rolls = [two_beats((48,), (53, 57)), two_beats((48,), (53, 57)), two_beats((48,), (53, 57))]
    rolls += [two_beats(full, ()), two_beats(full, ())]
    free = np.ones(rolls[0].cells.shape, np.bool_)
    assert most_agreed([roll.cells for roll in rolls], free) == 0


def test_two_silences_are_alike() -> None:
    rolls = [roll_of(48, 52, 55), roll_of(), roll_of(), roll_of(49)]
    free = np.ones(rolls[0].cells.shape, np.bool_)
    free[LEAD] = False
    assert most_agreed([roll.cells for roll in rolls], free) == 1


def test_part_of_a_beat_counts_as_one() -> None:
    rolls = [roll_of(48), roll_of(50), roll_of(50)]
    free = np.ones(rolls[0].cells.shape, np.bool_)[..., :13]
    assert most_agreed([roll.cells[..., :13] for roll in rolls], free) == 1


class ManyScripted:
    """Answers by seed: the last of three agrees with the second."""

    pitches = PIANO

    def fill_many(self, requests: Sequence[FillRequest]) -> list[PianoRoll]:
        seeds = sorted({request.settings.seed for request in requests})
        first = seeds[0] < 1000  # the requests' own seeds
        return [roll_of(48, 53) if first else roll_of(48, 52, 55) for _ in requests]


def test_each_of_many_is_answered_by_the_best() -> None:
    start = roll_of()
    requests = [
        FillRequest(start, tasks.harmonize_mask(start), settings=SampleSettings(seed=seed))
        for seed in (0, 1)
    ]
    found = BestOf(ManyScripted(), 3).fill_many(requests)
    assert [np.array_equal(roll.cells, roll_of(48, 52, 55).cells) for roll in found] == [True] * 2


def test_known_cells_decide_nothing() -> None:
    rolls = [roll_of(48), roll_of(50), roll_of(50)]
    free = np.zeros(rolls[0].cells.shape, np.bool_)
    assert most_agreed([roll.cells for roll in rolls], free) == 0


def test_the_first_seed_is_the_requests_and_the_chords_go_with_the_answer() -> None:
    filler = Scripted(roll_of(48, 53), roll_of(48, 52, 55), roll_of(48, 52, 55))
    start = roll_of()
    request = FillRequest(start, tasks.harmonize_mask(start))
    roll, chords = best_of(filler, request, 3)
    assert filler.seeds[0] == request.settings.seed
    assert len(set(filler.seeds)) == 3
    assert np.array_equal(roll.cells, filler.rolls[1].cells)
    assert chords[0].classes == {1}


def test_one_candidate_is_the_answer_as_it_is_without_choosing() -> None:
    filler = Scripted(roll_of(48))
    start = roll_of()
    roll, _ = best_of(filler, FillRequest(start, tasks.harmonize_mask(start)), 1)
    assert roll is filler.rolls[0]
    assert filler.seeds == [0]
