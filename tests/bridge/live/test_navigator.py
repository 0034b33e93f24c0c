"""Where the song goes: what is remembered, what is forgotten, and who takes over."""

from __future__ import annotations

import pytest

from bridge.commands import Act, Command, MidiIn, SetParameter, Value
from bridge.live.planning.policies import Accompany
from bridge.live.session import Session
from tests.session_rig import MS, Rig, S, clock, melody

CONTINUE, STOP = (0xFB,), (0xFC,)


def played(*more: Command, **settings: Value) -> Rig:
    """A clock of 120 bpm, and quarter notes."""
    rig = Rig(Session(settings))
    return rig.add(clock(16)).add(melody(16)).add(more).run(8 * S - 1)


def stopped_and_gone_on(*changes: tuple[str, Value], **settings: Value) -> Rig:
    """Stopped at 4 s; what is changed then is in force when the song goes on at 5 s."""
    sets = [SetParameter(4500 * MS, name, value) for name, value in changes]
    stop, on = MidiIn(4001 * MS, STOP), MidiIn(5001 * MS, CONTINUE)
    return played(stop, *sets, on, **settings)


def notes_of_bar_one(rig: Rig) -> int:
    return len(rig.session.stage.song.input.notes(0, 96, 96))


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ((), True),
        ((("mode", "continue"),), True),  # neither goes round a loop
        ((("reply", "loop"),), False),  # a memory that wraps around is another
    ],
)
def test_memory_that_is_of_use_to_what_plays_next_is_kept(
    changes: tuple[tuple[str, Value], ...], kept: bool
) -> None:
    rig = stopped_and_gone_on(*changes)
    stage = rig.session.stage
    assert (notes_of_bar_one(rig) > 0) is kept
    assert stage.song.input.region is stage.policy.region
    assert (stage.policy.region is None) is kept


@pytest.mark.parametrize(
    ("start", "change", "kept"),
    [
        ({}, ("mode", "continue"), True),
        ({}, ("reply", "next-bar"), True),
        ({}, ("reply", "loop"), False),
        ({"reply": "loop", "loop_start": 3}, ("reply", "live"), False),
        ({"reply": "loop", "loop_start": 3}, ("loop_bars", 2), False),
    ],
)
def test_a_loop_that_is_switched_on_or_off_begins_with_an_empty_memory(
    start: dict[str, Value], change: tuple[str, Value], kept: bool
) -> None:
    rig = played(SetParameter(6100 * MS, *change), **start)
    assert (notes_of_bar_one(rig) > 0) is kept


def test_what_was_played_before_a_switch_counts_as_listened_to() -> None:
    rig = played(SetParameter(6100 * MS, "mode", "harmonize"), mode="continue", listen_bars=2)
    policy = rig.session.stage.policy
    assert isinstance(policy, Accompany)
    assert policy.turn is not None
    assert policy.turn.start_step == 4 * 96, "two bars are over at the next line"
    rig = played(SetParameter(6100 * MS, "mode", "continue"), wait_for_phrase=False)
    assert rig.session.stage.policy.turn is None or rig.session.stage.policy.turn.start_step > 293


def test_after_a_jump_a_reply_that_goes_on_is_asked_for_at_once() -> None:
    rig = played(MidiIn(6005 * MS, (0xF2, 16, 0)))
    after = [when for when, _ in rig.requests if when > 6.005]
    assert after[0] == pytest.approx(6.021, abs=0.03), "at the first pulse"


def test_a_switch_while_the_song_stands_still_begins_nothing() -> None:
    session = Session({"clock": "internal"})
    session.step(SetParameter(0, "mode", "continue"))
    session.step(Act(5, "panic"))
    assert session.stage.replanner.next_step > 1 << 50
