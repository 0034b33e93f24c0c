"""The five tasks as masks: exactly which cells are known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.music.grid import ACCOMPANIMENT, LEAD, GridError
from engine.music.roll import Note, PianoRoll, notes_to_roll
from engine.requests import tasks
from engine.requests.request import FillRequest, PlanRequest, Span

ROLL = PianoRoll.empty(96, first_step=-24)


def spans(known: np.ndarray) -> dict[int, list[int]]:
    """For each voice the known steps; every plane and pitch must agree."""
    assert known.dtype == np.bool_
    assert known.shape == ROLL.cells.shape
    assert np.array_equal(known.all(axis=(1, 2)), known.any(axis=(1, 2)))
    first = ROLL.first_step
    return {v: (np.flatnonzero(known[v, 0, 0]) + first).tolist() for v in (LEAD, ACCOMPANIMENT)}


def steps(first: int, end: int) -> list[int]:
    return list(range(first, end))


def test_harmonize_knows_the_lead() -> None:
    assert spans(tasks.harmonize_mask(ROLL)) == {LEAD: steps(-24, 72), ACCOMPANIMENT: []}


def test_continue_knows_everything_before() -> None:
    assert spans(tasks.continue_mask(ROLL, 10)) == {
        LEAD: steps(-24, 10),
        ACCOMPANIMENT: steps(-24, 10),
    }
    assert spans(tasks.continue_mask(ROLL, -40)) == {LEAD: [], ACCOMPANIMENT: []}


def test_infill_knows_everything_around() -> None:
    around = steps(-24, 0) + steps(24, 72)
    assert spans(tasks.infill_mask(ROLL, 0, 24)) == {LEAD: around, ACCOMPANIMENT: around}
    assert spans(tasks.infill_mask(ROLL, -99, 0))[LEAD] == steps(0, 72)
    with pytest.raises(GridError):
        tasks.infill_mask(ROLL, 24, 24)


def test_generate_knows_nothing() -> None:
    assert not tasks.generate_mask(ROLL).any()


def test_a_plan_request_draws_its_notes_and_spans() -> None:
    notes = (Note(-6, 60, 12, LEAD), Note(0, 48, 24, ACCOMPANIMENT))
    request = PlanRequest(7, -24, 72, notes, (Span(LEAD, -99, 0), Span(ACCOMPANIMENT, 0, 99)))
    fill = request.to_fill()
    assert np.array_equal(fill.roll.cells, notes_to_roll(notes, -24, 72).cells)
    assert spans(fill.known) == {LEAD: steps(-24, 0), ACCOMPANIMENT: steps(0, 72)}


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(GridError, match="does not fit"):
        FillRequest(ROLL, np.zeros((2, 2, 88, 4), np.bool_))
