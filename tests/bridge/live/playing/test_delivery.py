"""What is decided for good, from which plan, and where it is remembered."""

from __future__ import annotations

from bridge.live.listening.note_memory import RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.beat_tally import BeatTally
from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.plan_book import PlanBook
from bridge.live.planning.request_window import (
    Turn,
)
from bridge.live.playing.delivery import Delivery
from bridge.live.playing.performer import Performer
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
