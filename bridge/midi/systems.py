"""The MIDI systems of this machine, their ports, and opening one. Knows nothing of music.

python-rtmidi takes the first API it was built with and stays there, even where that one has no
server and another has; so the APIs are tried here, in order.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import rtmidi

from bridge.midi.port_names import PortError, match_port
from bridge.text import did_you_mean, one_of

IN_NAME, OUT_NAME = "midi-diffuse in", "midi-diffuse out"

_APIS: dict[str, tuple[int, str]] = {
    "core": (rtmidi.API_MACOSX_CORE, "CoreMIDI"),
    "alsa": (rtmidi.API_LINUX_ALSA, "ALSA"),
    "jack": (rtmidi.API_UNIX_JACK, "JACK"),
    "windows": (rtmidi.API_WINDOWS_MM, "Windows MM"),
}
_API_NAMES = ("auto", *_APIS)
"""What `--midi-api` takes."""

_ADVICE = {
    "linux": "install and start JACK (apt install jackd2 qjackctl; without a sound card: "
    "jackd -d dummy) or load ALSA's sequencer (modprobe snd-seq)",
    "darwin": "CoreMIDI should be there: see whether Audio MIDI Setup opens",
    "win32": "install loopMIDI, make two ports in it, and name them with --in and --out",
}


@dataclass(frozen=True, slots=True)
class PortNames:
    """What one MIDI system offers: `inputs` we can listen to, `outputs` we can send to."""

    api: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """An rtmidi object with an open port, the port's name, and which of the systems has it."""

    device: Any
    name: str
    key: str

    @property
    def api(self) -> str:
        """Name for people."""
        return _APIS[self.key][1]


def list_ports(api: str = "auto") -> list[PortNames]:
    """Return the ports of every MIDI system that answers; an empty list when none does."""
    found = []
    for key in candidates(api):
        source, target = try_device("in", key), try_device("out", key)
        if source is not None and target is not None:
            names = PortNames(_APIS[key][1], tuple(source.get_ports()), tuple(target.get_ports()))
            found.append(names)
        discard(source, target)
    return found


def no_midi_advice() -> str:
    """Return what to install on this operating system."""
    return _ADVICE.get(sys.platform, "install a MIDI system that RtMidi knows, such as JACK")


def candidates(api: str) -> list[str]:
    """Return the MIDI systems to try, in order; raises PortError for one there is not."""
    compiled: list[int] = rtmidi.get_compiled_api()
    if api != "auto" and api not in _APIS:
        raise PortError(f"no MIDI API {api!r}{did_you_mean(api, _API_NAMES)}: {one_of(_API_NAMES)}")
    keys = [api] if api != "auto" else list(_APIS)
    return [key for key in keys if _APIS[key][0] in compiled]


def answers(key: str) -> bool:
    """Say whether this system's server runs."""
    device = try_device("in", key)
    discard(device)
    return device is not None


def open_port(direction: str, wanted: str, systems: Sequence[str]) -> Opened | None:
    """Return the existing port `wanted`, or one of our own; None where that is not to be had.

    direction: `in` or `out`. Raises PortError for a name that is not there.
    """
    if wanted:
        return open_existing(direction, wanted, systems)
    for key in systems:
        device = try_device(direction, key)
        if device is None:
            continue
        name = IN_NAME if direction == "in" else OUT_NAME
        try:
            with quiet_stderr():
                device.open_virtual_port(name)
        except (OSError, NotImplementedError):  # Windows has no virtual ports
            discard(device)
            continue
        return Opened(device, name, key)
    return None


def open_existing(direction: str, wanted: str, systems: Sequence[str]) -> Opened:
    """Return the existing port that `wanted` means; raises PortError."""
    names: dict[str, str] = {}
    for key in systems:
        probe = try_device(direction, key)
        for name in [] if probe is None else probe.get_ports():
            names.setdefault(name, key)
        discard(probe)
    label = "input" if direction == "in" else "output"
    name = match_port(wanted, list(names), label)
    device = try_device(direction, names[name])
    ports = [] if device is None else device.get_ports()
    if device is None or name not in ports:
        discard(device)
        raise PortError(f"{label} port {name!r} has just gone")
    try:
        with quiet_stderr():
            device.open_port(ports.index(name), IN_NAME if direction == "in" else OUT_NAME)
    except OSError as err:
        discard(device)
        raise PortError(f"{label} port {name!r} does not open: {err}") from None
    return Opened(device, name, names[name])


def try_device(direction: str, key: str) -> Any | None:
    """Return an rtmidi object of one API, or None where its server does not run.

    Each is a client of its own. JACK puts `-01` behind a client's name that is taken, hence the
    direction in it: other clients see `midi-diffuse-in:midi-diffuse in`.
    """
    number, _ = _APIS[key]
    name = f"midi-diffuse-{direction}" if key == "jack" else "midi-diffuse"
    make: Callable[..., Any] = rtmidi.MidiIn if direction == "in" else rtmidi.MidiOut
    try:
        with quiet_stderr():
            return make(number, name=name)
    except OSError:
        return None


def discard(*devices: Any | None) -> None:
    """Be done with rtmidi objects."""
    for device in devices:
        if device is not None:
            with quiet_stderr():
                device.delete()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
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
