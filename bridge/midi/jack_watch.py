"""Which MIDI ports a JACK server has, and whether it still runs: through libjack itself.

rtmidi cannot tell: it lists a dead server's ports, sends into the void, and to ask anew makes a
client, for which it keeps Python's lock for a tenth of a second. Calls made here let go of it.
The client has no ports, so nobody sees it.

No Python runs on libjack's threads: it cancels them when a client closes or a server dies, and one
that waits for Python's lock just then takes the lock's mutex along, and the whole program stands
still for ever. What libjack is to call back are functions in C.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import sys
from typing import Any

_NO_START, INPUT, OUTPUT = 0x01, 0x1, 0x2
_MIDI_TYPE = b"8 bit raw midi"
_ALREADY = 17
"""What `jack_connect` gives for a connection that is there (EEXIST)."""

_LIBC = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
_SILENT = ctypes.cast(_LIBC.strlen, ctypes.c_void_p)
"""Takes an error's text and does nothing with it."""

_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "jack_client_open": (ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)),
    "jack_client_close": (ctypes.c_int, (ctypes.c_void_p,)),
    "jack_activate": (ctypes.c_int, (ctypes.c_void_p,)),
    "jack_on_shutdown": (None, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)),
    "jack_set_error_function": (None, (ctypes.c_void_p,)),
    "jack_ringbuffer_create": (ctypes.c_void_p, (ctypes.c_size_t,)),
    "jack_ringbuffer_write": (
        ctypes.c_size_t,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
    ),
    "jack_ringbuffer_read_space": (ctypes.c_size_t, (ctypes.c_void_p,)),
    "jack_ringbuffer_reset": (None, (ctypes.c_void_p,)),
    "jack_ringbuffer_free": (None, (ctypes.c_void_p,)),
    "jack_get_ports": (
        ctypes.POINTER(ctypes.c_char_p),
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong),
    ),
    "jack_port_by_name": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)),
    "jack_port_get_all_connections": (
        ctypes.POINTER(ctypes.c_char_p),
        (ctypes.c_void_p, ctypes.c_void_p),
    ),
    "jack_free": (None, (ctypes.c_void_p,)),
    "jack_frames_since_cycle_start": (ctypes.c_uint32, (ctypes.c_void_p,)),
    "jack_get_sample_rate": (ctypes.c_uint32, (ctypes.c_void_p,)),
    "jack_connect": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)),
}


def load_libjack() -> Any | None:
    """Return the library with its functions declared, or None where there is none or it lacks
    one."""
    names = [ctypes.util.find_library("jack"), "libjack.so.0"]
    if sys.platform == "win32":
        names.append("libjack64.dll")
    for name in names:
        with contextlib.suppress(OSError, AttributeError, TypeError):
            library = ctypes.CDLL(name)
            for function, (result, arguments) in _SIGNATURES.items():
                getattr(library, function).restype = result
                getattr(library, function).argtypes = arguments
            return library
    return None


class JackWatch:
    """A client of a running server that looks on. Owner: one thread."""

    def __init__(self, library: Any) -> None:
        """Raise ConnectionError where no server runs."""
        self._jack = library
        library.jack_set_error_function(_SILENT)
        self._client = library.jack_client_open(b"midi-diffuse-watch", _NO_START, None)
        if not self._client:
            raise ConnectionError("no JACK server runs")
        # Holds a byte until the server shuts us down: libjack itself empties it then.
        self._life = library.jack_ringbuffer_create(2)
        library.jack_ringbuffer_write(self._life, b"!", 1)
        empty = ctypes.cast(library.jack_ringbuffer_reset, ctypes.c_void_p)
        library.jack_on_shutdown(self._client, empty, self._life)
        library.jack_activate(self._client)

    @property
    def alive(self) -> bool:
        """Does the server still run?"""
        return bool(self._jack.jack_ringbuffer_read_space(self._life))

    @property
    def cycle_s(self) -> float:
        """Seconds since the server's last cycle began: grows while it stands still."""
        frames: int = self._jack.jack_frames_since_cycle_start(self._client)
        return frames / (self._jack.jack_get_sample_rate(self._client) or 48_000)

    def names(self, flags: int) -> list[str]:
        """Whole names of the MIDI ports, INPUT or OUTPUT."""
        return self._listed(self._jack.jack_get_ports(self._client, None, _MIDI_TYPE, flags))

    def _listed(self, found: Any) -> list[str]:
        """Return an array of names that ends with NULL, which is then given back."""
        names: list[str] = []
        while found and found[len(names)]:
            names.append(found[len(names)].decode(errors="replace"))
        if found:
            self._jack.jack_free(ctypes.cast(found, ctypes.c_void_p))
        return names

    def own(self, short_name: str, flags: int, peer: str = "") -> str | None:
        """Whole name of our port `short_name`: of several daemons' the one that leads to `peer`."""
        found = [
            name
            for name in self.names(flags)
            if name.startswith("midi-diffuse") and name.partition(":")[2] == short_name
        ]
        if len(found) > 1:
            found = [name for name in found if peer in self.connections(name)]
        return found[0] if len(found) == 1 else None

    def connections(self, name: str) -> set[str]:
        """Whole names of the ports that `name` is connected to."""
        port = self._jack.jack_port_by_name(self._client, name.encode())
        if not port:
            return set()
        return set(self._listed(self._jack.jack_port_get_all_connections(self._client, port)))

    def connect(self, source: str, target: str) -> bool:
        """Lead `source` to `target`; True when they are connected."""
        code = self._jack.jack_connect(self._client, source.encode(), target.encode())
        return code in (0, _ALREADY)

    def close(self) -> None:
        """Leave the server. A dead one's client is not closed: libjack hangs or crashes at that.

        Nor is its `_life` freed, which libjack may still empty.
        """
        if self.alive:
            self._jack.jack_client_close(self._client)
            self._jack.jack_ringbuffer_free(self._life)
