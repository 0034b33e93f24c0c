"""What a request shows the engine."""

from __future__ import annotations

import pytest

from bridge.live.listening.note_memory import LoopRegion, RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.request_window import (
    WINDOW_STEPS,
    Known,
    Turn,
    ahead_steps,
    plan_request,
    task_request,
)
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.requests.live_window import LONGEST_AHEAD_STEPS
from engine.requests.request import SampleSettings, Span

BARS = BeatLines(MeterMap(((0, Meter(4, 4)),)))
SETTINGS = SampleSettings()


def lead(song: SongMemory, *onsets: int) -> None:
    for onset in onsets:
        song.input.add(RememberedNote(onset, onset + 24, 72, 80, LEAD))


def ours(song: SongMemory, *onsets: int) -> None:
    for onset in onsets:
        song.reply.add(RememberedNote(onset, onset + 24, 48, 80, ACCOMPANIMENT))


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
        Span(LEAD, 0, 96),
        Span(LEAD, 288, 384),
        Span(ACCOMPANIMENT, 0, 96),
        Span(ACCOMPANIMENT, 288, 384),
    )
    assert len(request.notes) == 32
    assert task_request(0, 384, None, False, song, BARS, SETTINGS).notes == ()


@pytest.mark.parametrize(
    ("turn", "span", "part"),
    [
        (Turn(96), (50, 96), None),
        (Turn(96), (50, 97), (96, 97)),
        (Turn(96, 120), (100, 200), (100, 120)),
        (Turn(96, 120), (120, 200), None),
        (Turn(96, 120), (119, 200), (119, 120)),
    ],
)
def test_the_part_of_a_span_that_is_ours(
    turn: Turn, span: tuple[int, int], part: tuple[int, int] | None
) -> None:
    assert turn.within(*span) == part
    steps = [step for step in range(*span) if turn.covers(step)]
    assert steps == (list(range(*part)) if part else [])
