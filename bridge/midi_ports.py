"""MIDI ports: virtual ones of our own, or existing ones by name. Knows nothing of music.

python-rtmidi takes the first API it was built with and stays there, even where that one has no
server and another has; so the APIs are tried here, in order.
"""

from __future__ import annotations

import contextlib
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

IN_NAME, OUT_NAME = "midi-diffuse in", "midi-diffuse out"

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

    def close(self) -> None:
        """Close the port; no call comes afterwards. Takes SETTLE_S."""
        self._device.cancel_callback()
        time.sleep(SETTLE_S)  # a callback under way gets the lock and ends
        with contextlib.suppress(OSError), _quiet_stderr():
            self._device.close_port()
            self._device.delete()
        self._kept.clear()


class RtMidiPorts:
    """Two rtmidi ports. The callback runs on the driver's thread: it stamps and hands over."""

    advice = ""

    def __init__(self, source: _Opened, target: _Opened, receive: Receive) -> None:
        self.api = source.api if source.api == target.api else f"{source.api} and {target.api}"
        self.in_name, self.out_name = source.name, target.name
        self._out = target.device

        def on_midi(event: tuple[list[int], float], _: object = None) -> None:
            # rtmidi's own time is a delta that some systems repeat: stamp here, first thing.
            now_ns = time.perf_counter_ns()
            receive(MidiIn(now_ns, tuple(event[0])))

        # Last of all: opening a port while a callback waits for Python's lock can hang, too.
        self._in = Tap(source.device, on_midi)

    def send(self, data: Sequence[int]) -> None:
        """Send one message; raises OSError when the port is gone."""
        self._out.send_message(data)

    def close(self) -> None:
        """Close both ports, when what was sent has left."""
        self._in.close()  # its pause is longer than a period of JACK, so the last offs are out
        with contextlib.suppress(OSError), _quiet_stderr():
            self._out.close_port()
            self._out.delete()


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
    api: str


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


def _short_names(name: str) -> tuple[str, ...]:
    bare = re.sub(r" \d+:\d+$", "", name.casefold())
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
        return _Opened(device, name, _APIS[key][1])
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
    return _Opened(device, name, _APIS[names[name]][1])


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
