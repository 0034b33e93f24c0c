"""A JACK transport with a tempo map, for `jack_midi_clock` to follow. Through libjack itself."""

from __future__ import annotations

import ctypes
from typing import Any

RATE = 48000
_TICKS = 1920.0
_BBT_VALID = 0x10


class _Position(ctypes.Structure):
    """The beginning of jack_position_t, and room for the rest of it."""

    _pack_ = 1
    _fields_ = (
        ("unique_1", ctypes.c_uint64),
        ("usecs", ctypes.c_uint64),
        ("frame_rate", ctypes.c_uint32),
        ("frame", ctypes.c_uint32),
        ("valid", ctypes.c_int),
        ("bar", ctypes.c_int32),
        ("beat", ctypes.c_int32),
        ("tick", ctypes.c_int32),
        ("bar_start_tick", ctypes.c_double),
        ("beats_per_bar", ctypes.c_float),
        ("beat_type", ctypes.c_float),
        ("ticks_per_beat", ctypes.c_double),
        ("beats_per_minute", ctypes.c_double),
        ("rest", ctypes.c_uint8 * 96),
    )


_Timebase = ctypes.CFUNCTYPE(
    None,
    ctypes.c_int,
    ctypes.c_uint32,
    ctypes.POINTER(_Position),
    ctypes.c_int,
    ctypes.c_void_p,
)


class JackTransport:
    """Timebase master at a fixed tempo in 4/4."""

    def __init__(self, bpm: float) -> None:
        self.bpm = bpm
        self._jack = ctypes.CDLL("libjack.so.0")
        self._jack.jack_client_open.restype = ctypes.c_void_p
        self._client = ctypes.c_void_p(self._jack.jack_client_open(b"test-transport", 1, None))
        assert self._client.value, "no JACK server"
        self._callback = _Timebase(self._fill)  # kept, or it would be collected
        self._jack.jack_set_timebase_callback(self._client, 0, self._callback, None)
        assert self._jack.jack_activate(self._client) == 0

    def locate(self, beat: float) -> None:
        """Go to a beat counted from 0."""
        frame = round(beat * 60 / self.bpm * RATE)
        assert self._jack.jack_transport_locate(self._client, ctypes.c_uint32(frame)) == 0

    def start(self) -> None:
        self._jack.jack_transport_start(self._client)

    def stop(self) -> None:
        self._jack.jack_transport_stop(self._client)

    def close(self) -> None:
        self._jack.jack_deactivate(self._client)
        self._jack.jack_client_close(self._client)

    def _fill(self, _state: int, _frames: int, place: Any, _new: int, _arg: object) -> None:
        position = place.contents
        beats = position.frame / RATE * self.bpm / 60
        whole = int(beats)
        position.valid = _BBT_VALID
        position.bar, position.beat = whole // 4 + 1, whole % 4 + 1
        position.tick = int((beats - whole) * _TICKS)
        position.bar_start_tick = whole // 4 * 4 * _TICKS
        position.beats_per_bar = position.beat_type = 4.0
        position.ticks_per_beat, position.beats_per_minute = _TICKS, self.bpm
