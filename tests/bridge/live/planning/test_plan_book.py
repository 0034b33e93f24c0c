"""Requests, answers, and which plan is in force."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.plan_book import MOST_ASKS, Answer, PlanBook
from bridge.live.planning.request_window import (
    Turn,
)
from bridge.timebase import NS_PER_MS as MS
from bridge.timebase import NS_PER_S as S
from engine.music.chord_names import Chord
from engine.music.grid import ACCOMPANIMENT
from engine.music.roll import Note
from engine.requests.request import ChordCell, Plan, PlanRequest


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


def test_an_answer_moved_elsewhere_is_the_same_music_and_not_stale() -> None:
    chord = Chord.parse("C")
    answer = Answer(3, Turn(0), 10, 200, (Note(24, 60, 12), Note(48, 62, 6)), ((24, chord),))
    turn = Turn(96, 296)
    assert answer.moved(96, turn) == Answer(
        3, turn, 296, 296, (Note(120, 60, 12), Note(144, 62, 6)), ((120, chord),)
    )


def test_renumbering_moves_the_plan_in_force_and_what_was_asked() -> None:
    book, turn = PlanBook(EngineTiming()), Turn(96)
    answer(book, ask(book, 96, turn), 40)
    before = book.in_force
    late = ask(book, 120, turn)
    book.rebase(-384, 7)
    assert book.committed_to == 7
    assert before is not None
    assert book.in_force == Answer(
        before.id,
        turn,
        before.decided_step - 384,
        before.end_step - 384,
        tuple(replace(note, onset_step=note.onset_step - 384) for note in before.notes),
        tuple((step - 384, chord) for step, chord in before.chords),
    )
    answer(book, late, 50)
    assert book.in_force.decided_step == 114 - 384
    assert book.in_force.end_step == late.end_step - 384
    assert book.in_force.notes[0].onset_step == late.first_step - 384


@pytest.mark.parametrize(("took_ns", "patience_ns"), [(10 * MS, 4 * S), (2 * S, 8 * S)])
def test_patience_is_four_seconds_or_four_times_the_usual(took_ns: int, patience_ns: int) -> None:
    timing = EngineTiming()
    timing.expect(took_ns, 10)
    book = PlanBook(timing)
    assert not book.gave_up(100 * S, 10), "nothing was asked"
    ask(book, 96, Turn(96), now_ns=S)
    assert not book.gave_up(S + patience_ns - 1, 10)
    assert book.outstanding is not None
    assert book.gave_up(S + patience_ns, 10)


@pytest.mark.parametrize(
    ("came_ns", "counted_ns"), [(60 * MS, 60 * MS), (900 * MS, 150 * MS), (40 * MS, 50 * MS)]
)
def test_the_way_there_and_back_counts_up_to_a_tenth_of_a_second(
    came_ns: int, counted_ns: int
) -> None:
    timing = EngineTiming()
    book = PlanBook(timing)
    request = ask(book, 96, Turn(96), now_ns=S)
    plan = Plan(request.id, 0, 192, (), 50 * MS, 10)
    assert book.arrived(plan, S + came_ns) is not None
    assert timing.p95_ns(10) == counted_ns
    assert book.arrived(replace(plan, elapsed_ns=3 * S), S) is None
    assert timing.p95_ns(10) == counted_ns, "an answer that comes twice is measured once"


def test_answers_to_the_last_requests_are_of_use() -> None:
    book, turn = PlanBook(EngineTiming()), Turn(96)
    requests = [ask(book, 96, turn) for _ in range(MOST_ASKS + 1)]
    assert not answer(book, requests[0], 40)
    assert answer(book, requests[1], 40)
    assert book.outstanding is not None, "a later one is still open"
    assert answer(book, requests[-1], 40)
    assert book.outstanding is None


@pytest.mark.parametrize("shift", [0, 96])
def test_the_chords_of_a_plan_lie_where_it_sounds(shift: int) -> None:
    book, turn = PlanBook(EngineTiming()), Turn(96, shift_steps=shift)
    request = ask(book, 192, turn)
    cells = (ChordCell(96, 120, frozenset({0, 4, 7}), 0), ChordCell(120, 144, frozenset()))
    plan = Plan(request.id, 0, 192, (Note(96, 40, 24, 1),), 0, 10, chords=cells)
    found = book.arrived(plan, 0)
    assert found is not None
    assert [step - shift for step, _ in found.chords] == [96, 120]
    assert [note.onset_step - shift for note in found.notes] == [96]
    assert found.end_step == 192 + shift
