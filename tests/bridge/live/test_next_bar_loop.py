"""`next-bar` while a DAW loops: each pass's first bar answers the last bar of the pass before."""

from __future__ import annotations

import pytest

from bridge.commands import Command, MidiIn
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note
from engine.requests.request import PlanRequest
from tests.session_rig import MS, Rig, S, play, rig

BAR_NS = 2 * S
PULSE_NS = BAR_NS / 96


def below(request: PlanRequest) -> tuple[Note, ...]:
    """An octave below each lead note the request tells of, and what is known."""
    known = max((s.to_step for s in request.known if s.voice == ACCOMPANIMENT), default=-9999)
    lead = [n for n in request.notes if n.voice == LEAD and n.onset_step >= known]
    ours = [Note(n.onset_step, n.pitch - 12, 24, ACCOMPANIMENT) for n in lead]
    return tuple(sorted([*request.notes, *ours]))


def pulses(at_ns: int, bars: float) -> list[Command]:
    return [MidiIn(at_ns + round(n * PULSE_NS), (0xF8,)) for n in range(round(96 * bars))]


def tune(number: int, at_ns: int) -> list[Command]:
    """A bar of four notes, which no other bar has."""
    notes = (play(72 + 4 * number + n, at_ns + n * 500 * MS, 450 * MS) for n in range(4))
    return [command for note in notes for command in note]


def position(bar: int, at_ns: int) -> MidiIn:
    sixteenths = 16 * bar
    return MidiIn(at_ns, (0xF2, sixteenths & 127, sixteenths >> 7))


def jumps(bar: int, at_ns: int) -> list[Command]:
    """As a sequencer jumps that goes on playing."""
    return [position(bar, at_ns - 1 * MS)]


def stops_and_continues(bar: int, at_ns: int) -> list[Command]:
    """As Ardour does."""
    stop = MidiIn(at_ns - 1 * MS, (0xFC,))
    return [stop, position(bar, at_ns - 1 * MS), MidiIn(at_ns - 1 * MS, (0xFB,))]


def looped(start_bar: int, bars: int, passes: int, again: object = jumps) -> Rig:
    """A song from bar 0 to the loop's end, then `passes` more."""
    live = rig({"reply": "next-bar"}, answer=below)
    order = [*range(start_bar + bars)]
    order += [start_bar + i % bars for i in range(passes * bars)]
    live.add([MidiIn(0, (0xFA,))])
    for i, bar in enumerate(order):
        at_ns = i * BAR_NS
        if i and order[i] != order[i - 1] + 1:
            live.add(again(bar, at_ns))  # type: ignore[operator]
        live.add([*pulses(at_ns, 1), *tune(bar, at_ns)])
    return live.run(len(order) * BAR_NS - 1 * MS)


def expected(order: list[int]) -> list[tuple[float, int]]:
    """Each bar an octave lower, one bar later."""
    return [
        (2.0 * (i + 1) + 0.5 * beat, 60 + 4 * bar + beat)
        for i, bar in enumerate(order[:-1])
        for beat in range(4)
    ]


def answers(live: Rig) -> list[tuple[float, int]]:
    return [(round(when, 3), pitch) for when, pitch in live.ons]


@pytest.mark.parametrize("again", [jumps, stops_and_continues])
@pytest.mark.parametrize(("start_bar", "bars"), [(0, 4), (0, 1), (1, 2), (2, 3)])
def test_every_bar_of_every_pass_answers_the_bar_played_before(
    start_bar: int, bars: int, again: object
) -> None:
    live = looped(start_bar, bars, 3, again)
    order = [*range(start_bar + bars), *(start_bar + i % bars for i in range(3 * bars))]
    assert answers(live) == expected(order)
    assert live.counts.keys() == {"fresh"}
    assert set(live.stuck) <= {60 + 4 * order[-2] + 3}  # the last is still sounding


def test_a_song_sought_after_a_pause_does_not_answer_what_was_played_before_it() -> None:
    live = rig({"reply": "next-bar"}, answer=below)
    begun = [MidiIn(0, (0xFA,)), *pulses(0, 2), *tune(1, 0), *tune(2, BAR_NS)]
    again_ns = 2 * BAR_NS + S
    halted = [
        MidiIn(2 * BAR_NS - 1 * MS, (0xFC,)),
        position(0, again_ns),
        MidiIn(again_ns, (0xFB,)),
    ]
    live.add(
        [*begun, *halted, *pulses(again_ns, 2), *tune(3, again_ns), *tune(4, again_ns + BAR_NS)]
    )
    live.run(again_ns + 2 * BAR_NS - 1 * MS)
    assert answers(live) == [
        *((2.0 + 0.5 * beat, 64 + beat) for beat in range(4)),
        *((7.0 + 0.5 * beat, 72 + beat) for beat in range(4)),
    ]


def test_a_jump_to_another_place_of_the_bar_listens_anew() -> None:
    live = rig({"reply": "next-bar"}, answer=below)
    first = [MidiIn(0, (0xFA,)), *pulses(0, 2), *tune(1, 0), *tune(2, BAR_NS)]
    seek = MidiIn(2 * BAR_NS - 1 * MS, (0xF2, 4, 0))  # beat 1
    live.add([*first, seek, *pulses(2 * BAR_NS, 2), *tune(3, 2 * BAR_NS)])
    live.run(3 * BAR_NS - 501 * MS)
    assert answers(live) == [(2.0 + 0.5 * beat, 64 + beat) for beat in range(4)]


def test_bars_go_on_where_song_and_loop_meet_in_the_middle_of_a_bar() -> None:
    """From beat 2 of bar 1 back to beat 2 of bar 0: the bar goes on."""
    live = rig({"reply": "next-bar"}, answer=below)
    live.add([MidiIn(0, (0xFA,)), *pulses(0, 1.5), *tune(1, 0), *tune(2, BAR_NS)[:4]])
    at_ns = BAR_NS * 3 // 2
    live.add([MidiIn(at_ns - 1 * MS, (0xF2, 8, 0)), *pulses(at_ns, 1.5)])
    live.add(tune(3, at_ns - S)[4:]).run(3 * BAR_NS - 1 * MS)
    assert answers(live) == [
        *((2.0 + 0.5 * beat, 64 + beat) for beat in range(4)),
        *((4.0 + 0.5 * beat, pitch) for beat, pitch in enumerate((68, 69, 74, 75))),
    ]


def test_what_was_answered_before_is_not_piled_up() -> None:
    song = looped(0, 1, 12).session.stage.song
    assert len(song.reply) <= 20
    assert len(song.input) <= 20
    beats = [note.onset_step for note in song.reply.notes(-96, 0, 0)]
    assert sorted(set(beats)) == beats
