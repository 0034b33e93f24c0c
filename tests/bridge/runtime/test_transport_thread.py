from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from bridge.commands import (
    Act,
    Command,
    Effect,
    LogLine,
    MidiIn,
    OscOut,
    RequestPlan,
    SendDue,
    SendMidi,
    Tick,
)
from bridge.engine_host.main import warm_up_request
from bridge.inbox import Inbox, Wake
from bridge.midi.ports import NullPorts, PortStalledError
from bridge.realtime import wait_until
from bridge.runtime.lateness import Lateness
from bridge.runtime.outbox import MOST_WAITING_EFFECTS, Outbox, Outgoing
from bridge.runtime.transport_thread import TransportThread
from bridge.timebase import ManualClock, SystemClock
from engine.requests.request import SampleSettings
from tests.steady import least, took_s

ON, OFF = (0x90, 60, 90), (0x80, 60, 0)


class RecordingPorts(NullPorts):
    """Remembers what was sent, and may refuse it."""

    def __init__(self) -> None:
        super().__init__("")
        self.sent: list[tuple[int, ...]] = []
        self.broken = self.stalled = False

    def send(self, data: object) -> None:
        if self.stalled and tuple(data)[:1] == ON[:1]:  # type: ignore[arg-type]
            raise PortStalledError
        if self.broken:
            raise OSError("gone")
        self.sent.append(tuple(data))  # type: ignore[arg-type]


class Script:
    """A Session that does what it is told for each command."""

    def __init__(self, react: Callable[[Command], list[Effect]], wake_ns: int | None = None):
        self.react = react
        self.wake = wake_ns
        self.due: int | None = None
        self.commands: list[Command] = []

    def step(self, command: Command) -> list[Effect]:
        self.commands.append(command)
        return self.react(command)

    def wake_ns(self, now_ns: int) -> int | None:
        return self.wake

    def due_ns(self) -> int | None:
        return self.due


class Rig:
    """A player with everything around it recorded."""

    def __init__(self, react: Callable[[Command], list[Effect]], wake_ns: int | None = None):
        self.clock = ManualClock(1_000)
        self.ports = RecordingPorts()
        self.inbox = Inbox()
        self.out: list[Outgoing] = []
        self.requests: list[RequestPlan] = []
        self.session = Script(react, wake_ns)
        self.transport = TransportThread(
            self.session,
            self.ports,
            self.inbox,
            self.out.append,
            self.requests.append,
            clock=self.clock,
        )


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig() -> Iterator[MakeRig]:
    rigs: list[Rig] = []

    def make(react: Callable[[Command], list[Effect]], wake_ns: int | None = None) -> Rig:
        rigs.append(Rig(react, wake_ns))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.inbox.close()


def test_commands_come_before_the_tick_in_the_order_they_came(make_rig: MakeRig) -> None:
    rig = make_rig(lambda _: [], wake_ns=77)
    rig.inbox.put(MidiIn(5, (0xFA,)))
    rig.inbox.put(MidiIn(6, (0xF8,)))
    assert rig.transport.turn() == 77
    assert rig.session.commands == [MidiIn(5, (0xFA,)), MidiIn(6, (0xF8,)), Tick(1_000)]


def test_what_is_due_goes_out_before_clock_notes_and_plans_are_worked_through(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(lambda _: [])
    rig.session.due = 900
    rig.inbox.put(MidiIn(5, (0xF8,)))
    rig.inbox.put(MidiIn(6, (0x90, 60, 90)))
    rig.session.react = lambda command: _sent(rig, command)
    rig.transport.turn()
    names = [type(command).__name__ for command in rig.session.commands]
    assert names == ["SendDue", "MidiIn", "MidiIn", "Tick"]


@pytest.mark.parametrize("status", [0xFA, 0xFB, 0xFC, 0xF2, 0xBF])
def test_what_may_silence_a_note_comes_before_it(make_rig: MakeRig, status: int) -> None:
    rig = make_rig(lambda _: [])
    rig.session.due = 900
    rig.session.react = lambda command: _sent(rig, command)
    rig.inbox.put(MidiIn(5, (0xF8,)))
    rig.inbox.put(MidiIn(6, (status, 0, 0)))
    rig.inbox.put(MidiIn(7, (0xF8,)))
    rig.transport.turn()
    names = [type(command).__name__ for command in rig.session.commands]
    assert names == ["MidiIn", "MidiIn", "SendDue", "MidiIn", "Tick"]


def _sent(rig: Rig, command: Command) -> list[Effect]:
    if isinstance(command, SendDue):
        rig.session.due = None
    return []


def test_a_note_falling_due_during_a_flood_goes_out_in_the_midst_of_it(make_rig: MakeRig) -> None:
    rig = make_rig(lambda _: [])

    def react(command: Command) -> list[Effect]:
        rig.clock.advance(100)
        return _sent(rig, command)

    rig.session.react = react
    rig.session.due = 1_450
    for number in range(10):
        rig.inbox.put(MidiIn(number, (0xF8,)))
    rig.transport.turn()
    assert rig.session.commands[5] == SendDue(1_500)


def test_a_note_is_made_ready_ahead_and_sent_when_it_is_due(make_rig: MakeRig) -> None:
    """Never sent early, however loaded the machine; in time at least once in a hundred notes."""
    rig = make_rig(lambda _: [], wake_ns=None)
    sent_ns: list[int] = []
    asked_ns: list[int] = []
    rig.ports.send = lambda data: sent_ns.append(time.perf_counter_ns())  # type: ignore[method-assign]
    rig.transport._clock = SystemClock()

    def react(command: Command) -> list[Effect]:
        if not isinstance(command, SendDue):
            return []
        asked_ns.append(time.perf_counter_ns())
        rig.session.due = None
        return [SendMidi(command.at_ns, ON), SendMidi(command.at_ns, OFF)]

    rig.session.react = react
    rig.transport.start()
    for _ in range(100):
        sent_ns.clear()
        asked_ns.clear()
        due_ns = rig.session.due = time.perf_counter_ns() + 20_000_000
        rig.inbox.wake.set()  # the thread looks when the next note falls due
        _until(lambda: len(sent_ns) == 2)
        assert due_ns <= sent_ns[0]
        if asked_ns[0] < due_ns:  # else the system woke the thread too late
            break
    rig.transport.stop()
    assert asked_ns[0] < due_ns


def test_effects_go_where_they_belong_and_notes_go_first(make_rig: MakeRig) -> None:
    request = RequestPlan(warm_up_request(SampleSettings()), 4_000_000_000)
    order: list[str] = []

    def react(command: Command) -> list[Effect]:
        if not isinstance(command, Act):
            return []
        return [OscOut("/a", ()), request, SendMidi(900, ON), LogLine(20, "b")]

    rig = make_rig(react)
    rig.ports.send = lambda data: order.append("midi")  # type: ignore[method-assign]
    rig.transport._out = lambda item: order.append(type(item).__name__)
    rig.inbox.put(Act(5, "x"))
    rig.transport.turn()
    assert order == ["midi", "OscOut", "LogLine"]
    assert rig.requests == [request]


def test_lateness_is_the_time_sent_less_the_time_due(make_rig: MakeRig) -> None:
    rig = make_rig(lambda c: [SendMidi(400, ON), SendMidi(0, (0xB0, 64, 0))])
    rig.transport.turn()
    assert rig.transport.lateness.count == 1  # controllers are not notes
    assert rig.transport.lateness.percentiles_ms([0.5]) == [600 / 1_000_000]


def test_percentiles_of_the_latest_notes() -> None:
    late = Lateness()
    assert late.percentiles_ms([0.5, 0.99]) == [0.0, 0.0]
    for number in range(Lateness.SIZE + 100):
        late.add(number * 1_000_000)
    assert late.count == Lateness.SIZE + 100
    assert late.percentiles_ms([0.0, 1.0]) == [100.0, Lateness.SIZE + 99.0]


def test_a_fault_in_one_command_does_not_end_the_music(make_rig: MakeRig) -> None:
    def react(command: Command) -> list[Effect]:
        if isinstance(command, MidiIn):
            raise ValueError("bad day")
        return [SendMidi(1_000, ON)] if isinstance(command, Tick) else []

    rig = make_rig(react, wake_ns=0)
    rig.inbox.put(MidiIn(5, (0xF8,)))
    wake = rig.transport.turn()
    assert rig.ports.sent == [ON]
    assert rig.transport.faults == 1
    assert wake is not None
    assert wake > 1_000  # a fault at every turn must not spin
    assert any(isinstance(item, LogLine) and "bad day" in item.text for item in rig.out)


def test_a_port_that_is_gone_is_told_once(make_rig: MakeRig) -> None:
    rig = make_rig(lambda c: [SendMidi(1_000, ON)])
    rig.ports.broken = True
    rig.transport.turn()
    rig.transport.turn()
    assert rig.transport.unsent == 2
    assert sum(isinstance(item, LogLine) for item in rig.out) == 1


def test_every_note_is_off_after_stop_even_if_the_session_forgets(make_rig: MakeRig) -> None:
    def react(command: Command) -> list[Effect]:
        first = isinstance(command, Tick) and not rig.ports.sent
        return [SendMidi(command.at_ns, ON)] if first else []

    rig = make_rig(react)
    rig.transport.start()
    _until(lambda: rig.ports.sent == [ON])
    rig.transport.stop()
    assert rig.ports.sent == [ON, OFF]
    assert any(isinstance(c, Act) and c.name == "panic" for c in rig.session.commands)


def test_silence_by_force_sends_offs_for_what_sounds_only(make_rig: MakeRig) -> None:
    rig = make_rig(
        lambda c: [SendMidi(0, ON), SendMidi(0, (0x91, 62, 1)), SendMidi(0, (0x91, 62, 0))]
    )
    rig.transport.turn()
    rig.ports.sent.clear()
    rig.transport.silence()
    assert rig.ports.sent == [OFF]


def test_a_command_wakes_the_thread(make_rig: MakeRig) -> None:
    rig = make_rig(lambda _: [], wake_ns=None)
    rig.transport.start()
    _until(lambda: bool(rig.session.commands))  # now it waits, which alone would last a second

    def heard() -> None:
        start = MidiIn(len(rig.session.commands), (0xFA,))
        rig.inbox.put(start)
        _until(lambda: start in rig.session.commands)

    assert least(lambda: took_s(heard), 0.5) < 0.5
    rig.transport.stop()


def test_garbage_is_collected_where_there_is_room_and_now_and_then_all_of_it(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(lambda _: [])
    found: list[int] = []
    monkeypatch.setattr("bridge.runtime.transport_thread.gc.collect", found.append)
    for _ in range(16):
        rig.clock.advance(20_000_000_000)
        now_ns = rig.clock.now_ns()
        rig.transport._collect(now_ns + 8_000_000)  # a note is too near
        rig.transport._collect(now_ns + 8_000_001)
        rig.transport._collect(None)  # just done
    assert found == [1] * 14 + [2] + [1]


def test_a_flood_does_not_hold_up_time(make_rig: MakeRig) -> None:
    rig = make_rig(lambda _: [])
    for number in range(1000):
        rig.inbox.put(MidiIn(number, (0xF8,)))
    rig.transport.turn()
    assert len(rig.session.commands) == 257
    assert isinstance(rig.session.commands[-1], Tick)
    assert rig.inbox.wake.wait(0)  # what is left is taken at once


def test_waiting_never_ends_early_unless_woken() -> None:
    wake = Wake()
    for wait_ns in (0, 100_000, 2_000_000):
        due_ns = time.perf_counter_ns() + wait_ns
        wait_until(due_ns, wake)
        assert time.perf_counter_ns() >= due_ns
    wake.set()

    def waits() -> None:
        wait_until(time.perf_counter_ns() + 900_000_000, wake)

    assert least(lambda: took_s(waits), 0.8) < 0.8
    wake.close()
    wake.set()  # nobody waits any more; that must not raise in a MIDI callback


def test_the_inbox_keeps_order_and_drains_in_parts() -> None:
    inbox = Inbox()
    for number in range(5):
        inbox.put(Tick(number))
    assert [command.at_ns for command in inbox.drain(3)] == [0, 1, 2]
    assert [command.at_ns for command in inbox.drain(3)] == [3, 4]
    assert inbox.drain(3) == []
    inbox.close()


def test_what_is_prompt_comes_first_when_too_many_wait() -> None:
    inbox = Inbox()
    pulse, stop = MidiIn(3, (0xF8,)), MidiIn(4, (0xFC,))
    notes = [MidiIn(number, (0x90, 60, 90)) for number in range(3)]
    for message in (*notes, pulse, stop):
        inbox.put(message)
    assert len(inbox) == 5
    assert inbox.drain(5) == [*notes, pulse, stop]  # it keeps up: the order is as they came
    panic, position = Act(5, "panic"), MidiIn(6, (0xF2, 0, 0))
    more: list[Command] = [*notes, pulse, Act(5, "stats"), panic, position]
    for command in more:
        inbox.put(command)
    assert inbox.drain(4) == [pulse, panic, position, notes[0]]
    assert inbox.drain(4) == [*notes[1:], Act(5, "stats")]
    inbox.close()


def test_under_a_flood_stop_is_obeyed_at_once_and_old_notes_are_dropped(make_rig: MakeRig) -> None:
    rig = make_rig(lambda _: [])
    for number in range(1000):
        rig.inbox.put(MidiIn(number, (0x90, 60, 90)))
        rig.inbox.put(MidiIn(number, (0x80, 60, 0)))
    rig.inbox.put(MidiIn(60_000_000, (0xFC,)))
    rig.clock.advance(60_000_000)
    rig.transport.turn()
    assert rig.session.commands[0] == MidiIn(60_000_000, (0xFC,))
    rig.session.commands.clear()
    while len(rig.inbox):
        rig.transport.turn()
    assert rig.transport.stale > 700  # of a thousand: the last are looked at, as it keeps up again
    offs = [c for c in rig.session.commands if isinstance(c, MidiIn) and c.data[0] == 0x80]
    assert len(offs) > 700  # ends are never dropped
    assert rig.transport.handling.percentiles_ms([1.0])[0] > 59.0


def test_a_note_whose_moment_has_passed_is_not_sent(make_rig: MakeRig) -> None:
    """Whatever held it up, this thread too."""
    rig = make_rig(lambda _: [])
    rig.clock.advance(100_000_000)
    now_ns = rig.clock.now_ns()
    late = [SendMidi(now_ns - 51_000_000, ON), SendMidi(now_ns - 51_000_000, OFF)]
    rig.inbox.put(Act(now_ns, "ping"))
    rig.session.react = _once([*late, SendMidi(now_ns - 49_000_000, ON)])
    rig.transport.turn()
    assert rig.ports.sent == [OFF, ON]
    assert rig.transport.stale == 1


def test_notes_of_a_system_that_stands_still_are_counted_by_themselves(make_rig: MakeRig) -> None:
    rig = make_rig(lambda _: [])
    rig.ports.stalled = True
    rig.session.react = _once([SendMidi(1_000, ON), SendMidi(1_000, OFF)])
    rig.inbox.put(Act(1_000, "ping"))
    rig.transport.turn()
    assert rig.ports.sent == [OFF]
    assert (rig.transport.stalled, rig.transport.unsent) == (1, 0)


def _once(effects: list[Effect]) -> Callable[[Command], list[Effect]]:
    return lambda command: effects if isinstance(command, Act) else []


class Osc:
    """Records; fails on `/bad`."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message: OscOut) -> None:
        if message.address == "/bad":
            raise ValueError("cannot be encoded")
        self.sent.append(message.address)

    def subscribe(
        self, peer: tuple[str, int], on: bool, asker: tuple[str, int] | None = None
    ) -> None:
        self.sent.append(f"{peer} {on}")


def test_the_outbox_goes_on_after_a_message_that_cannot_be_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    osc = Osc()
    outbox = Outbox(osc)
    outbox.start()
    outbox.put(OscOut("/bad", ()))
    outbox.put(OscOut("/good", ()))
    outbox.put(lambda: [OscOut("/made/later", ())])
    outbox.stop()
    assert osc.sent == ["/good", "/made/later"]
    assert "fault in the outbox thread" in caplog.text


def test_an_outbox_that_nobody_empties_drops_and_counts() -> None:
    osc = Osc()
    outbox = Outbox(osc)
    for _ in range(MOST_WAITING_EFFECTS + 3):
        outbox.put(OscOut("/good", ()))
    assert outbox.dropped == 3
    outbox.start()
    outbox.stop()
    assert len(osc.sent) == MOST_WAITING_EFFECTS


def _until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.001)
