"""The transport thread: sole owner of the Session and of MIDI out.

Drains the inbox, steps the Session, performs its effects, waits for what comes next. It never
calls the model and blocks on nothing but its own wait. Knows nothing of music.
"""

from __future__ import annotations

import gc
import logging
import threading
import traceback
from array import array
from collections.abc import Callable, Sequence
from typing import Protocol

from bridge.commands import (
    Act,
    Command,
    Effect,
    LogLine,
    OscOut,
    RequestPlan,
    SendMidi,
    Subscribe,
    Tick,
)
from bridge.inbox import Inbox
from bridge.midi_ports import Ports
from bridge.outbox import Deferred, Outgoing
from bridge.realtime import raise_priority, wait_until
from bridge.scheduler import CONTROL_CHANGE, NOTE_OFF, NOTE_ON
from bridge.timebase import NS_PER_MS, NS_PER_S, Clock, SystemClock
from engine.request import PlanRequest

MOST_COMMANDS = 256
"""Commands taken before time is looked at again: a flood must not hold up what is due."""
FAULT_PAUSE_NS = 20 * NS_PER_MS
"""Pause after the Session failed, so that a fault that repeats does not spin."""
GC_EVERY_NS, GC_ROOM_NS = 20 * NS_PER_S, 8 * NS_PER_MS


class Session(Protocol):
    """What the player needs of `bridge.session.Session`."""

    def step(self, command: Command) -> list[Effect]:
        """Take a command; say what is to be done."""
        ...

    def wake_ns(self, now_ns: int) -> int | None:
        """When the next Tick is wanted."""
        ...


class Lateness:
    """How late notes were sent: the last SIZE of them. Written by one thread, read by any."""

    SIZE = 1 << 16

    def __init__(self) -> None:
        self.count = 0
        self._late_ns = array("q", bytes(8 * self.SIZE))

    def add(self, late_ns: int) -> None:
        """One note left `late_ns` after it was due."""
        self._late_ns[self.count % self.SIZE] = late_ns
        self.count += 1

    def percentiles_ms(self, shares: Sequence[float]) -> list[float]:
        """Lateness that the given shares of notes stay under, in ms; zeros before the first."""
        known = sorted(self._late_ns[: min(self.count, self.SIZE)])
        if not known:
            return [0.0] * len(shares)
        return [known[min(len(known) - 1, int(share * len(known)))] / NS_PER_MS for share in shares]


class Player:
    """Runs a Session in real time. `start`, `stop` and `silence` are for the main thread."""

    def __init__(
        self,
        session: Session,
        ports: Ports,
        inbox: Inbox,
        send_out: Callable[[Outgoing], None],
        submit: Callable[[PlanRequest], None],
        stats: Callable[[Act], Deferred] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """stats: what to answer `stats` with, besides the Session's own figures."""
        self.lateness = Lateness()
        self.unsent = 0
        self.faults = 0
        self._session = session
        self._ports = ports
        self._inbox = inbox
        self._out = send_out
        self._submit = submit
        self._stats = stats
        self._clock = clock or SystemClock()
        self._sounding: set[tuple[int, int]] = set()
        self._outgoing: list[Outgoing] = []
        self._stopping = False
        self._collected_ns = 0
        self._thread = threading.Thread(target=self._run, name="transport", daemon=True)

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; every note is off when this returns."""
        self._stopping = True
        self._inbox.wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def silence(self) -> None:
        """Note-offs for all that sounds, as far as this object knows. For an exit by force."""
        for channel, pitch in tuple(self._sounding):
            self._send((NOTE_OFF | channel, pitch, 0))

    def turn(self) -> int | None:
        """One round: take commands, let time pass, do what is to be done; gives the next wake.

        The thread's loop; by itself for tests, which bring their own clock.
        """
        faults = self.faults
        for command in self._inbox.drain(MOST_COMMANDS):
            self._step(command)
        self._step(Tick(self._clock.now_ns()))
        self._hand_over()
        now_ns = self._clock.now_ns()
        if self.faults > faults:
            return now_ns + FAULT_PAUSE_NS
        return self._session.wake_ns(now_ns)

    # -- Inside ------------------------------------------------------------------------------------

    def _run(self) -> None:
        priority = raise_priority()
        self._out(LogLine(logging.DEBUG, f"transport thread: {priority} priority"))
        # A collection of everything that was ever imported takes some 30 ms: leave that out, and
        # choose the moment for what is new.
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            while not self._stopping:
                due_ns = self.turn()
                self._collect(due_ns)
                wait_until(due_ns, self._inbox.wake)
        finally:
            self._end()

    def _end(self) -> None:
        self._step(Act(self._clock.now_ns(), "panic"))
        self.silence()  # whatever the Session may have forgotten
        self._hand_over()
        gc.unfreeze()
        gc.enable()

    def _collect(self, due_ns: int | None) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._collected_ns < GC_EVERY_NS:
            return
        if due_ns is None or due_ns - now_ns > GC_ROOM_NS:
            gc.collect(1)
            self._collected_ns = now_ns

    def _step(self, command: Command) -> None:
        try:
            effects = self._session.step(command)
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
        self._send(effect.data)
        if effect.data[0] < CONTROL_CHANGE:
            self.lateness.add(self._clock.now_ns() - effect.due_ns)

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, RequestPlan):
            self._submit(effect.request)
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
        except OSError as err:
            self.unsent += 1
            if self.unsent == 1:
                text = f"the MIDI output does not take notes: {err}"
                self._outgoing.append(LogLine(logging.ERROR, text))
        kind = data[0] & 0xF0
        if kind == NOTE_ON and data[2]:
            self._sounding.add((data[0] & 0x0F, data[1]))
        elif kind in (NOTE_ON, NOTE_OFF):
            self._sounding.discard((data[0] & 0x0F, data[1]))
