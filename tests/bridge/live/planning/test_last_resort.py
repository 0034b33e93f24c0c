"""What is played again when the plans are over, and what is not."""

from __future__ import annotations

import pytest

from bridge.live.listening.note_memory import RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.last_resort import repeated
from bridge.live.planning.request_window import Turn
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, Meter, MeterMap
from engine.music.roll import Note
from engine.requests.request import SampleSettings

BEAT = STEPS_PER_BEAT
BAR = 4 * BEAT


def song(*reply: tuple[int, int], lead: tuple[tuple[int, int | None, int], ...] = ()) -> SongMemory:
    """reply: (onset, pitch) of quarter notes. lead: (onset, end, pitch)."""
    made = SongMemory()
    for onset, pitch in reply:
        made.reply.add(RememberedNote(onset, onset + BEAT, pitch, 80, ACCOMPANIMENT))
    for onset, end, pitch in lead:
        made.input.add(RememberedNote(onset, end, pitch, 80, LEAD))
    return made


def pitches(
    memory: SongMemory,
    first: int,
    stop: int,
    settings: SampleSettings | None = None,
    meters: MeterMap | None = None,
) -> list[tuple[int, int]]:
    settings = settings or SampleSettings(low=0, high=127)
    found = repeated(first, stop, Turn(0), memory, BeatLines(meters or MeterMap()), settings)
    assert all(isinstance(note, Note) and note.length_steps == BEAT for note in found)
    return [(note.onset_step, note.pitch) for note in found]


def test_two_bars_are_played_again_at_their_place_in_the_bar() -> None:
    memory = song((0, 48), (BAR + BEAT, 50), (BAR + 2 * BEAT, 53))
    assert pitches(memory, 2 * BAR, 2 * BAR + BEAT) == [(2 * BAR, 48)]
    assert pitches(memory, 3 * BAR, 4 * BAR) == [(3 * BAR + BEAT, 50), (3 * BAR + 2 * BEAT, 53)]


def test_where_there_was_only_one_bar_that_is_played_again() -> None:
    assert pitches(song((BAR, 48)), 2 * BAR, 3 * BAR) == [(2 * BAR, 48)]
    assert pitches(song(), 2 * BAR, 3 * BAR) == []


@pytest.mark.parametrize("ago", [3, 4, 16])
def test_after_bars_without_notes_the_last_that_had_some_is_played_again(ago: int) -> None:
    """A plan may leave bars, or hold one note for them; from its end on that is no answer."""
    memory = song((0, 48), (BEAT, 52), (2 * BEAT, 55))
    here = ago * BAR
    assert pitches(memory, here, here + BEAT) == [(here, 48)]
    assert pitches(memory, here + 2 * BEAT, here + 3 * BEAT) == [(here + 2 * BEAT, 55)]


def test_after_a_note_that_was_held_for_bars_the_bar_it_began_in_is_played_again() -> None:
    memory = song((BEAT, 52))
    memory.reply.add(RememberedNote(0, 4 * BAR, 48, 80, ACCOMPANIMENT))
    found = repeated(
        4 * BAR, 5 * BAR, Turn(0), memory, BeatLines(MeterMap()), SampleSettings(low=0, high=127)
    )
    assert [(note.onset_step, note.pitch) for note in found] == [
        (4 * BAR, 48),
        (4 * BAR + BEAT, 52),
    ]


def test_what_lies_farther_back_is_forgotten() -> None:
    assert pitches(song((0, 48)), 17 * BAR, 18 * BAR) == []


def test_a_beat_that_was_silent_is_filled_with_the_one_before() -> None:
    """The reply began on the second beat of its only bar: that hole is not played again."""
    memory = song((BEAT, 50), (2 * BEAT, 53), (3 * BEAT, 55))
    assert pitches(memory, BAR, BAR + BEAT) == [(BAR, 55)]
    assert pitches(memory, BAR + BEAT, BAR + 2 * BEAT) == [(BAR + BEAT, 50)]
    # The last beat that was not silent, also over several that were.
    assert pitches(song((BEAT, 50)), BAR, BAR + BEAT) == [(BAR, 50)]
    # The second half of a beat is filled with a second half, not with its first.
    assert pitches(memory, BAR + BEAT // 2, BAR + BEAT) == []


def test_what_is_held_over_a_beat_is_not_struck_again() -> None:
    memory = song((BAR, 48), (3 * BAR, 48))
    memory.reply.add(RememberedNote(0, 2 * BEAT, 55, 80, ACCOMPANIMENT))
    memory.reply.add(RememberedNote(2 * BAR, 2 * BAR + 2 * BEAT, 55, 80, ACCOMPANIMENT))
    assert pitches(memory, 2 * BAR + BEAT, 2 * BAR + 2 * BEAT) == []
    # What begins later in the beat is waited for.
    late = song((BEAT // 2, 48))
    assert pitches(late, BAR, BAR + BEAT // 2) == []
    assert pitches(late, BAR + BEAT // 2, BAR + BEAT) == [(BAR + BEAT // 2, 48)]


def test_bars_are_those_of_the_meter() -> None:
    memory = song((0, 48), (3 * BEAT, 50))
    waltz = MeterMap(((0, Meter(3, 4)),))
    assert pitches(memory, 6 * BEAT, 9 * BEAT, meters=waltz) == [(6 * BEAT, 48)]


def test_register_and_scale_hold() -> None:
    memory = song((0, 36), (0, 49), (0, 52), (0, 90))
    settings = SampleSettings(low=40, high=84, pitch_classes=frozenset({0, 4, 7}))
    assert pitches(memory, 2 * BAR, 3 * BAR, settings) == [(2 * BAR, 52)]


def test_what_would_clash_with_the_melody_is_left_out() -> None:
    held = ((2 * BAR - BEAT, None, 72),)  # C5, since the beat before
    memory = song((0, 59), (0, 61), (0, 64), (0, 72), lead=held)
    assert pitches(memory, 2 * BAR, 3 * BAR) == [(2 * BAR, 64)]


def test_what_all_clashes_is_played_rather_than_nothing() -> None:
    memory = song((0, 59), lead=((2 * BAR - BEAT, None, 72),))
    assert pitches(memory, 2 * BAR, 3 * BAR) == [(2 * BAR, 59)]


def test_a_reply_bars_behind_is_held_against_the_melody_that_it_answers() -> None:
    """next-bar: what sounds in bar 3 answers bar 2, and lies there in the memory."""
    memory = song((0, 59), (0, 64), lead=((2 * BAR, 3 * BAR, 72), (3 * BAR, None, 65)))
    turn = Turn(BAR, shift_steps=BAR)
    settings = SampleSettings(low=0, high=127)
    found = repeated(3 * BAR, 4 * BAR, turn, memory, BeatLines(MeterMap()), settings)
    assert [(note.onset_step, note.pitch) for note in found] == [(3 * BAR, 64)]


def test_what_began_before_or_begins_after_is_not_repeated() -> None:
    """next-bar: what sounds from bar 3 on lies a bar earlier in the memory."""
    settings, bars = SampleSettings(low=0, high=127), BeatLines(MeterMap())
    for shift in (0, BAR):
        memory = SongMemory()
        for onset, voice in ((-6, 1), (0, 1), (12, LEAD), (BEAT - 1, 1), (BEAT, 1)):
            memory.reply.add(RememberedNote(onset, onset + BEAT, 50, 80, voice))
        turn, first = Turn(0, shift_steps=shift), 2 * BAR + shift
        found = repeated(first, first + BEAT, turn, memory, bars, settings)
        assert [note.onset_step - first for note in found] == [0, BEAT - 1]


def test_only_a_bar_in_which_we_played_is_repeated() -> None:
    memory = song((BAR - 1, 50), (BAR, 48))
    assert pitches(memory, 3 * BAR, 4 * BAR) == [(3 * BAR, 48)]
    assert pitches(song((2 * BAR, 50)), 2 * BAR, 3 * BAR) == []


@pytest.mark.parametrize(
    ("pitch", "clashes"),
    [
        (62, True),
        (63, True),
        (61, True),
        (64, False),
        (60, False),
        (74, True),
        (86, True),
        (75, True),
        (85, True),
        (87, True),
        (50, True),
    ],
)
def test_which_pitches_clash_with_a_d(pitch: int, clashes: bool) -> None:
    held = ((2 * BAR - BEAT, None, 74), (2 * BAR - BEAT, None, 67))
    memory = song((0, pitch), (0, 57), lead=held)
    expected = [(2 * BAR, each) for each in sorted({57, pitch})]
    if clashes and pitch not in (62, 50, 86):
        expected.remove((2 * BAR, pitch))
    assert pitches(memory, 2 * BAR, 3 * BAR) == expected


@pytest.mark.parametrize(
    ("onset", "end", "voice", "clashes"),
    [
        (2 * BAR - BEAT, None, LEAD, True),
        (2 * BAR - BEAT, None, ACCOMPANIMENT, False),  # not the melody
        (2 * BAR - BEAT, 2 * BAR - 1, LEAD, False),  # over
        (2 * BAR - BEAT, 2 * BAR + 1, LEAD, True),  # sounds here
        (2 * BAR - BEAT, 2 * BAR + 1, ACCOMPANIMENT, False),
        (2 * BAR - 16 * BEAT, None, LEAD, True),
        (2 * BAR - 16 * BEAT - 1, None, LEAD, False),  # held for too long to be meant
        (3 * BAR - 1, 3 * BAR, LEAD, True),
        (3 * BAR, 4 * BAR, LEAD, False),
    ],
)
def test_which_notes_of_the_melody_count(
    onset: int, end: int | None, voice: int, clashes: bool
) -> None:
    memory = song((0, 59), (0, 64))
    memory.input.add(RememberedNote(onset, end, 72, 80, voice))
    found = [pitch for _, pitch in pitches(memory, 2 * BAR, 3 * BAR)]
    assert found == ([64] if clashes else [59, 64])


@pytest.mark.parametrize(
    ("onset", "end", "clashes"),
    [
        (2 * BAR, 3 * BAR, True),  # the bar that is answered
        (3 * BAR - 1, 3 * BAR, True),
        (3 * BAR, 4 * BAR, False),  # what is played meanwhile is answered later
        (2 * BAR - BEAT, 2 * BAR, False),
        (2 * BAR - BEAT, 2 * BAR + 1, True),
    ],
)
def test_a_bar_behind_the_melody_of_the_bar_that_is_answered_counts(
    onset: int, end: int, clashes: bool
) -> None:
    memory = song((0, 59), (0, 64), lead=((onset, end, 72),))
    settings, turn = SampleSettings(low=0, high=127), Turn(BAR, shift_steps=BAR)
    found = repeated(3 * BAR, 4 * BAR, turn, memory, BeatLines(MeterMap()), settings)
    assert [note.pitch for note in found] == ([64] if clashes else [59, 64])
