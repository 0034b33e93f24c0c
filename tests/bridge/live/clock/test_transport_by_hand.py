"""The internal clock, `clock`, meters and downbeats: what the player does, not the DAW."""

from __future__ import annotations

import pytest

from bridge.live.clock.transport import (
    Transport,
    TransportEvent,
    TransportState,
)
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.music.grid import Meter, MeterMap
from tests.fake_daw import START_NS, Daw

E, S = TransportEvent, TransportState


@pytest.fixture
def daw() -> Daw:
    return Daw(Transport())


def test_internal_clock_is_exact() -> None:
    transport = Transport(120.0)
    assert transport.position_steps(START_NS) == 0
    assert transport.start_internal(START_NS) == [E.STARTED]
    assert (transport.state, transport.source, transport.bpm) == (S.PLAYING, "internal", 120)
    assert transport.position_steps(START_NS + NS_PER_S) == 48
    assert transport.ns_at(48.0) == START_NS + NS_PER_S
    assert transport.set_tempo(240, START_NS + NS_PER_S) == []
    assert transport.position_steps(START_NS + NS_PER_S) == 48
    assert transport.position_steps(START_NS + NS_PER_S // 2) == 24, "the past stays"
    assert transport.position_steps(START_NS + 2 * NS_PER_S) == 48 + 96
    assert transport.bpm == pytest.approx(240)
    assert transport.stop_internal(START_NS + 2 * NS_PER_S) == [E.STOPPED]
    assert transport.position_steps(START_NS + 9 * NS_PER_S) == 48 + 96
    assert transport.may_start_on_note(START_NS + 9 * NS_PER_S)


def test_pickup_starts_before_bar_one() -> None:
    transport = Transport(120.0)
    transport.start_internal(START_NS, pickup_beats=1.5)
    assert transport.position_steps(START_NS) == -36
    assert transport.meters.bar_index(-36) == -1
    assert transport.meters.bar_span(-36) == (-96, 0)
    assert transport.ns_at(0) == START_NS + 3 * NS_PER_S // 4


def test_first_note_and_start_do_not_override_a_stopped_daw(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(10)
    daw.send(daw.transport.stop)
    daw.wait(1000)
    assert not daw.transport.may_start_on_note(daw.now_ns)
    assert daw.send(daw.transport.start_internal) == [E.STARTED], "but /diffuse/start does"


def test_start_by_hand_beside_a_running_clock_follows_it(daw: Daw) -> None:
    daw.pulses(30)
    assert daw.transport.start_internal(daw.now_ns - NS_PER_MS, 1.0) == []
    at_ns = daw.now_ns
    assert daw.pulses(1) == [E.STARTED]
    assert daw.transport.source == "midi"
    assert daw.transport.position_steps(at_ns) == pytest.approx(-24, abs=1e-6)


def test_stop_by_hand_holds_against_a_running_clock(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(30)
    assert daw.send(daw.transport.stop_internal) == [E.STOPPED]
    assert daw.pulses(100) == []
    daw.send(daw.transport.start)
    assert daw.pulses(1) == [E.STARTED]


def test_midi_stop_does_not_stop_an_internal_clock(daw: Daw) -> None:
    daw.send(daw.transport.start_internal)
    assert daw.send(daw.transport.stop) == []
    assert daw.transport.state is S.PLAYING


def test_midi_start_takes_over_from_the_internal_clock(daw: Daw) -> None:
    daw.send(daw.transport.start_internal)
    daw.clock.advance(3 * NS_PER_S)
    daw.send(daw.transport.start)
    assert daw.pulses(3) == [E.JUMPED]
    assert daw.transport.source == "midi"
    assert daw.position == pytest.approx(3, abs=0.05)


def test_clock_internal_ignores_midi() -> None:
    daw = Daw(Transport(clock="internal"))
    daw.send(daw.transport.start)
    daw.transport.song_position(4, daw.now_ns)
    daw.pulses(30)
    daw.send(daw.transport.continue_)
    daw.pulses(30)
    daw.wait(600)
    assert (daw.events, daw.transport.state) == ([], S.STOPPED)
    assert daw.transport.may_start_on_note(daw.now_ns)


def test_clock_midi_never_starts_by_itself() -> None:
    daw = Daw(Transport(clock="midi"))
    assert daw.send(daw.transport.start_internal) == []
    assert not daw.transport.may_start_on_note(daw.now_ns)
    assert daw.transport.source == "midi"


def test_switching_the_clock_while_playing(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(48)
    before = daw.position
    assert daw.transport.set_clock("internal", daw.now_ns) == []
    assert daw.transport.source == "internal"
    daw.clock.advance(NS_PER_S)
    assert daw.position == pytest.approx(before + 48), "on at the internal tempo, 120"
    assert daw.transport.set_clock("midi") == [E.STOPPED]
    assert daw.pulses(2) == [E.WAITING]
    with pytest.raises(ValueError, match="auto, midi, internal or link"):
        daw.transport.set_clock("linked")


@pytest.mark.parametrize("bpm", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_tempo_is_refused(bpm: float) -> None:
    transport = Transport()
    with pytest.raises(ValueError, match="bpm"):
        transport.set_tempo(bpm, 0)
    assert transport.bpm == 120


def changes(transport: Transport) -> list[tuple[int, str]]:
    return [(start, str(meter)) for start, meter in transport.meters.changes]


def test_meter_changes_from_the_next_bar_on_and_leaves_what_is_behind() -> None:
    transport = Transport(120.0)
    transport.start_internal(0)
    at_100 = transport.ns_at(100)
    transport.set_meter(Meter(3, 4), at_100)
    assert changes(transport) == [(0, "4/4"), (192, "3/4")]
    transport.set_meter(Meter(7, 8), at_100)
    assert changes(transport) == [(0, "4/4"), (192, "7/8")]
    transport.set_meter(Meter(4, 4), at_100)
    assert changes(transport) == [(0, "4/4")]
    transport.set_meter(Meter(3, 4), transport.ns_at(96))
    assert transport.meters.changes[-1][0] == 192, "on a bar line: from the next one"


def test_meter_while_stopped_holds_from_the_beginning() -> None:
    transport = Transport()
    transport.set_meter(Meter(5, 4), 0)
    assert changes(transport) == [(0, "5/4")]


def test_back_before_a_change_the_meter_asked_for_last_holds(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(100)
    daw.transport.set_meter(Meter(3, 4), daw.now_ns)
    daw.pulses(200)
    daw.transport.song_position(48, daw.now_ns)  # step 288, past the change
    daw.pulses(10)
    assert changes(daw.transport) == [(0, "4/4"), (192, "3/4")]
    daw.transport.song_position(0, daw.now_ns)
    daw.pulses(10)
    assert changes(daw.transport) == [(0, "3/4")]


def test_downbeat_on_the_internal_clock_moves_the_step_here() -> None:
    transport = Transport(120.0)
    transport.start_internal(0)
    now_ns = transport.ns_at(130.4)
    assert transport.downbeat(now_ns) == [E.REANCHORED]
    assert changes(transport) == [(0, "4/4"), (130, "4/4")]
    later = now_ns + NS_PER_S
    assert transport.position_steps(later) == pytest.approx(130 + 48, abs=1e-6)
    assert transport.meters.bar_index(178) == 2
    assert transport.meters.bar_span(178) == (130, 226)


def test_start_forgets_bars_anchored_in_the_pickup(daw: Daw) -> None:
    daw.transport.start_internal(daw.now_ns, pickup_beats=2.0)
    daw.transport.downbeat(daw.transport.ns_at(-10))
    assert changes(daw.transport) == [(-10, "4/4")]
    daw.send(daw.transport.start)
    daw.pulses(1)
    assert changes(daw.transport) == [(0, "4/4")]


def test_downbeat_on_midi_clock_takes_the_nearest_sixteenth(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(50)  # a tap two steps late for beat 2
    assert daw.send(daw.transport.downbeat) == [E.REANCHORED]
    assert daw.transport.meters.changes[-1][0] == 48
    assert daw.position == pytest.approx(50, abs=0.01), "time itself does not move"


def test_downbeat_while_waiting_starts_there(daw: Daw) -> None:
    daw.pulses(40)
    daw.clock.advance(-4 * NS_PER_MS)
    assert daw.send(daw.transport.downbeat) == [E.STARTED]
    daw.clock.advance(4 * NS_PER_MS)
    at_ns = daw.now_ns
    daw.pulses(24)
    assert daw.transport.position_steps(at_ns) == pytest.approx(0, abs=1e-3)
    assert daw.position == pytest.approx(24, abs=1e-3)


def test_downbeat_while_stopped_does_nothing() -> None:
    transport = Transport()
    assert transport.downbeat(0) == []


def test_bars_are_numbered_across_changes() -> None:
    meters = MeterMap(((0, Meter(4, 4)), (120, Meter(3, 4)), (264, Meter(7, 8))))
    steps = [-1, 0, 95, 96, 119, 120, 191, 192, 264, 264 + 84]
    assert [meters.bar_index(step) for step in steps] == [-1, 0, 0, 1, 1, 2, 2, 3, 4, 5]
    assert [meters.bar_start(bar) for bar in range(-1, 6)] == [-96, 0, 96, 120, 192, 264, 348]


@pytest.mark.parametrize(("stop_ms", "step"), [(1000, 48), (1010, 49), (1001, 49)])
def test_continue_goes_on_from_the_first_step_not_played(stop_ms: int, step: int) -> None:
    transport = Transport(120.0)
    transport.start_internal(0)
    transport.stop_internal(stop_ms * NS_PER_MS)
    transport.continue_(1500 * NS_PER_MS)
    transport.clock_pulse(1600 * NS_PER_MS)
    assert transport.position_steps(1600 * NS_PER_MS) == pytest.approx(step, abs=1e-6)


def test_a_continue_right_after_start_says_nothing() -> None:
    transport = Transport(120.0)
    transport.song_position(8, 0)
    transport.start(10)
    transport.continue_(20)
    transport.clock_pulse(30)
    assert transport.position_steps(30) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("gap_ms", "freewheels"), [(500, False), (501, True)])
def test_a_clock_is_gone_after_half_a_second(gap_ms: int, freewheels: bool) -> None:
    transport = Transport(120.0)
    transport.start(0)
    for pulse in range(30):
        transport.clock_pulse(pulse * 20 * NS_PER_MS)
    events = transport.tick((580 + gap_ms) * NS_PER_MS)
    assert (E.FREEWHEEL in events) is freewheels


@pytest.mark.parametrize(("clock", "source"), [("auto", "internal"), ("midi", "midi")])
def test_a_clock_that_was_waited_for_and_went_is_left_to_the_internal_one(
    clock: str, source: str
) -> None:
    transport = Transport(120.0, clock=clock)
    for pulse in range(30):
        transport.clock_pulse(pulse * 20 * NS_PER_MS)
    assert (transport.state, transport.source) == (S.WAITING, "midi")
    assert transport.tick(2 * NS_PER_S) == [E.STOPPED]
    assert transport.source == source
    assert transport.bpm == pytest.approx(120.0 if source == "internal" else 125.0)
