"""Ports that go and come back: notices, says so once, and connects them again by their names.

A thread of its own, off the transport's. Knows nothing of music.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from bridge.midi.jack_watch import INPUT, OUTPUT, JackWatch, load_libjack
from bridge.midi.port_names import PortError, same_port
from bridge.midi.ports import RtMidiPorts
from bridge.midi.systems import IN_NAME, OUT_NAME
from bridge.service_thread import Health, ServiceThread

_RTMIDI_EVERY_S, _JACK_EVERY_S = 1.0, 0.25
"""How often to look: libjack's lists of ports are cheap, and it lets go of Python's lock."""
_STILL_S = 0.05
"""A server whose cycle lasts so long stands still: notes are dropped that it would play later."""
_DIRECTIONS = {"in": "input", "out": "output"}

Tell = Callable[[str], None]


class Watcher(Protocol):
    """Looks after the ports of one MIDI system, every `every_s`."""

    every_s: float

    def look(self) -> None:
        """See what went or came back, and act on it."""
        ...

    def close(self) -> None:
        """Look no more."""
        ...


class Presence:
    """Which of the ports that the user named are there. Tells of each change, once."""

    def __init__(self, ports: RtMidiPorts, wanted: dict[str, str], tell: Tell) -> None:
        """wanted: names by direction, "in" and "out"; those of our own ports are not in it."""
        self.wanted = wanted
        self.away: set[str] = set()
        self._ports, self._tell = ports, tell

    def went(self, direction: str) -> None:
        """Take note that the port has gone."""
        if direction not in self.away:
            self.away.add(direction)
            if direction == "out":
                self._ports.hold_out()
            else:
                self._ports.release_in()
            name = self.wanted[direction]
            self._tell(f"{_DIRECTIONS[direction]} port {name!r} has gone; waiting for its return")

    def came(self, direction: str) -> None:
        """Take note that the port is there, and connected."""
        self.away.discard(direction)
        self._tell(f"{_DIRECTIONS[direction]} port {self.wanted[direction]!r} is back")


class RtMidiWatcher:
    """ALSA, CoreMIDI, Windows: rtmidi's own lists of ports, which are cheap there."""

    def __init__(self, ports: RtMidiPorts, wanted: dict[str, str], tell: Tell) -> None:
        self.every_s = _RTMIDI_EVERY_S
        self._ports = ports
        self._presence = Presence(ports, wanted, tell)

    def look(self) -> None:
        """Compare the names of now with those wanted."""
        for direction, wanted in self._presence.wanted.items():
            name = same_port(wanted, self._ports.opened[direction].device.get_ports())
            if name is None:
                self._presence.went(direction)
            elif direction in self._presence.away:
                try:
                    self._ports.reopen(direction, name)
                except PortError:
                    continue  # it has just gone again
                self._presence.came(direction)

    def close(self) -> None:
        """Nothing is open."""


class JackWatcher:
    """JACK: the server may stop and start again; ports of others come and go."""

    def __init__(
        self,
        ports: RtMidiPorts,
        wanted: dict[str, str],
        tell: Tell,
        library: Any,
        connected: Callable[[], None] = lambda: None,
    ) -> None:
        self.every_s = _JACK_EVERY_S
        self._connected: Callable[[], None] | None = connected
        self._ports, self._tell = ports, tell
        self._presence = Presence(ports, wanted, tell)
        self._library = library
        self._players: set[str] = set()
        self._own: dict[str, str | None] = {}
        self._busy = threading.Lock()
        self._watch = self._try()
        self._find_own()
        ports.ask_before_notes(self._stands_still)

    def look(self) -> None:
        """Find out whether the server is there, and the ports."""
        if self._watch is not None and not self._watch.alive:
            with self._busy:
                self._watch.close()
                self._watch = None
            self._ports.abandon()
            self._lose_players(set())
            self._tell("the JACK server has stopped; waiting for its return")
        if self._watch is None and not self._begin_anew():
            return
        assert self._watch is not None
        own = self._own.get("in")
        self._lose_players(set() if own is None else self._watch.connections(own))
        out = self._own.get("out")
        if self._connected is not None and out is not None and self._watch.connections(out):
            self._connected()
            self._connected = None
        names = {"in": self._watch.names(OUTPUT), "out": self._watch.names(INPUT)}
        for direction, wanted in self._presence.wanted.items():
            if wanted not in names[direction]:
                self._presence.went(direction)
            elif direction in self._presence.away and self._connect(direction, wanted):
                if direction == "out":
                    self._ports.resume_out()
                self._presence.came(direction)

    def close(self) -> None:
        """Leave the server."""
        with self._busy:
            watch, self._watch = self._watch, None
            if watch is not None:
                watch.close()

    def _stands_still(self) -> bool:
        """Say whether the server holds up what is sent. For the transport thread; never blocks."""
        if not self._busy.acquire(blocking=False):
            return False
        try:
            watch = self._watch
            return watch is not None and watch.alive and watch.cycle_s > _STILL_S
        finally:
            self._busy.release()

    def _begin_anew(self) -> bool:
        watch = self._try()
        if watch is None:
            return False
        try:
            self._ports.reopen_both()
        except PortError:
            watch.close()
            return False
        self._watch = watch
        self._find_own()
        # New ports are connected to nothing; those that were named are connected below.
        self._presence.away |= set(self._presence.wanted)
        if "out" in self._presence.wanted:
            self._ports.hold_out()
        self._tell("the JACK server is back, and so are the ports")
        return True

    def _find_own(self) -> None:
        if self._watch is not None:
            peers = self._presence.wanted
            self._own = {
                "in": self._watch.own(IN_NAME, INPUT, peers.get("in", "")),
                "out": self._watch.own(OUT_NAME, OUTPUT, peers.get("out", "")),
            }

    def _lose_players(self, players: set[str]) -> None:
        """Look whose ports lead to our input now; those that led there before may have died."""
        if self._players - players:
            self._ports.release_in()
        self._players = players

    def _connect(self, direction: str, wanted: str) -> bool:
        own = self._own.get(direction)
        if own is None or self._watch is None:
            return False
        source, target = (own, wanted) if direction == "out" else (wanted, own)
        return self._watch.connect(source, target)

    def _try(self) -> JackWatch | None:
        try:
            return JackWatch(self._library)
        except ConnectionError:
            return None


class HotPlug:
    """Watches ports from `start` to `stop`, on a thread of its own.

    named: the directions ("in", "out") whose port the user named. tell: takes one line for each
    thing that happened; connected: the first connection to our own output was made, where the
    system tells (JACK). Both are called on that thread.
    """

    def __init__(
        self,
        ports: RtMidiPorts,
        named: set[str],
        tell: Tell,
        connected: Callable[[], None] = lambda: None,
    ) -> None:
        self._connected = connected
        self._watcher = self._made(ports, named, tell)
        self._thread = ServiceThread("hot-plug", self._turn)

    @property
    def health(self) -> Health | None:
        """How its thread does; None where there is nothing to watch."""
        return None if self._watcher is None else self._thread.health

    def start(self) -> None:
        """Begin to watch."""
        if self._watcher is not None:
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._thread.halt()
        self._thread.join()
        if self._watcher is not None:
            self._watcher.close()

    def _made(self, ports: RtMidiPorts, named: set[str], tell: Tell) -> Watcher | None:
        wanted = {each: ports.opened[each].name for each in _DIRECTIONS if each in named}
        if {opened.key for opened in ports.opened.values()} == {"jack"}:
            library = load_libjack()
            if library is not None:
                return JackWatcher(ports, wanted, tell, library, self._connected)
        return RtMidiWatcher(ports, wanted, tell) if wanted else None

    def _turn(self) -> None:
        if self._watcher is not None and not self._thread.halted.wait(self._watcher.every_s):
            self._watcher.look()
