"""Requests, answers, and which plan is in force."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.plan_book import PlanBook
from bridge.live.planning.request_window import (
    Turn,
)
from bridge.timebase import NS_PER_MS as MS
from bridge.timebase import NS_PER_S as S
from engine.music.grid import ACCOMPANIMENT
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest


def request_for(first: int, end: int) -> PlanRequest:
    return PlanRequest(0, first, end, (), ())


def ask(book: PlanBook, horizon: int, turn: Turn, now_ns: int = 0) -> PlanRequest:
    place = horizon - turn.shift_steps
    return book.ask(
        now_ns, request_for(place - 96, place + 192), turn, horizon - 6, turn.shift_steps
    )


def answer(book: PlanBook, request: PlanRequest, pitch: int) -> bool:
    notes = tuple(
        Note(step, pitch, 24, ACCOMPANIMENT)
        for step in range(request.first_step, request.end_step, 24)
    )
    plan = Plan(request.id, request.first_step, request.end_step, notes, 50 * MS, 10)
    return book.arrived(plan, 60 * MS) is not None


def test_ids_rise_and_answers_to_what_is_past_are_not_used() -> None:
    book, turn = PlanBook(EngineTiming()), Turn(96)
    first, second = ask(book, 96, turn), ask(book, 120, turn)
    assert (first.id, second.id) == (1, 2)
    assert answer(book, second, 50)
    assert book.outstanding is None
    assert not answer(book, first, 40)
    assert not answer(book, replace(second, id=99), 40)
    book.reset(0)
    third = ask(book, 96, turn)
    assert third.id == 3
    book.reset(0)
    assert not answer(book, third, 40)


def test_a_request_never_answered_is_given_up() -> None:
    book = PlanBook(EngineTiming())
    ask(book, 96, Turn(96), now_ns=0)
    assert not book.gave_up(3 * S, 10)
    assert book.gave_up(5 * S, 10)
    assert book.outstanding is None


@pytest.mark.parametrize(
    ("stop", "shift", "found"), [(288, 0, True), (289, 0, False), (200, 96, False)]
)
def test_a_plan_is_of_use_as_far_as_it_reaches_and_for_such_a_turn(
    stop: int, shift: int, found: bool
) -> None:
    book, turn = PlanBook(EngineTiming()), Turn(96)
    assert book.planned(100, turn) is None
    answer(book, ask(book, 96, turn), 40)
    assert (book.planned(stop, Turn(96, shift_steps=shift)) is not None) is found
