"""MIDI ports: virtual ones of our own, or existing ones by name. Knows nothing of music.

python-rtmidi takes the first API it was built with and stays there, even where that one has no
server and another has; so the APIs are tried here, in order.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import rtmidi

from bridge.commands import MidiIn
from bridge.parameters import did_you_mean, one_of
from bridge.scheduler import CHANNELS, CONTROL_CHANGE, NOTE_ON, note_off

IN_NAME, OUT_NAME = "midi-diffuse in", "midi-diffuse out"

ALL_NOTES_OFF = 123
_NUMBER = re.compile(r" \d+:\d+$")
"""What ALSA writes behind a name; another after each plugging in."""

SETTLE_S = 0.1
"""Longer than one period of JACK: 4096 frames at 44.1 kHz."""

_APIS: dict[str, tuple[int, str]] = {
    "core": (rtmidi.API_MACOSX_CORE, "CoreMIDI"),
    "alsa": (rtmidi.API_LINUX_ALSA, "ALSA"),
    "jack": (rtmidi.API_UNIX_JACK, "JACK"),
    "windows": (rtmidi.API_WINDOWS_MM, "Windows MM"),
}
API_NAMES = ("auto", *_APIS)
"""What `--midi-api` takes."""

_ADVICE = {
    "linux": "install and start JACK (apt install jackd2 qjackctl; without a sound card: "
    "jackd -d dummy) or load ALSA's sequencer (modprobe snd-seq)",
    "darwin": "CoreMIDI should be there: see whether Audio MIDI Setup opens",
    "win32": "install loopMIDI, make two ports in it, and name them with --in and --out",
}

Receive = Callable[[MidiIn], None]


class PortError(ValueError):
    """A port that cannot be had; the message is one line and names the choices."""


class PortAwayError(OSError):
    """The output is away for now; who watches the ports has said so."""


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
        """The server behind it has died: never touch the port again."""
        self._dead = True
        _abandon(self._device)

    def close(self) -> None:
        """Close the port; no call comes afterwards. Takes SETTLE_S."""
        if self._dead:
            return
        self._device.cancel_callback()
        time.sleep(SETTLE_S)  # a callback under way gets the lock and ends
        with contextlib.suppress(OSError), _quiet_stderr():
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

    def __init__(self, source: _Opened, target: _Opened, receive: Receive) -> None:
        self.api = source.api if source.api == target.api else f"{source.api} and {target.api}"
        self.in_name, self.out_name = source.name, target.name
        self.opened = {"in": source, "out": target}
        self._receive = receive
        self._out: Any = target.device
        self._channels: set[int] = set()
        # Last of all: opening a port while a callback waits for Python's lock can hang, too.
        self._in = Tap(source.device, self._on_midi)

    def _on_midi(self, event: tuple[list[int], float], _: object = None) -> None:
        # rtmidi's own time is a delta that some systems repeat: stamp here, first thing.
        now_ns = time.perf_counter_ns()
        self._receive(MidiIn(now_ns, tuple(event[0])))

    def send(self, data: Sequence[int]) -> None:
        """Send one message; raises OSError when the port is gone."""
        if data[0] & 0xF0 == NOTE_ON:
            self._channels.add(data[0] & 0x0F)
        self._out.send_message(data)

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
        """Who played to us is gone, maybe with keys down: all notes off (CC123), as if played."""
        for channel in range(CHANNELS):
            data = (CONTROL_CHANGE | channel, ALL_NOTES_OFF, 0)
            self._receive(MidiIn(time.perf_counter_ns(), data))

    def reopen(self, direction: str, name: str) -> None:
        """Open the existing port `name` in place of the one that went; raises PortError."""
        old = self.opened[direction]
        self.opened[direction] = _open_existing(direction, name, [old.key])
        if direction == "in":
            self._in.close()
            self._in = Tap(self.opened["in"].device, self._on_midi)
        else:
            self.resume_out()
            time.sleep(SETTLE_S)  # the transport may be in the midst of a call to the old one
            _discard(old.device)

    def reopen_both(self) -> None:
        """New ports of our own with a server that was started anew; raises PortError.

        The old ones are left alone: to close them hangs or crashes (python-rtmidi 1.5.8).
        """
        self.hold_out()
        opened = {each: _open(each, "", [self.opened[each].key]) for each in ("out", "in")}
        source, target = opened["in"], opened["out"]
        if source is None or target is None:
            _discard(*(each.device for each in opened.values() if each is not None))
            raise PortError("the MIDI system is back but gives no ports")
        self._in.abandon()
        _abandon(self.opened["out"].device)
        self.opened = {"in": source, "out": target}
        self._in = Tap(source.device, self._on_midi)
        self.resume_out()

    def abandon(self) -> None:
        """The server is dead: `close` must not touch what belonged to it."""
        self.hold_out()
        self._in.abandon()
        _abandon(self.opened["out"].device)

    def close(self) -> None:
        """Close both ports, when what was sent has left."""
        self._in.close()  # its pause is longer than a period of JACK, so the last offs are out
        device = self.opened["out"].device
        if device in _ABANDONED:
            return
        with contextlib.suppress(OSError), _quiet_stderr():
            device.close_port()
            device.delete()


_ABANDONED: list[Any] = []


def _abandon(device: Any) -> None:
    """Keep a dead server's port for good, also when Python ends: its destructor crashes."""
    if device not in _ABANDONED:
        _ABANDONED.append(device)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(device))


@dataclass(frozen=True, slots=True)
class PortNames:
    """What one MIDI system offers: `inputs` we can listen to, `outputs` we can send to."""

    api: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Opened:
    device: Any
    name: str
    key: str

    @property
    def api(self) -> str:
        """Name for people."""
        return _APIS[self.key][1]


def list_ports(api: str = "auto") -> list[PortNames]:
    """The ports of every MIDI system that answers; an empty list when none does."""
    found = []
    for key in _candidates(api):
        source, target = _try_device("in", key), _try_device("out", key)
        if source is not None and target is not None:
            names = PortNames(_APIS[key][1], tuple(source.get_ports()), tuple(target.get_ports()))
            found.append(names)
        _discard(source, target)
    return found


def open_ports(receive: Receive, in_name: str = "", out_name: str = "", api: str = "auto") -> Ports:
    """Open existing ports where a name is given, else make virtual ones.

    Without any MIDI system gives NullPorts, unless a port was asked for by name. Raises PortError.
    """
    systems = [key for key in _candidates(api) if _answers(key)]
    if not systems:
        if in_name or out_name:
            wanted = in_name or out_name
            raise PortError(f"no MIDI system here, so no port {wanted!r}: {no_midi_advice()}")
        return NullPorts(no_midi_advice())
    opened: dict[str, _Opened] = {}
    # Named ports first, so that a name never means the virtual port just made.
    names = {"in": in_name, "out": out_name}
    for direction in sorted(names, key=lambda each: not names[each]):
        try:
            found = _open(direction, names[direction], systems)
        except PortError:
            _discard(*(each.device for each in opened.values()))
            raise
        if found is None:
            _discard(*(each.device for each in opened.values()))
            return NullPorts(no_midi_advice())
        opened[direction] = found
    return RtMidiPorts(opened["in"], opened["out"], receive)


def no_midi_advice() -> str:
    """What to install on this operating system."""
    return _ADVICE.get(sys.platform, "install a MIDI system that RtMidi knows, such as JACK")


def match_port(wanted: str, names: Sequence[str], direction: str = "MIDI") -> str:
    """The one name that is meant: equal, else equal but for client and number, else containing.

    ALSA writes `Client:Port 128:0`, JACK `client:port`. Raises PortError that names the choices.
    """
    if wanted in names:
        return wanted
    low = wanted.casefold()
    alike = [name for name in names if low in _short_names(name)]
    containing = [name for name in names if low in name.casefold()]
    for found in (alike, containing):
        if len(found) == 1:
            return found[0]
        if found:
            raise PortError(f"{direction} port {wanted!r} could be {one_of(map(repr, found))}")
    choices = ", ".join(map(repr, names)) if names else "none"
    hint = did_you_mean(wanted, names)
    raise PortError(f"no {direction} port {wanted!r}{hint}; there are: {choices}")


def same_port(wanted: str, names: Sequence[str]) -> str | None:
    """The port that was called `wanted` when it went: exactly, else but for ALSA's numbers."""
    if wanted in names:
        return wanted
    alike = [name for name in names if _NUMBER.sub("", name) == _NUMBER.sub("", wanted)]
    return alike[0] if len(alike) == 1 else None


def _short_names(name: str) -> tuple[str, ...]:
    bare = _NUMBER.sub("", name.casefold())
    return (name.casefold(), bare, bare.partition(":")[2])


def _candidates(api: str) -> list[str]:
    compiled: list[int] = rtmidi.get_compiled_api()
    if api != "auto" and api not in _APIS:
        raise PortError(f"no MIDI API {api!r}{did_you_mean(api, API_NAMES)}: {one_of(API_NAMES)}")
    keys = [api] if api != "auto" else list(_APIS)
    return [key for key in keys if _APIS[key][0] in compiled]


def _answers(key: str) -> bool:
    device = _try_device("in", key)
    _discard(device)
    return device is not None


def _open(direction: str, wanted: str, systems: Sequence[str]) -> _Opened | None:
    if wanted:
        return _open_existing(direction, wanted, systems)
    for key in systems:
        device = _try_device(direction, key)
        if device is None:
            continue
        name = IN_NAME if direction == "in" else OUT_NAME
        try:
            with _quiet_stderr():
                device.open_virtual_port(name)
        except (OSError, NotImplementedError):  # Windows has no virtual ports
            _discard(device)
            continue
        return _Opened(device, name, key)
    return None


def _open_existing(direction: str, wanted: str, systems: Sequence[str]) -> _Opened:
    names: dict[str, str] = {}
    for key in systems:
        probe = _try_device(direction, key)
        for name in [] if probe is None else probe.get_ports():
            names.setdefault(name, key)
        _discard(probe)
    label = "input" if direction == "in" else "output"
    name = match_port(wanted, list(names), label)
    device = _try_device(direction, names[name])
    ports = [] if device is None else device.get_ports()
    if device is None or name not in ports:
        _discard(device)
        raise PortError(f"{label} port {name!r} has just gone")
    try:
        with _quiet_stderr():
            device.open_port(ports.index(name), IN_NAME if direction == "in" else OUT_NAME)
    except OSError as err:
        _discard(device)
        raise PortError(f"{label} port {name!r} does not open: {err}") from None
    return _Opened(device, name, names[name])


def _try_device(direction: str, key: str) -> Any | None:
    """An rtmidi object of one API, or None where its server does not run.

    Each is a client of its own. JACK puts `-01` behind a client's name that is taken, hence the
    direction in it: other clients see `midi-diffuse-in:midi-diffuse in`.
    """
    number, _ = _APIS[key]
    name = f"midi-diffuse-{direction}" if key == "jack" else "midi-diffuse"
    make: Callable[..., Any] = rtmidi.MidiIn if direction == "in" else rtmidi.MidiOut
    try:
        with _quiet_stderr():
            return make(number, name=name)
    except OSError:
        return None


def _discard(*devices: Any | None) -> None:
    for device in devices:
        if device is not None:
            with _quiet_stderr():
                device.delete()


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Without what ALSA's and JACK's libraries write to file descriptor 2 when none runs."""
    sys.stderr.flush()
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(null)
        os.close(saved)
