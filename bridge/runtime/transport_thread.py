"""The transport thread: sole owner of the Session and of MIDI out.

Drains the inbox, steps the Session, performs its effects, waits for what comes next. It never
calls the model and blocks on nothing but its own wait. Knows nothing of music.
"""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from bridge.commands import (
    Act,
    AskParameter,
    ChoosePreset,
    Command,
    Effect,
    EngineState,
    FollowLink,
    KeepTake,
    LinkHeard,
    LogLine,
    MidiIn,
    OscOut,
    PlanArrived,
    RequestPlan,
    SavePreset,
    SendDue,
    SendMidi,
    Subscribe,
    Tick,
)
from bridge.inbox import Inbox
from bridge.midi.ports import PortAwayError, Ports, PortStalledError
from bridge.midi_messages import CONTROL_CHANGE, NOTE_OFF, NOTE_ON
from bridge.realtime import REALTIME_PRIORITY, sleep_until, wait_until
from bridge.runtime.lateness import Lateness
from bridge.runtime.outbox import Deferred, Outgoing
from bridge.service_thread import Health, ServiceThread
from bridge.timebase import NS_PER_MS, NS_PER_S, Clock, SystemClock

_MOST_COMMANDS = 256
"""Commands taken before time is looked at again: a flood must not hold up what is due."""
_NEAR_NS = 1_500_000
"""To decide and to ask for a plan takes about 1 ms: not begun when a note is due so soon."""
_READY_NS = 1_000_000
"""Notes are made ready so long before they are due; covers a late wake-up, too."""
_MOST_NEAR = 16
"""Notes sent in a row before the inbox is looked at, however near the next one is."""
_STALE_NS = 50 * NS_PER_MS
"""A note-on is not sent so long after its moment, nor looked at where too many wait."""
_FAULT_PAUSE_NS = 20 * NS_PER_MS
"""Pause after the Session failed, so that a fault that repeats does not spin."""
_CLOCK = 0xF8
"""MIDI's clock pulse."""
_GC_EVERY_NS, _GC_ROOM_NS = 20 * NS_PER_S, 8 * NS_PER_MS
_GC_FULL_EVERY = 15
"""One collection of so many is of the old, too, and empties Python's free lists: these only grow
meanwhile, to some MB. It takes 1 ms with the longest song that is remembered."""


class Steppable(Protocol):
    """What the transport thread needs of `bridge.live.session.Session`."""

    def step(self, command: Command) -> list[Effect]:
        """Take a command; say what is to be done."""
        ...

    def wake_ns(self, now_ns: int) -> int | None:
        """Return when the next Tick is wanted."""
        ...

    def due_ns(self) -> int | None:
        """Return when the next note falls due."""
        ...


class TransportThread:
    """Runs a Session in real time. `start`, `stop` and `silence` are for the main thread."""

    def __init__(
        self,
        session: Steppable,
        ports: Ports,
        inbox: Inbox,
        send_out: Callable[[Outgoing], None],
        ask: Callable[[RequestPlan], None],
        stats: Callable[[Act], Deferred] | None = None,
        clock: Clock | None = None,
        link: Callable[[FollowLink], None] | None = None,
        keep: Callable[[KeepTake | SavePreset], Iterable[OscOut]] | None = None,
        choose: Callable[[ChoosePreset], None] | None = None,
    ) -> None:
        """lateness: of notes sent, from when they were due. handling: of MIDI messages, from when
        they came. stale: note-ons too old to be sent or looked at. stalled: those that a MIDI
        system which stands still would have played later.

        stats: what to answer `stats` with, besides the Session's own figures. link: joins and
        leaves an Ableton Link session, without blocking. keep: writes a take or a preset, on
        the outbox's thread. choose: switches presets, without blocking."""
        self.lateness = Lateness()
        self.handling = Lateness()
        self.unsent = self.stale = self.stalled = 0
        self.faults = 0
        self._session = session
        self._ports = ports
        self._inbox = inbox
        self._out = send_out
        self._ask = ask
        self._stats = stats
        self._clock = clock or SystemClock()
        self._link = link
        self._keep = keep
        self._choose = choose
        self._sounding: set[tuple[int, int]] = set()
        self._outgoing: list[Outgoing] = []
        self._taken: list[Command] = []
        self._collected_ns = self._collections = 0
        self._thread = ServiceThread(
            "transport",
            self._play_on,
            begin=self._begin,
            end=self._end,
            priority=REALTIME_PRIORITY,
        )

    @property
    def health(self) -> Health:
        """How its thread does."""
        return self._thread.health

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; every note is off when this returns."""
        self._thread.halt()
        self._inbox.wake.set()
        self._thread.join()

    def silence(self) -> None:
        """Note-offs for all that sounds, as far as this object knows. For an exit by force."""
        for channel, pitch in tuple(self._sounding):
            self._send((NOTE_OFF | channel, pitch, 0))

    def turn(self) -> int | None:
        """Go one round: send what is due, take commands, let time pass; return the next wake.

        The thread's loop; by itself for tests, which bring their own clock.
        """
        faults = self.faults
        if self._only_patient_wait():
            self._send_due()
        overloaded = len(self._inbox) > _MOST_COMMANDS
        commands = self._taken + self._inbox.drain(_MOST_COMMANDS - len(self._taken))
        if overloaded:
            commands = self._without_stale(commands)
        self._taken = []
        impatient = sum(not _is_patient(command) for command in commands)
        for command in commands:
            impatient -= not _is_patient(command)
            self._step(command)
            if not impatient:
                self._send_due()
        self._step(Tick(self._clock.now_ns()))
        self._hand_over()
        now_ns = self._clock.now_ns()
        if self.faults > faults:
            return now_ns + _FAULT_PAUSE_NS
        return self._session.wake_ns(now_ns)

    # -- Inside ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        text = f"transport thread: {self._thread.priority} priority"
        self._out(LogLine(logging.DEBUG, text))
        # A collection of everything that was ever imported takes some 30 ms: leave that out, and
        # choose the moment for what is new.
        gc.collect()
        gc.freeze()
        gc.disable()

    def _play_on(self) -> None:
        due_ns = self.turn()
        self._collect(due_ns)
        wait_until(self._early(due_ns), self._inbox.wake)
        self._send_what_is_near()

    def _end(self) -> None:
        self._step(Act(self._clock.now_ns(), "panic"))
        self.silence()  # whatever the Session may have forgotten
        self._hand_over()
        gc.unfreeze()
        gc.enable()

    def _collect(self, due_ns: int | None) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._collected_ns < _GC_EVERY_NS:
            return
        if due_ns is None or due_ns - now_ns > _GC_ROOM_NS:
            self._collections += 1
            gc.collect(1 if self._collections % _GC_FULL_EVERY else 2)
            self._collected_ns = now_ns

    def _early(self, wake_ns: int | None) -> int | None:
        """Return when to wake: in time to make ready what falls due next."""
        due_ns = self._session.due_ns()
        if due_ns is None:
            return wake_ns
        ready_ns = due_ns - _READY_NS
        return ready_ns if wake_ns is None else min(wake_ns, ready_ns)

    def _only_patient_wait(self) -> bool:
        """Say whether no command in the inbox may silence a note which is due."""
        self._taken += self._inbox.take(_MOST_COMMANDS - len(self._taken))
        return all(map(_is_patient, self._taken))

    def _send_due(self) -> None:
        now_ns, due_ns = self._clock.now_ns(), self._session.due_ns()
        if due_ns is not None and due_ns <= now_ns:
            self._step(SendDue(now_ns))

    def _send_what_is_near(self) -> None:
        """Send the notes that would fall due while other work is under way, before it is begun.

        They are made ready ahead of time, so that nothing is left but to send them.
        """
        for _ in range(_MOST_NEAR):
            due_ns = self._session.due_ns()
            if due_ns is None or due_ns - self._clock.now_ns() > _NEAR_NS:
                return
            if not self._only_patient_wait():
                return
            self._step(SendDue(due_ns))

    def _without_stale(self, commands: list[Command]) -> list[Command]:
        """Commands without the note-ons that have waited too long to be music."""
        oldest_ns = self._clock.now_ns() - _STALE_NS
        kept = [each for each in commands if not (_begins(each) and each.at_ns < oldest_ns)]
        self.stale += len(commands) - len(kept)
        return kept

    def _step(self, command: Command) -> None:
        if isinstance(command, MidiIn):
            self.handling.add(self._clock.now_ns() - command.at_ns)
        try:
            effects = self._session.step(command)
            if isinstance(command, SendDue) and command.at_ns > self._clock.now_ns():
                sleep_until(command.at_ns)
            for effect in effects:
                if isinstance(effect, SendMidi):
                    self._play(effect)
            for effect in effects:
                self._perform(effect)
        except Exception:  # a fault in one command must not end the music
            self.faults += 1
            if self.faults <= 5:
                text = f"fault in {type(command).__name__}:\n{traceback.format_exc()}"
                self._outgoing.append(LogLine(logging.ERROR, text))
        if self._stats is not None and isinstance(command, Act) and command.name == "stats":
            self._outgoing.append(self._stats(command))

    def _play(self, effect: SendMidi) -> None:
        begins = effect.data[0] & 0xF0 == NOTE_ON and effect.data[2] > 0
        if begins and self._clock.now_ns() - effect.due_ns > _STALE_NS:
            self.stale += 1
            return
        self._send(effect.data)
        if effect.data[0] < CONTROL_CHANGE:
            self.lateness.add(self._clock.now_ns() - effect.due_ns)

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, RequestPlan):
            self._ask(effect)
        elif isinstance(effect, FollowLink):
            if self._link is not None:
                self._link(effect)
        elif isinstance(effect, ChoosePreset):
            if self._choose is not None:
                self._choose(effect)
        elif isinstance(effect, KeepTake | SavePreset):
            if self._keep is not None:
                self._outgoing.append(partial(self._keep, effect))
        elif isinstance(effect, OscOut | Subscribe | LogLine):
            self._outgoing.append(effect)

    def _hand_over(self) -> None:
        """Give the outbox its share when the notes are out: its thread wants Python's lock too."""
        for item in self._outgoing:
            self._out(item)
        self._outgoing.clear()

    def _send(self, data: tuple[int, ...]) -> None:
        try:
            self._ports.send(data)
        except PortStalledError:
            self.stalled += 1
        except OSError as err:
            self.unsent += 1
            if self.unsent == 1 and not isinstance(err, PortAwayError):
                text = f"the MIDI output does not take notes: {err}"
                self._outgoing.append(LogLine(logging.ERROR, text))
        kind = data[0] & 0xF0
        if kind == NOTE_ON and data[2]:
            self._sounding.add((data[0] & 0x0F, data[1]))
        elif kind in (NOTE_ON, NOTE_OFF):
            self._sounding.discard((data[0] & 0x0F, data[1]))


def _begins(command: Command) -> bool:
    """Say whether it is a note-on."""
    if not isinstance(command, MidiIn) or len(command.data) < 3:
        return False
    return command.data[0] & 0xF0 == NOTE_ON and command.data[2] > 0


def _is_patient(command: Command) -> bool:
    """Say whether it can wait for the notes of this instant; what may silence them cannot."""
    if isinstance(command, MidiIn):
        return not command.data or command.data[0] == _CLOCK or command.data[0] < CONTROL_CHANGE
    return isinstance(command, PlanArrived | EngineState | LinkHeard | AskParameter)
