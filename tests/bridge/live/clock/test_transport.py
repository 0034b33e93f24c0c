"""Following MIDI clock: every way a DAW starts, stops, seeks and stumbles."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.live.clock.transport import Transport, TransportEvent, TransportState
from bridge.timebase import NS_PER_MS, NS_PER_S
from tests.fake_daw import Daw

E, S = TransportEvent, TransportState


@pytest.fixture
def daw() -> Daw:
    return Daw(Transport())


def test_first_clock_after_start_is_beat_zero(daw: Daw) -> None:
    assert daw.send(daw.transport.start) == []
    daw.clock.advance(13 * NS_PER_MS)
    first_ns = daw.now_ns
    assert daw.pulses(25) == [E.STARTED]
    assert daw.transport.state is S.PLAYING
    assert daw.transport.source == "midi"
    assert daw.transport.position_steps(first_ns) == pytest.approx(0, abs=1e-6)
    assert daw.position == pytest.approx(25, abs=1e-3)
    assert daw.transport.bpm == pytest.approx(125, abs=1e-3)


def test_an_instant_before_start_lies_before_beat_zero(daw: Daw) -> None:
    daw.pulses(48)
    daw.send(daw.transport.start)
    first_ns = daw.now_ns
    daw.pulses(10)
    note_ns = first_ns - 15 * NS_PER_MS
    assert daw.transport.position_steps(note_ns) == pytest.approx(-0.75, abs=1e-3)


def test_clock_without_start_waits_and_follows_the_tempo(daw: Daw) -> None:
    assert daw.pulses(30) == [E.WAITING]
    assert daw.transport.state is S.WAITING
    assert daw.position == 0
    assert daw.transport.bpm == pytest.approx(125, abs=1e-3)
    assert not daw.transport.may_start_on_note(daw.now_ns)
    assert daw.wait(600) == [E.STOPPED]
    assert daw.transport.may_start_on_note(daw.now_ns)
    assert daw.pulses(3) == [E.WAITING]


def test_after_stop_it_stays_stopped_though_the_clock_runs_on(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(48)
    assert daw.send(daw.transport.stop) == [E.STOPPED]
    held = daw.position
    assert held == pytest.approx(48, abs=0.01)
    assert daw.pulses(100) == []
    assert daw.wait(2000) == []
    assert daw.pulses(100) == []
    assert daw.transport.state is S.STOPPED
    assert daw.position == held
    assert not daw.transport.may_start_on_note(daw.now_ns)


def test_continue_goes_on_with_the_pulse_after_the_last(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(30)
    daw.send(daw.transport.stop)
    daw.pulses(17)
    daw.send(daw.transport.continue_)
    at_ns = daw.now_ns
    assert daw.pulses(12) == [E.STARTED]
    assert daw.transport.position_steps(at_ns) == pytest.approx(30, abs=1e-3)


def test_song_position_then_continue(daw: Daw) -> None:
    """As Ardour, REAPER and jack_midi_clock seek: stop, position, continue."""
    daw.send(daw.transport.start)
    daw.pulses(30)
    daw.send(daw.transport.stop)
    assert daw.transport.song_position(32, daw.now_ns) == [E.JUMPED]
    assert daw.position == 192
    daw.clock.advance(2 * NS_PER_S)  # jack_midi_clock continues two seconds later
    daw.send(daw.transport.continue_)
    at_ns = daw.now_ns
    assert daw.pulses(5) == [E.STARTED]
    assert daw.transport.position_steps(at_ns) == pytest.approx(192, abs=1e-6)


def test_start_after_a_song_position_is_beat_zero(daw: Daw) -> None:
    daw.transport.song_position(32, daw.now_ns)
    daw.send(daw.transport.start)
    at_ns = daw.now_ns
    daw.pulses(4)
    assert daw.transport.position_steps(at_ns) == pytest.approx(0, abs=1e-6)


def test_song_positions_six_times_too_large_keep_the_bar_phase(daw: Daw) -> None:
    """Ardour 7.3 at beat 4: 96 instead of 16."""
    daw.transport.song_position(96, daw.now_ns)
    daw.send(daw.transport.continue_)
    at_ns = daw.now_ns
    daw.pulses(4)
    assert daw.transport.position_steps(at_ns + 1000) % 96 == pytest.approx(0, abs=0.01)


def test_song_position_while_playing_jumps_at_the_next_clock(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(96)
    assert daw.transport.song_position(0, daw.now_ns - NS_PER_MS) == []
    at_ns = daw.now_ns
    assert daw.pulses(30) == [E.JUMPED]
    assert daw.transport.position_steps(at_ns) == pytest.approx(0, abs=1e-3)
    assert daw.position == pytest.approx(30, abs=1e-2)


@pytest.mark.parametrize("pulses", [96, 97, 101])
def test_song_position_that_only_confirms_is_no_jump(daw: Daw, pulses: int) -> None:
    daw.send(daw.transport.start)
    daw.pulses(pulses)
    daw.transport.song_position(16, daw.now_ns - NS_PER_MS)
    assert daw.pulses(10) == []
    assert daw.position == pytest.approx(pulses + 10, abs=1e-2)


def test_a_second_start_while_playing_begins_again(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(50)
    daw.send(daw.transport.start)
    assert daw.pulses(7) == [E.JUMPED]
    assert daw.position == pytest.approx(7, abs=1e-2)


def test_stop_between_start_and_its_first_clock_cancels(daw: Daw) -> None:
    daw.pulses(10)
    daw.send(daw.transport.start)
    daw.send(daw.transport.stop)
    assert daw.pulses(10) == []
    assert daw.transport.state is S.STOPPED


def test_dropout_freewheels_and_comes_back_on_the_nearest_pulse(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(48)
    assert daw.wait(480) == []
    assert daw.wait(40) == [E.FREEWHEEL]
    assert daw.transport.freewheeling
    assert daw.transport.bpm == pytest.approx(125, abs=0.01)
    assert daw.wait(480) == []
    assert daw.position == pytest.approx(98, abs=0.05)
    daw.clock.advance(3 * NS_PER_MS)  # the clock is 0.15 of a pulse late when it returns
    assert daw.pulses(1) == [E.CLOCK_BACK]
    assert not daw.transport.freewheeling
    daw.pulses(23)
    assert daw.position == pytest.approx(98 + 24, abs=0.01)


def test_stop_while_freewheeling_stops(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(48)
    daw.wait(1000)
    assert daw.send(daw.transport.stop) == [E.STOPPED]
    assert not daw.transport.freewheeling


def test_start_without_any_clock_plays_at_the_internal_tempo(daw: Daw) -> None:
    daw.transport.set_tempo(150, daw.now_ns)
    start_ns = daw.now_ns
    daw.send(daw.transport.start)
    assert daw.wait(520) == [E.STARTED, E.FREEWHEEL]
    assert daw.transport.position_steps(start_ns + NS_PER_S) == pytest.approx(60, abs=1e-6)
    at_ns = daw.now_ns
    assert daw.pulses(4) == [E.JUMPED, E.CLOCK_BACK], "the first clock after Start is beat 0"
    assert daw.transport.position_steps(at_ns) == pytest.approx(0, abs=1e-6)


def test_lost_and_doubled_pulses_do_not_move_the_song(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(60)
    daw.clock.advance(3 * daw.pulse_ns)
    daw.pulses(60)
    daw.send(daw.transport.clock_pulse)
    daw.send(daw.transport.clock_pulse)
    daw.clock.advance(daw.pulse_ns)
    daw.pulses(30)
    assert daw.events == [E.STARTED]
    assert daw.position == pytest.approx(154, abs=0.02)


def test_tempo_jump_keeps_count_and_never_runs_backwards(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(48)
    daw.pulse_ns = 27_777_778  # 90 bpm
    positions = []
    for _ in range(48):
        daw.send(daw.transport.clock_pulse)
        for _ in range(4):
            positions.append(daw.position)
            daw.clock.advance(daw.pulse_ns // 4)
    assert positions == sorted(positions)
    assert daw.position == pytest.approx(96, abs=0.02)
    assert daw.transport.bpm == pytest.approx(90, rel=1e-3)
    assert daw.events == [E.STARTED]


def test_a_clock_that_stood_still_for_a_moment_is_met_again_without_a_jump(daw: Daw) -> None:
    """An audio drop-out of 150 ms, 7.2 pulses: every position on the way is played, and no plan is
    forgotten, for the song is where it was."""
    daw.send(daw.transport.start)
    daw.pulses(96)
    daw.clock.advance(150 * NS_PER_MS)
    positions = []
    for _ in range(36):
        daw.send(daw.transport.clock_pulse)
        positions.append(daw.position)
        daw.clock.advance(daw.pulse_ns)
    assert daw.events == [E.STARTED]
    steps = np.diff(positions)
    assert (steps.min(), steps.max()) == (pytest.approx(0.5, abs=0.05), pytest.approx(1, abs=0.05))
    assert positions[-1] == pytest.approx(131, abs=0.1)


def test_before_the_second_pulse_the_tempo_is_the_one_that_was_set(daw: Daw) -> None:
    daw.transport.set_tempo(60, daw.now_ns)
    daw.send(daw.transport.start)
    at_ns = daw.now_ns
    daw.pulses(1)
    assert daw.transport.position_steps(at_ns + 10 * NS_PER_MS) == pytest.approx(0.24, abs=1e-6)


def test_a_pulse_that_reaches_us_after_a_later_tick_moves_no_position_back(daw: Daw) -> None:
    daw.send(daw.transport.start)
    daw.pulses(48)
    daw.clock.advance(-4 * NS_PER_MS)  # the tempo rises
    for _ in range(4):
        at_ns = daw.now_ns
        daw.clock.advance(2 * NS_PER_MS)
        daw.send(daw.transport.tick)
        before = daw.position
        daw.events += daw.transport.clock_pulse(at_ns)
        assert daw.position == pytest.approx(before, abs=1e-9)
        daw.clock.advance(14 * NS_PER_MS)
