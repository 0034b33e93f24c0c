"""Our MIDI input and output: virtual ports of our own, or existing ones by name.

Which systems there are is `bridge.midi.systems`, which port a name means `bridge.midi.port_names`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bridge.commands import MidiIn
from bridge.midi.port_names import PortError
from bridge.midi.systems import (
    Opened,
    answers,
    candidates,
    discard,
    no_midi_advice,
    open_existing,
    open_port,
    quiet_stderr,
)
from bridge.midi_messages import CHANNELS, CONTROL_CHANGE, NOTE_ON, note_off

_ALL_NOTES_OFF = 123

SETTLE_S = 0.1
"""Longer than one period of JACK: 4096 frames at 44.1 kHz."""

Receive = Callable[[MidiIn], None]


class PortAwayError(OSError):
    """The output is away for now; who watches the ports has said so."""


class PortStalledError(OSError):
    """The MIDI system stands still: what it took now it would play later, in a heap."""


class Ports(Protocol):
    """One input and one output. `send` and `close` belong to the transport thread's owner."""

    api: str
    in_name: str
    out_name: str
    advice: str

    def send(self, data: Sequence[int]) -> None:
        """Send one message; raises OSError when the port is gone."""
        ...

    def close(self) -> None:
        """Close both; no callback comes afterwards."""
        ...


class NullPorts:
    """What stands in where there is no MIDI system. `advice` says what to install."""

    api = "none"
    in_name = out_name = "none"

    def __init__(self, advice: str) -> None:
        self.advice = advice

    def send(self, data: Sequence[int]) -> None:
        """Nothing hears it; notes go out over OSC all the same."""

    def close(self) -> None:
        """Nothing to close."""


class Tap:
    """An open rtmidi input whose messages go to a function, on the driver's thread.

    Closing one while messages come needs care (python-rtmidi 1.5.8 on JACK, found with gdb):
    `cancel_callback` frees what a callback that waits for Python's lock is about to use, and
    `close_port` keeps the lock while it waits for that callback, for ever.
    """

    def __init__(self, device: Any, function: Callable[[tuple[list[int], float], object], None]):
        self._device = device
        device.ignore_types(sysex=True, timing=False, active_sense=True)
        device.set_callback(function)
        self._kept = [each for each in gc.get_referrers(function) if isinstance(each, tuple)]
        self._dead = False

    def abandon(self) -> None:
        """Never touch the port again: the server behind it has died."""
        self._dead = True
        _abandon(self._device)

    def close(self) -> None:
        """Close the port; no call comes afterwards. Takes SETTLE_S."""
        if self._dead:
            return
        self._device.cancel_callback()
        time.sleep(SETTLE_S)  # a callback under way gets the lock and ends
        with contextlib.suppress(OSError), quiet_stderr():
            self._device.close_port()
            self._device.delete()
        self._kept.clear()


class _Away:
    """What stands in for an output while it is away."""

    def send_message(self, data: Sequence[int]) -> None:
        raise PortAwayError("the MIDI output is away")


class RtMidiPorts:
    """Two rtmidi ports. The callback runs on the driver's thread: it stamps and hands over.

    `hold_out`, `resume_out` and the two `reopen` are for the one thread that watches the ports.
    """

    advice = ""

    def __init__(self, source: Opened, target: Opened, receive: Receive) -> None:
        self.api = source.api if source.api == target.api else f"{source.api} and {target.api}"
        self.in_name, self.out_name = source.name, target.name
        self.opened = {"in": source, "out": target}
        self._receive = receive
        self._out: Any = target.device
        self._channels: set[int] = set()
        self._stands_still: Callable[[], bool] = lambda: False
        # Last of all: opening a port while a callback waits for Python's lock can hang, too.
        self._in = Tap(source.device, self._on_midi)

    def _on_midi(self, event: tuple[list[int], float], _: object = None) -> None:
        # rtmidi's own time is a delta that some systems repeat: stamp here, first thing.
        now_ns = time.perf_counter_ns()
        self._receive(MidiIn(now_ns, tuple(event[0])))

    def send(self, data: Sequence[int]) -> None:
        """Send one message; raises OSError when the port is gone.

        A note-on raises PortStalledError while the system stands still; ends are taken always.
        """
        if data[0] & 0xF0 == NOTE_ON:
            if self._stands_still():
                raise PortStalledError("the MIDI system stands still")
            self._channels.add(data[0] & 0x0F)
        self._out.send_message(data)

    def ask_before_notes(self, stands_still: Callable[[], bool]) -> None:
        """Ask before each note-on whether the system stands still; it must not block."""
        self._stands_still = stands_still

    def hold_out(self) -> None:
        """Take no more notes: `send` raises PortAwayError."""
        self._out = _Away()

    def resume_out(self) -> None:
        """Take notes again, after ending whatever was lost while it was away."""
        device = self.opened["out"].device
        for channel in sorted(self._channels):
            for pitch in range(128):
                device.send_message(note_off(channel, pitch))
        self._out = device

    def release_in(self) -> None:
        """End all notes (CC123), as if played: who played to us is gone, maybe with keys down."""
        for channel in range(CHANNELS):
            data = (CONTROL_CHANGE | channel, _ALL_NOTES_OFF, 0)
            self._receive(MidiIn(time.perf_counter_ns(), data))

    def reopen(self, direction: str, name: str) -> None:
        """Open the existing port `name` in place of the one that went; raises PortError."""
        old = self.opened[direction]
        self.opened[direction] = open_existing(direction, name, [old.key])
        if direction == "in":
            self._in.close()
            self._in = Tap(self.opened["in"].device, self._on_midi)
        else:
            self.resume_out()
            time.sleep(SETTLE_S)  # the transport may be in the midst of a call to the old one
            discard(old.device)

    def reopen_both(self) -> None:
        """Open ports of our own with a server that was started anew; raises PortError.

        The old ones are left alone: to close them hangs or crashes (python-rtmidi 1.5.8).
        """
        self.hold_out()
        opened = {each: open_port(each, "", [self.opened[each].key]) for each in ("out", "in")}
        source, target = opened["in"], opened["out"]
        if source is None or target is None:
            discard(*(each.device for each in opened.values() if each is not None))
            raise PortError("the MIDI system is back but gives no ports")
        self._in.abandon()
        _abandon(self.opened["out"].device)
        self.opened = {"in": source, "out": target}
        self._in = Tap(source.device, self._on_midi)
        self.resume_out()

    def abandon(self) -> None:
        """Let `close` not touch what belonged to a server that is dead."""
        self.hold_out()
        self._in.abandon()
        _abandon(self.opened["out"].device)

    def close(self) -> None:
        """Close both ports, when what was sent has left."""
        self._in.close()  # its pause is longer than a period of JACK, so the last offs are out
        device = self.opened["out"].device
        if device in _ABANDONED:
            return
        with contextlib.suppress(OSError), quiet_stderr():
            device.close_port()
            device.delete()


_ABANDONED: list[Any] = []


def _abandon(device: Any) -> None:
    """Keep a dead server's port for good, also when Python ends: its destructor crashes."""
    if device not in _ABANDONED:
        _ABANDONED.append(device)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(device))


def open_ports(receive: Receive, in_name: str = "", out_name: str = "", api: str = "auto") -> Ports:
    """Open existing ports where a name is given, else make virtual ones.

    Without any MIDI system gives NullPorts, unless a port was asked for by name. Raises PortError.
    """
    systems = [key for key in candidates(api) if answers(key)]
    if not systems:
        if in_name or out_name:
            wanted = in_name or out_name
            raise PortError(f"no MIDI system here, so no port {wanted!r}: {no_midi_advice()}")
        return NullPorts(no_midi_advice())
    opened: dict[str, Opened] = {}
    # Named ports first, so that a name never means the virtual port just made.
    names = {"in": in_name, "out": out_name}
    for direction in sorted(names, key=lambda each: not names[each]):
        try:
            found = open_port(direction, names[direction], systems)
        except PortError:
            discard(*(each.device for each in opened.values()))
            raise
        if found is None:
            discard(*(each.device for each in opened.values()))
            return NullPorts(no_midi_advice())
        opened[direction] = found
    return RtMidiPorts(opened["in"], opened["out"], receive)
