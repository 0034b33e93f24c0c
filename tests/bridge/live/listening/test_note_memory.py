"""Memory by song position."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.live.listening.note_memory import (
    MOST_ENTRIES,
    LoopRegion,
    NoteMemory,
    RememberedNote,
    SongMemory,
)
from engine.music.grid import ACCOMPANIMENT, LEAD


def put(track: NoteMemory, onset: int, length: int | None = 24, pitch: int = 60) -> RememberedNote:
    end = None if length is None else onset + length
    return track.add(RememberedNote(onset, end, pitch, 80, LEAD))


def pitches(track: NoteMemory, first: int, end: int, now: int = 0) -> list[tuple[int, int]]:
    return [(n.onset_step, n.pitch) for n in track.notes(first, end, now)]


def test_a_window_shows_what_sounds_in_it() -> None:
    track = NoteMemory()
    put(track, 0, 24)
    put(track, 24, 48, 62)
    put(track, 96, None, 64)
    assert pitches(track, 30, 90) == [(24, 62)]
    assert pitches(track, 24, 97) == [(24, 62), (96, 64)]
    assert track.notes(100, 200, 110)[0].length_steps == 14


def test_after_a_jump_back_memory_is_written_anew_as_time_passes() -> None:
    track = NoteMemory()
    for step in range(0, 192, 24):
        put(track, step, pitch=60)
        track.advance(step + 24)
    track.jump(48)
    put(track, 48, pitch=70)
    track.advance(72)
    assert pitches(track, 0, 200) == [
        (0, 60),
        (24, 60),
        (48, 70),
        (72, 60),
        (96, 60),
        (120, 60),
        (144, 60),
        (168, 60),
    ]
    track.advance(150)
    assert pitches(track, 0, 200) == [(0, 60), (24, 60), (48, 70), (168, 60)]


def test_nothing_sounds_across_the_place_jumped_to() -> None:
    track = NoteMemory()
    put(track, 0, 96)
    track.jump(48)
    assert track.notes(0, 96, 0)[0].length_steps == 48


def test_a_note_whose_key_is_down_stays_open_when_the_song_jumps() -> None:
    track = NoteMemory()
    held, over = put(track, 0, None), put(track, 0, 48, 62)
    track.jump(48)
    assert (held.end_step, over.end_step) == (None, 48)


def test_a_fold_remembers_by_place_in_the_loop() -> None:
    track = NoteMemory()
    track.clear(LoopRegion(96, 192))
    put(track, 96, pitch=60)
    put(track, 200, pitch=62)
    track.advance(288)
    assert pitches(track, 288, 480) == [(288, 60), (392, 62)]
    assert pitches(track, 288, 660) == [(288, 60), (392, 62), (480, 60), (584, 62)]
    put(track, 300, pitch=70)
    track.advance(384)
    assert pitches(track, 288, 480) == [(300, 70), (392, 62)]
    assert pitches(track, 96, 288) == [(108, 70), (200, 62)]


def test_fold_places() -> None:
    region = LoopRegion(96, 192)
    assert [region(step) for step in (96, 287, 288, 0)] == [96, 287, 96, 192]
    assert region.rest(96) == 192
    assert region.rest(287) == 1
    odd = LoopRegion(100, 192)
    assert [odd.rest(step) for step in (100, 101, 291, 292, 0)] == [192, 191, 1, 192, 100]
    assert region.same_place(288.0, 96) == 288
    assert region.same_place(285.0, 96) == 288
    assert region.same_place(200.0, 96) is None


def test_memory_is_bounded_and_keeps_what_is_near() -> None:
    track = NoteMemory()
    for step in range(MOST_ENTRIES + 10):
        track.advance(step * 24)
        put(track, step * 24)
    assert len(track) <= MOST_ENTRIES
    last = (MOST_ENTRIES + 9) * 24
    assert len(track.notes(last - 2400, last + 24, 0)) >= 100


def test_when_it_is_full_a_quarter_is_forgotten() -> None:
    track = NoteMemory()
    for bar in range(MOST_ENTRIES):
        put(track, bar * 96)
    assert len(track) == MOST_ENTRIES
    put(track, MOST_ENTRIES * 96)
    assert len(track) == MOST_ENTRIES * 3 // 4
    assert len(track.notes(0, 100 * 96, 0)) == 100, "the present is at 0"


def test_our_part_is_carried_on_where_the_melody_is_that_it_answers() -> None:
    song = SongMemory()
    put(song.input, 150)
    put(song.reply, 110)
    song.carry(192, 96, 96, 48)
    assert [n.onset_step for n in song.input.notes(-200, 300, 300)] == [54, 150]
    assert [n.onset_step for n in song.reply.notes(-200, 300, 300)] == [14, 110]


def test_what_was_heard_by_voice() -> None:
    song = SongMemory()
    song.input.add(RememberedNote(10, 20, 60, 80, ACCOMPANIMENT))
    assert not song.lead_between(0, 100)
    song.input.add(RememberedNote(30, 40, 60, 80, LEAD))
    assert song.lead_between(0, 100)
    assert not song.lead_between(31, 100)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60), st.booleans()), max_size=60))
def test_memory_equals_a_plain_list(moves: list[tuple[int, int, bool]]) -> None:
    """The model: a list of notes; passing [a, b) removes those of an earlier sweep in it."""
    track, model, cursor, sweep = NoteMemory(), list[tuple[int, int, int]](), 0, 0
    for serial, (step, length, jump) in enumerate(moves):
        if jump:
            track.jump(step)
            model = [(on, min(end, step) if on < step else end, s) for on, end, s in model]
            cursor, sweep = step, sweep + 1
            continue
        to = cursor + length
        put(track, cursor, length, serial % 128)
        model.append((cursor, cursor + length, sweep))
        track.advance(to)
        model = [row for row in model if not (cursor <= row[0] < to and row[2] < sweep)]
        cursor = to
    found = sorted((n.onset_step, n.end_step) for n in track.notes(-100, 5000, 0))
    assert found == sorted((on, end) for on, end, _ in model)
    assert len(track) == len(model)


def test_what_is_carried_on_lies_before_the_new_place_and_replaces_what_lay_there() -> None:
    track = NoteMemory()
    for onset, pitch in ((0, 60), (96, 61), (150, 62), (180, 63), (192, 64)):
        track.add(RememberedNote(onset, onset + 24, pitch, 90, 0))
    track.jump(96)
    track.carry(192, 96, 96)
    assert [(n.onset_step, n.pitch) for n in track.notes(-96, 300, 300)] == [
        (0, 61),
        (54, 62),
        (84, 63),
        (96, 61),
        (150, 62),
        (180, 63),
        (192, 64),
    ]
    assert [n.length_steps for n in track.notes(0, 96, 300)] == [24, 24, 12]  # none sounds across
    assert len(track) == 7
    track.advance(160)
    assert [n.onset_step for n in track.notes(-96, 300, 300)] == [0, 54, 84, 180, 192]


@given(
    st.integers(-50, 200),
    st.integers(20, 300),
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 100), st.booleans()), max_size=30),
)
def test_memory_of_a_loop_equals_a_plain_list(
    first: int, length: int, moves: list[tuple[int, int, bool]]
) -> None:
    """The model: a list of notes; each step passed forgets what lay at its place before."""
    region, track = LoopRegion(first, length), NoteMemory()
    track.clear(region)
    model = list[tuple[int, int, int]]()  # onset, pitch, sweep
    cursor = sweep = 0
    for serial, (by, ahead, jump) in enumerate(moves):
        if jump:
            cursor, sweep = by, sweep + 1
            track.jump(by)
            continue
        onset, pitch = cursor + ahead, serial % 128
        put(track, onset, 1, pitch)
        model.append((onset, pitch, sweep))
        start = max(cursor, cursor + by - length)
        passed = {region(step) for step in range(start, cursor + by)}
        cursor += by
        track.advance(cursor)
        model = [
            row
            for row in model
            if not (region(row[0]) in passed and (row[2] < sweep or row[0] < start))
        ]
    places = sorted((region(onset), pitch) for onset, pitch, _ in model)
    found = [(onset, pitch) for onset, pitch in pitches(track, first, first + length)]
    assert found == places
    assert len(track) == len(model)
    twice = pitches(track, first - length, first + length)
    assert twice == sorted([(onset - length, pitch) for onset, pitch in places] + places)
