"""Requests, answers, what is committed, and the pace that follows the engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.live.listening.note_memory import LoopRegion, RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.beat_tally import BeatCounts, BeatTally, Origin
from bridge.live.planning.engine_timing import LONGEST_HORIZON_STEPS, EngineTiming
from bridge.live.planning.plan_book import PlanBook
from bridge.live.planning.request_window import (
    WINDOW_STEPS,
    Known,
    Turn,
    ahead_steps,
    plan_request,
    task_request,
)
from bridge.live.playing.performer import Performer, chance
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS as MS
from bridge.timebase import NS_PER_S as S
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.requests.live_window import LONGEST_AHEAD_STEPS
from engine.requests.request import Plan, PlanRequest, SampleSettings, Span

BARS = BeatLines(MeterMap(((0, Meter(4, 4)),)))
SETTINGS = SampleSettings()


def lead(song: SongMemory, *onsets: int) -> None:
    for onset in onsets:
        song.input.add(RememberedNote(onset, onset + 24, 72, 80, LEAD))


def ours(song: SongMemory, *onsets: int) -> None:
    for onset in onsets:
        song.reply.add(RememberedNote(onset, onset + 24, 48, 80, ACCOMPANIMENT))


# -- Windows ---------------------------------------------------------------------------------------


def test_a_window_reaches_from_the_context_to_beyond_the_horizon() -> None:
    song = SongMemory()
    lead(song, *range(0, 480, 24))
    ours(song, *range(96, 480, 24))
    request = plan_request(480, 192, 2, 8, Known(474, 0, ((0, 474),)), song, BARS, SETTINGS)
    assert (request.first_step, request.end_step) == (480 - 192, 480 + 192)
    assert request.known == (Span(LEAD, 288, 474), Span(ACCOMPANIMENT, 288, 480))
    assert min(n.onset_step for n in request.notes) == 288
    assert max(n.end_step for n in request.notes if n.voice == LEAD) == 474
    assert max(n.end_step for n in request.notes if n.voice == ACCOMPANIMENT) == 480


@pytest.mark.parametrize(
    ("memory_beats", "held_from", "begin"),
    [
        (2, None, 432),
        (0, None, None),  # nothing of ours sounds, nothing is remembered
        (0, 468, 456),  # what still sounds is known, from its beat on
        (2, 312, 312),  # and whole
        (16, None, 288),  # no further back than the window
    ],
)
def test_of_our_own_part_the_last_beats_are_remembered(
    memory_beats: int, held_from: int | None, begin: int | None
) -> None:
    song = SongMemory()
    lead(song, *range(0, 480, 24))
    for onset in range(96, 480, 24):
        song.reply.add(RememberedNote(onset, onset + 20, 48, 80, ACCOMPANIMENT))
    if held_from is not None:
        song.reply.add(RememberedNote(held_from, 500, 52, 80, ACCOMPANIMENT))
    known = Known(474, 0, ((0, 474),))
    request = plan_request(480, 192, 2, memory_beats, known, song, BARS, SETTINGS)
    ours = [span for span in request.known if span.voice == ACCOMPANIMENT]
    assert ours == ([] if begin is None else [Span(ACCOMPANIMENT, begin, 480)])
    shown = [n.end_step for n in request.notes if n.voice == ACCOMPANIMENT]
    assert min(shown, default=481) > (480 if begin is None else begin)


def test_silence_before_we_came_in_is_not_passed_off_as_ours() -> None:
    song = SongMemory()
    lead(song, *range(0, 240, 24))
    request = plan_request(96, 192, 2, 8, Known(90, 0, ((0, 90),)), song, BARS, SETTINGS)
    assert request.known == (Span(LEAD, 0, 90),)
    ours(song, 96, 120)
    request = plan_request(144, 192, 2, 8, Known(138, 0, ((0, 138),)), song, BARS, SETTINGS)
    assert request.known == (Span(LEAD, 0, 138), Span(ACCOMPANIMENT, 96, 144))


def test_the_longest_context_still_fits_the_model() -> None:
    request = plan_request(
        9600, LONGEST_AHEAD_STEPS, 8, 8, Known(9594, 0, ((0, 9594),)), SongMemory(), BARS, SETTINGS
    )
    assert request.end_step - request.first_step == WINDOW_STEPS


def test_a_loops_request_is_told_in_the_steps_of_its_first_pass() -> None:
    song = SongMemory()
    song.clear(LoopRegion(0, 192))
    lead(song, *range(0, 192, 48))
    song.input.advance(192)
    known = Known(378, 0, ((0, 9999),), base_steps=192)
    request = plan_request(384, 96, 1, 8, known, song, BARS, SETTINGS)
    assert (request.first_step, request.end_step) == (96, 288)
    assert request.known == (Span(LEAD, 96, 288),)
    assert [n.onset_step for n in request.notes] == [96, 144, 192, 240]


@pytest.mark.parametrize("bpm", [60.0, 120.0, 200.0])
def test_plans_last_long_enough_to_restart_an_engine(bpm: float) -> None:
    ahead = ahead_steps(12, bpm)
    assert 8 * 24 <= ahead <= LONGEST_AHEAD_STEPS
    assert (ahead - 24) / 24 * 60 / bpm >= 4.0


def test_a_task_leaves_free_what_it_is_to_fill() -> None:
    song = SongMemory()
    lead(song, *range(0, 384, 24))
    ours(song, *range(0, 384, 24))
    request = task_request(0, 384, (96, 288), True, song, BARS, SETTINGS)
    assert request.known == (
        Span(LEAD, 0, 96), Span(LEAD, 288, 384),
        Span(ACCOMPANIMENT, 0, 96), Span(ACCOMPANIMENT, 288, 384),
    )  # fmt: skip
    assert len(request.notes) == 32
    assert task_request(0, 384, None, False, song, BARS, SETTINGS).notes == ()


# -- PlanBook --------------------------------------------------------------------------------------


def request_for(first: int, end: int) -> PlanRequest:
    return PlanRequest(0, first, end, (), ())


def ask(planner: PlanBook, horizon: int, turn: Turn, now_ns: int = 0) -> PlanRequest:
    place = horizon - turn.shift_steps
    return planner.ask(
        now_ns, request_for(place - 96, place + 192), turn, horizon - 6, turn.shift_steps
    )


def answer(planner: PlanBook, request: PlanRequest, pitch: int) -> bool:
    notes = tuple(
        Note(step, pitch, 24, ACCOMPANIMENT)
        for step in range(request.first_step, request.end_step, 24)
    )
    plan = Plan(request.id, request.first_step, request.end_step, notes, 50 * MS, 10)
    return planner.arrived(plan, 60 * MS) is not None


def commit(
    planner: PlanBook, to: int, turn: Turn | None, song: SongMemory | None = None
) -> list[tuple[int, int]]:
    found = planner.commit(to, turn, song or SongMemory(), BARS, BeatTally())
    return [(c.note.onset_step, c.note.pitch) for c in found]


def test_ids_rise_and_answers_to_what_is_past_are_not_used() -> None:
    planner, turn = PlanBook(), Turn(96)
    first, second = ask(planner, 96, turn), ask(planner, 120, turn)
    assert (first.id, second.id) == (1, 2)
    assert answer(planner, second, 50)
    assert planner.outstanding is None
    assert not answer(planner, first, 40)
    assert not answer(planner, replace(second, id=99), 40)
    planner.reset(0)
    third = ask(planner, 96, turn)
    assert third.id == 3
    planner.reset(0)
    assert not answer(planner, third, 40)


def test_only_what_lies_beyond_the_commit_horizon_changes() -> None:
    planner, turn, song = PlanBook(), Turn(96), SongMemory()
    planner.committed_to = 96
    assert answer(planner, ask(planner, 96, turn), 40)
    assert commit(planner, 144, turn, song) == [(96, 40), (120, 40)]
    assert answer(planner, ask(planner, 144, turn), 50)
    assert commit(planner, 132, turn, song) == [], "committed once, for good"
    assert planner.committed_to == 144
    assert commit(planner, 192, turn, song) == [(144, 50), (168, 50)]


def test_the_older_plan_goes_on_while_no_new_one_comes() -> None:
    planner, turn, song = PlanBook(), Turn(96), SongMemory()
    planner.committed_to = 96
    answer(planner, ask(planner, 96, turn), 40)
    found = [commit(planner, 96 + 24 * i, turn, song) for i in range(1, 12)]
    assert [bool(notes) for notes in found] == [True] * 8 + [False] * 3


def test_memory_of_an_earlier_pass_comes_before_silence() -> None:
    planner, turn, song = PlanBook(), Turn(96), SongMemory()
    ours(song, 96, 120)
    song.jump(90)
    planner.committed_to = 90
    assert commit(planner, 168, turn, song) == [(96, 48), (120, 48)]
    assert [e.sweep for e in song.reply.onsets(0, 200)] == [1, 1]


def test_the_turn_bounds_what_is_committed() -> None:
    planner, turn, song = PlanBook(), Turn(120, 150), SongMemory()
    planner.committed_to = 96
    answer(planner, ask(planner, 96, turn), 40)
    found = planner.commit(240, turn, song, BARS, BeatTally())
    assert [(c.note.onset_step, c.note.end_step) for c in found] == [(120, 144), (144, 150)]
    assert commit(planner, 288, None, song) == []


def test_a_shifted_turn_remembers_at_the_melodys_place() -> None:
    planner, turn, song = PlanBook(), Turn(96, shift_steps=96), SongMemory()
    planner.committed_to = 96
    answer(planner, ask(planner, 96, turn), 40)
    assert commit(planner, 144, turn, song) == [(96, 40), (120, 40)]
    assert [e.onset_step for e in song.reply.onsets(-100, 400)] == [0, 24]


def test_a_loop_gone_round_keeps_its_plan() -> None:
    planner, turn, song = PlanBook(), Turn(0), SongMemory()
    request = ask(planner, 384, turn)
    answer(planner, ask(planner, 384, turn), 50)
    late = ask(planner, 408, turn)
    planner.rebase(-384, 0)
    assert commit(planner, 48, turn, song) == [(0, 50), (24, 50)]
    assert answer(planner, late, 60)
    assert commit(planner, 72, turn, song) == [(48, 60)]
    assert not answer(planner, request, 70)


def test_a_request_never_answered_is_given_up() -> None:
    planner = PlanBook()
    ask(planner, 96, Turn(96), now_ns=0)
    assert not planner.gave_up(3 * S, 10)
    assert planner.gave_up(5 * S, 10)
    assert planner.outstanding is None


# -- Performer -------------------------------------------------------------------------------------


def test_a_new_plan_moves_ends_of_what_sounds_and_of_what_is_queued() -> None:
    planner, turn, song = PlanBook(), Turn(96), SongMemory()
    planner.committed_to = 96
    answer(planner, ask(planner, 96, turn), 40)
    performer = Performer(lambda *_: None)
    performer.play(planner.commit(144, turn, song, BARS, BeatTally()), Knobs({}), 120.0)
    performer.due(97.0, 90.0, 0, int)
    request = ask(planner, 144, turn)
    notes = (Note(96, 40, 10, 1), Note(120, 40, 60, 1), Note(180, 45, 24, 1))
    new = planner.arrived(Plan(request.id, 48, 336, notes, 0, 10), 0)
    assert new is not None
    performer.reshape(new, 144)
    assert [n.end_step for n in performer.scheduler.sounding_notes] == [120], "over before"
    assert [(n.onset_step, n.end_step) for n in performer.scheduler.queued] == [(120, 180)]
    assert [(e.onset_step, e.end_step) for e in song.reply.onsets(0, 400)] == [
        (96, 120), (120, 180)
    ]  # fmt: skip


@given(st.integers(0, 2**31), st.integers(-5000, 5000), st.integers(0, 127))
def test_chance_is_a_function_of_its_arguments(seed: int, step: int, pitch: int) -> None:
    assert 0 <= chance(seed, step, pitch) < 1
    assert chance(seed, step, pitch) == chance(seed, step, pitch)
    assert chance(seed, step, pitch) != chance(seed + 1, step, pitch)


# -- EngineTiming and BeatTally --------------------------------------------------------------------


def test_the_horizon_is_a_sixteenth_or_as_many_as_the_engine_needs() -> None:
    timing = EngineTiming()
    assert timing.horizon_steps(10, 120.0) == 18, "unknown: 295 ms are 14.2 steps"
    for _ in range(20):
        timing.measured(20 * MS, 10)
    assert timing.horizon_steps(10, 120.0) == 6
    for _ in range(20):
        timing.measured(150 * MS, 10)
    assert timing.p95_ns(10) == 150 * MS
    assert timing.horizon_steps(10, 120.0) == 12  # 185 ms are 8.9 steps
    assert timing.horizon_steps(10, 240.0) == 18
    for _ in range(40):
        timing.measured(60 * S, 10)
    assert timing.horizon_steps(10, 240.0) == LONGEST_HORIZON_STEPS


def test_what_the_warm_up_took_is_expected_until_a_plan_was_measured() -> None:
    timing = EngineTiming()
    timing.expect(0, 0)
    assert not timing.known
    timing.expect(340 * MS, 10)
    assert timing.known
    assert timing.p95_ns(10) == 340 * MS
    assert timing.calls_within(10, 120.0) == 10
    assert timing.calls_within(10, 200.0) == 6  # 225 of 300 ms
    assert timing.horizon_steps(6, 200.0) == 24  # 244 ms are 19.6 steps
    timing.measured(100 * MS, 10)
    assert timing.p95_ns(10) == 100 * MS
    timing.forget()
    assert not timing.known


def test_fewer_calls_when_the_beat_is_too_short_for_all() -> None:
    timing = EngineTiming()
    assert timing.calls_within(10, 120.0) == 10
    for _ in range(40):
        timing.measured(750 * MS, 10)
    assert timing.calls_within(10, 120.0) == 5  # 375 of 500 ms
    assert timing.calls_within(3, 120.0) == 3, "never above the parameter"
    for _ in range(40):
        timing.measured(10 * 10 * MS, 10)
    assert timing.calls_within(10, 120.0) == 10


def test_no_fewer_calls_where_that_would_not_help() -> None:
    timing, steps = EngineTiming(), 10
    for _ in range(8):
        timing.measured(600 * MS, steps)  # the same whatever is asked for
        steps = timing.calls_within(10, 120.0)
    assert steps == 10


def test_every_beat_is_counted_as_exactly_one_thing() -> None:
    books = BeatTally()
    books.covered(0, Origin.PLAN, -96)
    books.covered(24, Origin.PLAN, -96)
    books.covered(48, Origin.MEMORY, 48)
    books.covered(72, Origin.NOTHING, 72)
    books.covered(96, Origin.PLAN, 90)
    books.covered(120, Origin.NOTHING, 120)
    books.covered(120, Origin.PLAN, 118)
    results = [books.close(0, True, 0), books.close(24, True, 0), books.close(48, True, 0)]
    assert results == ["fresh", "stale", "stale"]
    assert books.close(72, False, 0) == "rest"
    assert books.close(96, False, 0) == "silent"
    assert books.close(120, False, 0) == "rest", "the plan came when the beat had begun"
    assert books.close(144, True, 2) == "late"
    assert books.counts == BeatCounts(fresh=1, stale=2, rest=2, late=1, silent=1)
    assert books.counts.beats == 7


def test_beat_lines_of_a_song_with_changing_meters() -> None:
    bars = BeatLines(MeterMap(((0, Meter(4, 4)), (96, Meter(7, 8)), (264, Meter(3, 4)))))
    lines, step = [0], 0
    while step < 340:
        step = bars.next_beat(step)
        lines.append(step)
    assert lines == [0, 24, 48, 72, 96, 120, 144, 168, 180, 204, 228, 252, 264, 288, 312, 336, 360]
    assert [bars.number(s) for s in (0, 95, 96, 180, 264)] == [1, 1, 2, 3, 4]
    assert (bars.start_of(3), bars.plus(200, -1), bars.plus(200, 2)) == (180, 96, 336)
    assert (bars.bar_line(180), bars.bar_line(181)) == (180, 264)
    assert bars.beat(263) == 252
    assert bars.shifted(96).changes[0][0] == -96
