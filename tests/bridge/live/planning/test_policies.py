"""When we play, by policy: turns begin, grow, shift and end."""

from __future__ import annotations

import pytest

from bridge.commands import Value
from bridge.live.listening.note_memory import RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.choose_policy import make_policy
from bridge.live.planning.loop import LoopReply
from bridge.live.planning.policies import (
    Accompany,
    CallAndResponse,
    Policy,
    Scene,
    Triggered,
)
from bridge.live.planning.request_window import WINDOW_STEPS, Known, Turn
from bridge.settings.knobs import Knobs
from engine.music.grid import ACCOMPANIMENT, LEAD, MeterMap

BAR, BEAT = 96, 24
BOTH = (LEAD, ACCOMPANIMENT)


def scene(
    song: SongMemory | None = None, horizon: int = 6, silent: int | None = None, **settings: Value
) -> Scene:
    knobs = Knobs({"listen_bars": 1, "wait_for_phrase": False, **settings})
    return Scene(knobs, BeatLines(MeterMap()), song or SongMemory(), horizon, silent)


def sung(*onsets: int) -> SongMemory:
    song = SongMemory()
    for onset in onsets:
        song.input.add(RememberedNote(onset, onset + BEAT, 72, 80, LEAD))
    return song


def begun(policy: Policy, **settings: Value) -> Scene:
    found = scene(None, 6, None, **settings)
    policy.begin(0, found)
    return found


@pytest.mark.parametrize(
    ("mode", "reply", "kind", "lag"),
    [
        ("harmonize", "live", Accompany, 0),
        ("harmonize", "next-bar", Accompany, 1),
        ("harmonize", "loop", LoopReply, None),
        ("continue", "live", CallAndResponse, None),
        ("vary", "loop", Triggered, None),
        ("infill", "live", Triggered, None),
        ("generate", "live", Triggered, None),
    ],
)
def test_mode_and_reply_choose_the_policy(
    mode: str, reply: str, kind: type, lag: int | None
) -> None:
    policy = make_policy(Knobs({"mode": mode, "reply": reply}))
    assert type(policy) is kind
    assert getattr(policy, "lag_bars", None) == lag


# -- Accompany -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("onset", "listen", "start"),
    [
        (10, 1, BAR),
        (47, 1, BAR),
        (48, 1, 2 * BAR),  # half a bar is a pickup to the next
        (10, 2, 2 * BAR),
        (10, 0, BEAT),  # the next beat that a plan can reach which knows of the note
        (12, 0, BEAT),
        (13, 0, 2 * BEAT),
    ],
)
def test_it_listens_to_whole_bars_from_the_first_note_on(
    onset: int, listen: int, start: int
) -> None:
    policy = Accompany()
    policy.note_began(onset, begun(policy, listen_bars=listen))
    assert policy.turn == Turn(start)
    policy.note_began(onset + 300, scene(listen_bars=listen))
    assert policy.turn == Turn(start), "the first note decides"


def test_next_bar_answers_a_bar_later_and_two_where_the_engine_is_slow() -> None:
    policy = Accompany(lag_bars=1)
    policy.note_began(0, begun(policy))
    assert policy.turn == Turn(BAR, shift_steps=BAR)
    slow = scene(horizon=BEAT + 6)
    policy.bar_line(0, slow)
    assert policy.lag_bars == 1, "not our turn yet"
    policy.bar_line(2 * BAR, slow)
    assert policy.turn == Turn(2 * BAR, shift_steps=2 * BAR)
    policy.bar_line(3 * BAR, slow)
    assert policy.turn.start_step == 2 * BAR, "a turn that holds goes on"


def test_after_a_jump_it_goes_on_only_where_the_melody_is_remembered() -> None:
    policy = Accompany()
    policy.note_began(0, begun(policy))
    policy.jump(5 * BAR, 130.0, scene())
    assert policy.turn is None
    policy.note_began(5 * BAR, scene())
    policy.jump(2 * BAR, 6.0 * BAR, scene(sung(BAR + 24)))
    assert policy.turn == Turn(2 * BAR)
    assert policy.known(2 * BAR, 2 * BAR + 6).heard_from < BAR
    policy.jump(8 * BAR, 3.0 * BAR, scene(sung(8 * BAR + 30)))
    assert policy.turn == Turn(8 * BAR), "remembered ahead: a loop played before"
    assert policy.known(8 * BAR, 8 * BAR + 6).heard_from == 8 * BAR


@pytest.mark.parametrize(
    ("lag", "onset", "goes_on", "heard_from"),
    [
        (0, 3 * BAR, True, 5 * BAR + 10 - WINDOW_STEPS),  # the context's first step
        (0, 3 * BAR - 1, False, 5 * BAR),
        (0, 5 * BAR + 10, True, 5 * BAR),  # ahead in this bar: a loop played before
        (0, 6 * BAR - 1, True, 5 * BAR),
        (0, 6 * BAR, False, 5 * BAR),
        (1, 5 * BAR + 10, False, 5 * BAR),  # a bar behind, what lies ahead is not answered yet
        (3, 2 * BAR, True, 5 * BAR + 10 - WINDOW_STEPS),  # so far back as the answer is behind
        (3, 2 * BAR - 1, False, 5 * BAR),
    ],
)
def test_where_a_jump_finds_the_melody(
    lag: int, onset: int, goes_on: bool, heard_from: int
) -> None:
    policy, step = Accompany(lag), 5 * BAR + 10
    begun(policy)
    policy.turn = Turn(0)
    there = scene(sung(onset), context_bars=2)
    policy.jump(step, 1000.0, there)
    assert policy.turn == (Turn(step, shift_steps=lag * BAR) if goes_on else None)
    assert policy.known(step + 1, step + 6) == Known(
        step + 1, heard_from, ((heard_from, step + 1),)
    )
    policy.note_began(9 * BAR, there)
    again = Turn((9 + max(1, lag)) * BAR, shift_steps=lag * BAR)
    assert policy.turn == (Turn(step, shift_steps=lag * BAR) if goes_on else again)


def test_a_policy_that_listened_listens_on_after_a_jump() -> None:
    policy = Accompany()
    begun(policy)
    policy.jump(2 * BAR, 50.0, scene(sung(BAR)))
    assert policy.turn is None


def test_the_wait_is_the_longer_of_what_is_listened_to_and_how_far_we_are_behind() -> None:
    for lag, listen, start in ((2, 1, 2 * BAR), (1, 2, 2 * BAR), (1, 0, BAR)):
        policy = Accompany(lag)
        policy.note_began(0, begun(policy, listen_bars=listen))
        assert policy.turn == Turn(start, shift_steps=lag * BAR)


def test_next_bar_falls_behind_from_the_line_of_its_turn_on_and_not_by_a_beat() -> None:
    policy = Accompany(lag_bars=1)
    policy.note_began(0, begun(policy))
    policy.bar_line(BAR, scene(horizon=BEAT))
    assert policy.lag_bars == 1, "a beat is not slow"
    policy.bar_line(BAR, scene(horizon=BEAT + 6))
    assert policy.turn == Turn(BAR, shift_steps=2 * BAR)


def test_a_slow_engine_is_waited_for_a_beat_at_most() -> None:
    policy = Accompany()
    knobs = Knobs({"listen_bars": 0})
    policy.note_began(0, Scene(knobs, BeatLines(MeterMap()), SongMemory(), 10 * BEAT))
    assert policy.turn == Turn(2 * BEAT)


# -- CallAndResponse -------------------------------------------------------------------------------


def test_a_phrase_is_answered_after_the_bars_listened_to() -> None:
    policy = CallAndResponse()
    policy.note_began(10, begun(policy, listen_bars=2, reply_bars=4))
    assert policy.turn == Turn(2 * BAR, 6 * BAR, 0, BOTH)


def test_a_pause_of_a_bar_ends_the_phrase_early() -> None:
    policy = CallAndResponse()
    policy.note_began(10, begun(policy, listen_bars=4, reply_bars=2))
    policy.consider(150, 156, scene(silent=60, listen_bars=4, reply_bars=2))
    assert policy.turn == Turn(4 * BAR, 6 * BAR, 0, BOTH), "90 steps are less than a bar"
    policy.consider(156, 162, scene(silent=60, listen_bars=4, reply_bars=2))
    assert policy.turn == Turn(2 * BAR, 4 * BAR, 0, BOTH)


def test_where_the_phrase_is_waited_for_a_pause_of_a_beat_ends_it() -> None:
    policy, waits = CallAndResponse(), {"wait_for_phrase": True, "listen_bars": 2}
    policy.note_began(10, begun(policy, **waits))
    assert policy.turn is None
    policy.consider(83, 89, scene(None, 6, 60, **waits))
    assert policy.turn is None, "23 steps are less than a beat"
    policy.consider(84, 90, scene(None, 6, 60, **waits))
    assert policy.turn == Turn(2 * BAR, 6 * BAR, 0, BOTH), "two bars at least are listened to"
    policy.note_began(150, scene(None, 6, None, **waits))
    assert policy.turn is None, "they go on"


def test_an_answer_that_is_over_waits_for_the_next_phrase() -> None:
    policy = CallAndResponse()
    policy.note_began(10, begun(policy, listen_bars=1, reply_bars=1))
    policy.bar_line(BAR, scene())
    assert policy.turn == Turn(BAR, 2 * BAR, 0, BOTH)
    policy.bar_line(2 * BAR, scene())
    assert policy.turn is None
    policy.note_began(2 * BAR + 5, scene(reply_bars=1))
    assert policy.turn == Turn(3 * BAR, 4 * BAR, 0, BOTH)


def test_an_endless_answer_ends_when_they_play_again() -> None:
    policy = CallAndResponse()
    policy.note_began(10, begun(policy, endless=True))
    assert policy.turn == Turn(BAR, None, 0, BOTH)
    policy.note_began(2 * BAR - 1, scene(endless=True))
    assert policy.turn.end_step is None, "a bar at least is ours"
    policy.note_began(2 * BAR, scene(endless=True))
    assert policy.turn == Turn(BAR, 2 * BAR, 0, BOTH)


def test_what_was_played_in_our_turn_is_known_up_to_the_horizon() -> None:
    policy = CallAndResponse()
    policy.note_began(10, begun(policy))
    assert policy.known(90, BAR).lead == ((0, 90),)
    assert policy.known(100, 120).lead == ((0, 120),)


def test_a_pause_without_a_phrase_is_answered_by_nothing() -> None:
    policy = CallAndResponse()
    begun(policy, listen_bars=0)
    policy.consider(150, 156, scene(silent=60, listen_bars=0))
    assert policy.turn is None
    policy.bar_line(2 * BAR, scene(listen_bars=0))
    policy.note_began(200, scene(listen_bars=0))
    policy.consider(300, 306, scene(listen_bars=0))
    assert policy.turn is None, "a note is held: no pause"


def test_a_phrase_holds_until_it_is_answered() -> None:
    policy, settings = CallAndResponse(), {"listen_bars": 4, "reply_bars": 1}
    policy.note_began(0, begun(policy, **settings))
    policy.bar_line(BAR, scene(None, 6, None, **settings))
    policy.consider(156, 162, scene(None, 6, 60, **settings))
    assert policy.turn == Turn(2 * BAR, 3 * BAR, 0, BOTH)
    policy.bar_line(2 * BAR, scene(None, 6, None, **settings))
    policy.consider(3 * BAR, 3 * BAR + 6, scene(None, 6, 60, **settings))
    assert policy.turn is None, "answered once"


def test_an_upbeat_that_is_all_there_is_is_answered_once() -> None:
    policy, settings = CallAndResponse(), {"listen_bars": 0, "reply_bars": 1}
    policy.note_began(60, begun(policy, **settings))
    policy.consider(85, 91, scene(None, 6, 61, **settings))
    assert policy.turn == Turn(BAR, 2 * BAR, 0, BOTH)
    policy.bar_line(BAR, scene(None, 6, 61, **settings))
    policy.consider(2 * BAR, 2 * BAR + 6, scene(None, 6, 61, **settings))
    assert policy.turn is None


def test_an_answer_that_is_decided_keeps_its_length() -> None:
    policy = CallAndResponse()
    policy.note_began(0, begun(policy, listen_bars=2, reply_bars=1))
    policy.consider(110, 116, scene(silent=4, listen_bars=2, reply_bars=4))
    assert policy.turn == Turn(2 * BAR, 3 * BAR, 0, BOTH)


@pytest.mark.parametrize(("onset", "answer"), [(179, None), (180, Turn(3 * BAR, 4 * BAR, 0, BOTH))])
def test_a_note_an_eighth_before_our_end_begins_the_next_phrase(
    onset: int, answer: Turn | None
) -> None:
    policy, settings = CallAndResponse(), {"listen_bars": 1, "reply_bars": 1}
    policy.note_began(0, begun(policy, **settings))
    policy.bar_line(BAR, scene(None, 6, None, **settings))
    policy.note_began(onset, scene(None, 6, None, **settings))
    policy.bar_line(2 * BAR, scene(None, 6, None, **settings))
    assert policy.turn == answer


def test_a_note_on_the_line_of_our_turn_does_not_take_it_away() -> None:
    policy, waits = CallAndResponse(), {"wait_for_phrase": True, "listen_bars": 2}
    policy.note_began(0, begun(policy, **waits))
    policy.consider(90, 96, scene(None, 6, 60, **waits))
    answer = policy.turn
    assert answer == Turn(2 * BAR, 6 * BAR, 0, BOTH)
    policy.note_began(2 * BAR, scene(None, 6, None, **waits))
    assert policy.turn is answer
    policy.note_began(2 * BAR - 1, scene(None, 6, None, **waits))
    assert policy.turn is None


@pytest.mark.parametrize(("onset", "heard"), [(0, True), (-1, False)])
def test_after_a_jump_a_phrase_just_before_is_known(onset: int, heard: bool) -> None:
    policy, step = CallAndResponse(), WINDOW_STEPS // 2
    begun(policy)
    policy.jump(step, 9.0, scene(sung(onset)))
    assert policy.known(step, step).heard_from == (step - WINDOW_STEPS if heard else step)


# -- Triggered -------------------------------------------------------------------------------------


def test_what_was_triggered_is_over_at_its_end_or_after_a_jump() -> None:
    policy = Triggered()
    begun(policy)
    policy.note_began(10, scene())
    assert policy.turn is None
    policy.turn = Turn(BAR, 2 * BAR)
    policy.bar_line(2 * BAR - BEAT, scene())
    assert policy.turn is not None
    policy.bar_line(2 * BAR, scene())
    assert policy.turn is None
    policy.turn = Turn(BAR, 2 * BAR)
    policy.jump(0, 100.0, scene())
    assert policy.turn is None
