"""What starts a song anew and what goes on in it: what was played is forgotten, or is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.commands import Act, Command, MidiIn
from bridge.live.session import Session
from tests.session_rig import MS, Rig, S, clock, melody

START, CONTINUE, STOP = (0xFA,), (0xFB,), (0xFC,)
BAR_TWO = (0xF2, 16, 0)


def remembered(*more: Command, beats: int = 16) -> int:
    """Input notes of the first bar that are remembered when `more` has been done in bar 2."""
    rig = Rig(Session())
    rig.add(clock(beats)).add(melody(beats)).add(more).run(beats * S // 2)
    return len(rig.session.stage.song.input.notes(0, 96, 96))


def at(ms: int, *messages: Sequence[int]) -> list[Command]:
    return [MidiIn(ms * MS + i, tuple(data)) for i, data in enumerate(messages)]


@pytest.mark.parametrize(
    "more",
    [
        [],
        at(2505, BAR_TWO),
        at(2505, STOP, CONTINUE),
        at(2505, START),  # while the clock plays: a loop of the DAW's
        [Act(2300 * MS, "downbeat"), *at(2505, BAR_TWO)],
    ],
)
def test_a_seek_goes_on_in_the_same_song(more: list[Command]) -> None:
    assert remembered(*more) > 0


def test_a_start_after_a_stop_is_a_new_song() -> None:
    more = [*at(2505, STOP), *at(2600, START)]
    rig = Rig(Session())
    rig.add(clock(8)).add(melody(5)).add(more).run(3 * S)
    assert rig.session.stage.song.input.notes(48, 96, 96) == []


def test_the_conductor_wakes_for_what_comes_next() -> None:
    rig = Rig(Session({"clock": "internal", "tempo": 120.0})).add([Act(0, "start")])
    rig.run(0)
    assert (rig.session.wake_ns(rig.now_ns) or 0) <= rig.now_ns + 100 * MS
    assert Session().wake_ns(7) == 7 + 100 * MS, "stopped: a look now and then"
