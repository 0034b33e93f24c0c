"""What is decided for good, from which plan, and where it is remembered."""

from __future__ import annotations

import pytest

from bridge.commands import OscOut
from bridge.live.listening.note_memory import LoopRegion, RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.beat_tally import BeatTally, Origin
from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.plan_book import PlanBook
from bridge.live.planning.request_window import (
    Turn,
)
from bridge.live.playing.delivery import Delivery
from bridge.live.playing.performer import Committed, Performer
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS as MS
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest

BARS = BeatLines(MeterMap(((0, Meter(4, 4)),)))


def lead(song: SongMemory, *onsets: int) -> None:
    for onset in onsets:
        song.input.add(RememberedNote(onset, onset + 24, 72, 80, LEAD))


def ours(song: SongMemory, *onsets: int) -> None:
    for onset in onsets:
        song.reply.add(RememberedNote(onset, onset + 24, 48, 80, ACCOMPANIMENT))


def delivery(book: PlanBook, song: SongMemory, performer: Performer | None = None) -> Delivery:
    performer = performer or Performer(lambda *_: None)
    return Delivery(Knobs({}), song, BARS, performer, book, BeatTally())


def commit(
    book: PlanBook, to: int, turn: Turn | None, song: SongMemory | None = None
) -> list[tuple[int, int]]:
    found = delivery(book, song or SongMemory()).commit(to, turn, None, 0, 120.0)
    return [(c.note.onset_step, c.note.pitch) for c in found]


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


def test_only_what_lies_beyond_the_commit_horizon_changes() -> None:
    book, turn, song = PlanBook(EngineTiming()), Turn(96), SongMemory()
    book.committed_to = 96
    assert answer(book, ask(book, 96, turn), 40)
    assert commit(book, 144, turn, song) == [(96, 40), (120, 40)]
    assert answer(book, ask(book, 144, turn), 50)
    assert commit(book, 132, turn, song) == [], "committed once, for good"
    assert book.committed_to == 144
    assert commit(book, 192, turn, song) == [(144, 50), (168, 50)]


def test_the_older_plan_goes_on_while_no_new_one_comes() -> None:
    book, turn, song = PlanBook(EngineTiming()), Turn(96), SongMemory()
    book.committed_to = 96
    answer(book, ask(book, 96, turn), 40)
    found = [commit(book, 96 + 24 * i, turn, song) for i in range(1, 12)]
    assert [bool(notes) for notes in found] == [True] * 8 + [False] * 3


def test_memory_of_an_earlier_pass_comes_before_silence() -> None:
    book, turn, song = PlanBook(EngineTiming()), Turn(96), SongMemory()
    ours(song, 96, 120)
    song.jump(90)
    book.committed_to = 90
    assert commit(book, 168, turn, song) == [(96, 48), (120, 48)]
    assert [e.sweep for e in song.reply.onsets(0, 200)] == [1, 1]


def test_the_turn_bounds_what_is_committed() -> None:
    book, turn, song = PlanBook(EngineTiming()), Turn(120, 150), SongMemory()
    book.committed_to = 96
    answer(book, ask(book, 96, turn), 40)
    found = delivery(book, song).commit(240, turn, None, 0, 120.0)
    assert [(c.note.onset_step, c.note.end_step) for c in found] == [(120, 144), (144, 150)]
    assert commit(book, 288, None, song) == []


def test_a_shifted_turn_remembers_at_the_melodys_place() -> None:
    book, turn, song = PlanBook(EngineTiming()), Turn(96, shift_steps=96), SongMemory()
    book.committed_to = 96
    answer(book, ask(book, 96, turn), 40)
    assert commit(book, 144, turn, song) == [(96, 40), (120, 40)]
    assert [e.onset_step for e in song.reply.onsets(-100, 400)] == [0, 24]


def test_a_loop_gone_round_keeps_its_plan() -> None:
    book, turn, song = PlanBook(EngineTiming()), Turn(0), SongMemory()
    request = ask(book, 384, turn)
    answer(book, ask(book, 384, turn), 50)
    late = ask(book, 408, turn)
    book.rebase(-384, 0)
    assert commit(book, 48, turn, song) == [(0, 50), (24, 50)]
    assert answer(book, late, 60)
    assert commit(book, 72, turn, song) == [(48, 60)]
    assert not answer(book, request, 70)


def test_a_new_plan_moves_ends_of_what_sounds_and_of_what_is_queued() -> None:
    book, turn, song = PlanBook(EngineTiming()), Turn(96), SongMemory()
    book.committed_to = 96
    answer(book, ask(book, 96, turn), 40)
    performer = Performer(lambda *_: None)
    delivery(book, song, performer).commit(144, turn, None, 0, 120.0)
    performer.due(97.0, 90.0, 0, int)
    request = ask(book, 144, turn)
    notes = (Note(96, 40, 10, 1), Note(120, 40, 60, 1), Note(180, 45, 24, 1))
    new = book.arrived(Plan(request.id, 48, 336, notes, 0, 10), 0)
    assert new is not None
    performer.reshape(new, 144)
    assert [n.end_step for n in performer.scheduler.sounding_notes] == [120], "over before"
    assert [(n.onset_step, n.end_step) for n in performer.scheduler.queued] == [(120, 180)]
    assert [(e.onset_step, e.end_step) for e in song.reply.onsets(0, 400)] == [
        (96, 120),
        (120, 180),
    ]


# -- A loop that is frozen -------------------------------------------------------------------------


def looped(*beats: int) -> tuple[PlanBook, SongMemory, Delivery, BeatTally, LoopRegion]:
    """A loop of two bars in its second pass; our notes of the first lie at `beats`."""
    book, song, region = PlanBook(EngineTiming()), SongMemory(), LoopRegion(0, 192)
    song.clear(region)
    ours(song, *beats)
    song.jump(192)
    book.committed_to = 192
    tally = BeatTally()
    made = Delivery(Knobs({}), song, BARS, Performer(lambda *_: None), book, tally)
    return book, song, made, tally, region


def test_a_frozen_beat_is_one_that_was_answered() -> None:
    *_, made, _, region = looped()
    made.filled.add(24)
    steps = (23, 24, 47, 48, 216)
    assert [made.replays(region)(step) for step in steps] == [False] * 5
    made.frozen = True
    assert [made.replays(region)(step) for step in steps] == [False, True, True, False, True]
    assert not made.replays(None)(24)


def test_beats_of_a_loop_that_are_ours_count_as_answered() -> None:
    book, _, made, _, region = looped()
    made.commit(260, Turn(216), region, 192, 120.0)
    assert made.filled == {24, 48}, "from the turn on"
    made.filled.clear()
    book.committed_to = 192
    made.commit(240, Turn(216), None, 192, 120.0)
    assert made.filled == set()


def test_a_frozen_loop_plays_what_it_played_though_there_is_a_plan() -> None:
    book, _, made, tally, region = looped(0, 24)
    answer(book, ask(book, 192, Turn(192)), 60)
    made.frozen, made.filled = True, {0}
    found = made.commit(240, Turn(192), region, 192, 120.0)
    assert [(c.note.onset_step, c.note.pitch) for c in found] == [(192, 48), (216, 60)]
    assert [tally.close(beat, True, 0) for beat in (192, 216)] == ["fresh", "fresh"]


# -- Where the plans do not reach ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planned", "spare", "found", "how"),
    [
        (False, (), [], "rest"),
        (True, (), [], "rest"),
        (True, (Note(96, 50, 24, ACCOMPANIMENT),), [96], "stale"),
        (False, (Note(96, 50, 24, ACCOMPANIMENT),), [96], "stale"),  # after a jump
    ],
)
def test_beyond_the_last_plan_the_spare_is_played(
    planned: bool, spare: tuple[Note, ...], found: list[int], how: str
) -> None:
    book, song, tally, turn = PlanBook(EngineTiming()), SongMemory(), BeatTally(), Turn(0)
    asked: list[tuple[int, int, Turn]] = []

    def given(first: int, stop: int, ours: Turn) -> tuple[Note, ...]:
        asked.append((first, stop, ours))
        return spare

    made = Delivery(Knobs({}), song, BARS, Performer(lambda *_: None), book, tally, given)
    if planned:
        request = book.ask(0, request_for(-96, 96), turn, 0, 0)
        answer(book, request, 40)
    book.committed_to = 96
    notes = made.commit(120, turn, None, 90, 120.0)
    assert [c.note.onset_step for c in notes] == found
    assert asked == [(96, 120, turn)]
    assert book.out_of_plans is bool(found)
    assert tally.close(96, bool(found), 0) == how


@pytest.mark.parametrize(
    ("gone", "decided", "held", "found", "how"),
    [
        (True, 95, 0, [192], "stale"),  # over four beats ago, and no engine since
        (True, 96, 0, [], "silent"),  # silence that was meant
        (False, 95, 0, [], "silent"),
        (True, 95, 25, [], "silent"),  # what is held over the line goes on
        (True, 95, 24, [192], "stale"),
    ],
)
def test_silence_at_the_end_of_a_plan_whose_engine_is_gone_is_filled(
    gone: bool, decided: int, held: int, found: list[int], how: str
) -> None:
    book, song, tally, turn = PlanBook(EngineTiming()), SongMemory(), BeatTally(), Turn(0)
    spare = Note(192, 50, 24, ACCOMPANIMENT)

    def given(first: int, stop: int, ours: Turn) -> list[Note]:
        return [spare] if first <= spare.onset_step < stop else []

    made = Delivery(Knobs({}), song, BARS, Performer(lambda *_: None), book, tally, given)
    request = book.ask(0, request_for(0, 384), turn, decided, 0)
    book.arrived(Plan(request.id, 0, 384, (Note(0, 40, 24, ACCOMPANIMENT),), 50 * MS, 10), 60 * MS)
    book.orphaned = gone
    if held:
        song.reply.add(RememberedNote(168, 168 + held, 48, 80, ACCOMPANIMENT))
    book.committed_to = 192
    notes = [c for stop in range(198, 217, 6) for c in made.commit(stop, turn, None, 190, 120.0)]
    assert [c.note.onset_step for c in notes] == found
    assert tally.close(192, bool(found), 0) == how


def test_of_memory_only_what_begins_there_in_voices_of_the_turn_is_played() -> None:
    song = SongMemory()
    for onset, voice in ((90, ACCOMPANIMENT), (96, ACCOMPANIMENT), (100, LEAD), (120, LEAD)):
        song.reply.add(RememberedNote(onset, onset + 24, 48, 80, voice))
    song.reply.add(RememberedNote(119, 130, 50, 80, ACCOMPANIMENT))
    song.jump(90)
    for shift in (0, 96):
        book = PlanBook(EngineTiming())
        book.committed_to = 96 + shift
        found = commit(book, 120 + shift, Turn(0, shift_steps=shift), song)
        assert found == [(96 + shift, 48), (119 + shift, 50)]
        song.reply.jump(90)


def test_our_present_lies_where_the_melody_is_that_we_answer() -> None:
    book, song = PlanBook(EngineTiming()), SongMemory()
    commit(book, 60, Turn(0, shift_steps=96), song)
    assert song.reply.cursor == 0
    commit(book, 130, Turn(0, shift_steps=96), song)
    assert song.reply.cursor == 34
    commit(book, 140, None, song)
    assert song.reply.cursor == 140


# -- The player's own notes, bars behind -----------------------------------------------------------


def passing(turn: Turn) -> tuple[SongMemory, Delivery, Performer]:
    song, performer = SongMemory(), Performer(lambda *_: None)
    book = PlanBook(EngineTiming())
    book.committed_to = 90
    made = Delivery(Knobs({"thru": True}), song, BARS, performer, book, BeatTally())
    return song, made, performer


def test_what_was_played_comes_out_as_late_as_its_answer_and_ends_as_it_was_held() -> None:
    turn = Turn(96, shift_steps=96)
    song, made, performer = passing(turn)
    for onset, end, pitch in ((-1, 5, 70), (0, 30, 72), (10, None, 76), (24, 48, 77)):
        song.input.add(RememberedNote(onset, end, pitch, 50, LEAD, 3))
    made.commit(120, turn, None, 10, 120.0)

    def queued() -> list[tuple[float, float, int, int, int]]:
        return [
            (n.onset_step, n.end_step, n.pitch, n.channel, n.velocity)
            for n in performer.scheduler.queued
        ]

    short, held = (96, 126, 72, 3, 50), (106, 106 + 384, 76, 3, 50)
    assert queued() == [short, held], "what was played before the turn is not answered"
    (entry,) = [entry for entry in song.input.onsets(0, 20) if entry.pitch == 76]
    entry.end_step = 40
    made.commit(126, turn, None, 40, 120.0)
    assert queued() == [short, (106, 136, 76, 3, 50), (120, 144, 77, 3, 50)]
    entry.end_step = 70
    made.commit(132, turn, None, 40, 120.0)
    assert queued()[1][1] == 136, "it ended once"


@pytest.mark.parametrize(("shift", "thru"), [(0, True), (96, False)])
def test_nothing_is_passed_on_late_that_is_let_through_at_once_or_not_at_all(
    shift: int, thru: bool
) -> None:
    song, performer, book = SongMemory(), Performer(lambda *_: None), PlanBook(EngineTiming())
    lead(song, 0, 96)
    made = Delivery(Knobs({"thru": thru}), song, BARS, performer, book, BeatTally())
    made.commit(200, Turn(96, shift_steps=shift), None, 0, 120.0)
    assert performer.scheduler.queued == ()


# -- Beats that are over ---------------------------------------------------------------------------


def crossing(turn: Turn | None, **settings: bool) -> tuple[Delivery, BeatTally, Performer]:
    """At the beat of step 96, in which a note of ours begins."""
    book, song, tally = PlanBook(EngineTiming()), SongMemory(), BeatTally()
    performer = Performer(lambda *_: None)
    made = Delivery(Knobs(settings), song, BARS, performer, book, tally)
    made.aim(100)
    performer.play(
        [Committed(Note(96, 40, 48, 1), RememberedNote(96, 144, 40, 80, 1))], Knobs({}), 120
    )
    return made, tally, performer


def test_a_beat_that_is_over_is_counted_by_what_sounded() -> None:
    made, tally, performer = crossing(None)
    turn = Turn(96, 168)
    tally.covered(96, Origin.PLAN, 96)
    tally.covered(120, Origin.PLAN, 96)
    performer.due(100.0, 90.0, 0, round)
    assert made.next_line == 120
    performer.due(120.0, 110.0, 0, round)
    assert made.cross(turn) == (120, [])
    performer.due(144.0, 130.0, 0, round)
    assert made.cross(turn) == (144, [])
    assert made.cross(turn) == (168, [])
    assert made.cross(turn) == (192, []), "not ours"
    counts = tally.counts
    assert (counts.fresh, counts.silent, counts.rest, counts.beats) == (2, 0, 1, 3)


def test_beats_without_a_turn_or_bypassed_are_not_counted() -> None:
    for made, tally, _ in (crossing(None), crossing(None, bypass=True)):
        turn = Turn(0) if tally and made._knobs.flag("bypass") else None
        made.cross(turn)
        assert tally.counts.beats == 0


def test_notes_that_missed_their_moment_are_told_with_their_beat_once() -> None:
    made, tally, performer = crossing(None)
    performer.due(119.0, 118.0, 0, round)
    turn = Turn(0)
    assert made.cross(turn) == (120, [OscOut("/diffuse/out/late", (1,))])
    assert made.cross(turn) == (144, [])
    assert (tally.counts.late, tally.counts.rest) == (1, 1)


@pytest.mark.parametrize(
    ("played", "velocity"),
    [
        ([(72, 100)], 100),  # a beat ago
        ([(71, 100)], 80),
        ([(72, 60), (101, 100)], 80),  # the mean
        ([(101, 100)], 100),
        ([(102, 100)], 80),  # ahead by a sixteenth
    ],
)
def test_the_reply_is_as_loud_as_the_last_beat_of_the_melody(
    played: list[tuple[int, int]], velocity: int
) -> None:
    book, song, performer = PlanBook(EngineTiming()), SongMemory(), Performer(lambda *_: None)
    for onset, loud in played:
        song.input.add(RememberedNote(onset, onset + 6, 72, loud, LEAD))
    song.input.add(RememberedNote(80, 90, 40, 1, ACCOMPANIMENT))
    turn = Turn(96)
    book.committed_to = 96
    answer(book, ask(book, 96, turn), 40)
    delivery(book, song, performer).commit(120, turn, None, 96, 120.0)
    assert performer.lead_velocity == velocity


@pytest.mark.parametrize(("end", "length"), [(120, 24), (119, 23), (None, 24)])
def test_a_note_ends_with_its_turn_at_the_latest(end: int | None, length: int) -> None:
    book, song, turn = PlanBook(EngineTiming()), SongMemory(), Turn(96, end)
    book.committed_to = 96
    answer(book, ask(book, 96, turn), 40)
    found = delivery(book, song).commit(120, turn, None, 96, 120.0)
    assert [c.note.length_steps for c in found] == [length]
    assert [e.end_step for e in song.reply.onsets(0, 120)] == [96 + length]
