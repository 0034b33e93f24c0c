"""harmonize over a loop: which bars are answered, and what is known of the melody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.commands import Value
from bridge.live.listening.note_memory import LoopRegion, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.loop import LoopReply
from bridge.live.planning.policies import Scene
from bridge.live.planning.request_window import Turn
from bridge.settings.knobs import Knobs
from engine.music.grid import MeterMap

BAR = 96


def scene(**settings: Value) -> Scene:
    return Scene(Knobs({"loop_bars": 2, **settings}), BeatLines(MeterMap()), SongMemory(), 6)


def at(step: int, **settings: Value) -> LoopReply:
    policy = LoopReply()
    policy.begin(step, scene(**settings))
    return policy


def test_the_loop_is_anchored_where_it_is_switched_on_or_where_it_is_asked_for() -> None:
    assert at(130).region == LoopRegion(BAR, 2 * BAR)
    assert at(130, loop_start=1).region == LoopRegion(0, 2 * BAR)
    assert at(130, loop_start=3, loop_bars=1).region == LoopRegion(2 * BAR, BAR)


def test_the_first_pass_is_silent_and_the_next_is_answered_from_its_seam_on() -> None:
    policy = at(0)
    assert policy.turn is None
    policy.bar_line(BAR, scene())
    assert policy.turn == Turn(2 * BAR), "bar 1 comes next, and has come once"
    policy.bar_line(2 * BAR, scene())
    assert policy.turn == Turn(2 * BAR)


def test_a_bar_entered_in_its_middle_is_not_known() -> None:
    policy = at(48)
    policy.bar_line(BAR, scene())
    assert policy.turn == Turn(2 * BAR), "switched on in bar 1, it counts as heard from its line"
    late = at(0, loop_bars=4)
    late.jump(BAR + 10, 20.0, scene(loop_bars=4))
    late.bar_line(2 * BAR, scene(loop_bars=4))
    late.bar_line(3 * BAR, scene(loop_bars=4))
    late.bar_line(4 * BAR, scene(loop_bars=4))
    assert late.turn is None, "of bar 1 and 2 parts only"
    late.bar_line(5 * BAR, scene(loop_bars=4))
    assert late.turn == Turn(6 * BAR), "bar 3 came whole"


def test_going_round_by_a_jump_counts_the_bar_that_was_left() -> None:
    policy = at(0)
    policy.bar_line(BAR, scene())
    policy.jump(0, 2.0 * BAR - 3, scene())
    assert policy.turn == Turn(0)
    policy.bar_line(BAR, scene())
    assert policy.turn == Turn(0), "bar 2 counts as well: it was left at its seam"


def test_all_is_known_once_every_bar_came_and_noise_stays_with_the_first_pass() -> None:
    policy = at(0)
    policy.bar_line(BAR, scene())
    known = policy.known(150, 156)
    assert known.base_steps == 0
    assert known.lead[0] == (0, 150)
    policy.bar_line(2 * BAR, scene())
    known = policy.known(2 * BAR + 5, 2 * BAR + 11)
    assert known.base_steps == 2 * BAR
    (whole,) = known.lead
    assert whole[0] < 0 < 4 * BAR < whole[1]


def test_of_bars_ahead_the_melody_of_the_last_pass_is_known() -> None:
    policy = at(0, loop_bars=4)
    for line in (BAR, 2 * BAR, 3 * BAR):
        policy.bar_line(line, scene(loop_bars=4))
    policy.jump(0, 3.0 * BAR + 50, scene(loop_bars=4))
    ahead = ((10, BAR), (BAR, 2 * BAR), (2 * BAR, 3 * BAR), (4 * BAR, 4 * BAR + 10))
    assert policy.known(10, 16).lead == ((0, 10), *ahead), "bar 4 was left in its middle"


@pytest.mark.parametrize(("left", "turn"), [(90.0, Turn(0, BAR)), (89.9, None)])
def test_a_bar_left_a_sixteenth_before_its_end_has_come(left: float, turn: Turn | None) -> None:
    policy = at(0)
    policy.jump(0, left, scene())
    assert policy.turn == turn


def test_whole_passes_are_counted_from_the_loops_own_start() -> None:
    policy = at(130)
    bases = [policy.known(step - 6, step).base_steps for step in (BAR, 287, 288, 300, 480)]
    assert bases == [0, 0, 2 * BAR, 2 * BAR, 4 * BAR]


@given(st.integers(1, 4), st.lists(st.integers(0, 5), max_size=20))
def test_a_bar_is_answered_when_its_melody_came_before(length: int, moves: list[int]) -> None:
    """By brute force. 0: go on to the next bar. n: leave the bar in its middle for bar n."""
    setting = scene(loop_bars=length)
    policy, bar, came = at(0, loop_bars=length), 0, set[int]()
    for move in moves:
        if move:
            policy.jump((move - 1) * BAR, bar * BAR + 48.0, setting)
            bar = move - 1
        else:
            came.add(bar % length)
            bar += 1
            policy.bar_line(bar * BAR, setting)
        ours = policy.turn is not None and policy.turn.covers(bar * BAR)
        assert ours == (bar % length in came)
