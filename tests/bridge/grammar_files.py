"""Hypothesis strategies for files and frames of strangers: in shape, and wrong in their values."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge.engine_host.wire import ERROR, PLAN, READY, REQUEST, pack
from bridge.engine_link.wire import DROPPED, WELCOME
from engine.scores.midi_events import END_OF_TRACK, META, SYSEX, Event, channel_event, write_events
from tests.bridge import grammar

# -- Packed corpora ------------------------------------------------------------------------------

_COLUMNS = ("onset_step", "length_steps", "pitch", "voice")
_SOUND = {
    "format": np.array(1),
    "corpora": np.array(["made", "other"]),
    "onset_step": np.array([0, 12, 12, 24, 0, 24, 0, 96], np.int32),
    "length_steps": np.array([24, 12, 12, 24, 24, 24, 48, 24], np.uint16),
    "pitch": np.array([60, 64, 67, 72, 55, 59, 62, 65], np.uint8),
    "voice": np.array([0, 1, 2, 0, 1, 1, 0, 2], np.uint8),
    "meters": np.array([[0, 0, 96], [1, 0, 72], [1, 72, 96]], np.int32),
    "pieces": np.array([[0, 0, 4], [1, 1, 4]], np.int64),
}
_TYPES = st.sampled_from(["i1", "u1", "i4", "i8", "u8", "f4", "f8", "U3", "b1"])
_NUMBERS = st.integers(-3, 130) | st.sampled_from([-(2**31), 2**31 - 1, 2**62, 10**6])


def _other_type(array: NDArray[Any], kind: str) -> NDArray[Any]:
    return array.astype(kind) if array.dtype.kind != "U" else np.zeros(array.shape, kind)


def _other_value(array: NDArray[Any], place: int, value: int) -> NDArray[Any]:
    changed = array.astype(np.int64 if array.dtype.kind != "U" else array.dtype)
    changed.reshape(-1)[place % max(array.size, 1) :][:1] = value
    return changed


_CHANGES = st.one_of(
    st.builds(lambda kind: lambda array: _other_type(array, kind), _TYPES),
    st.builds(
        lambda place, value: lambda array: _other_value(array, place, value),
        st.integers(0, 30),
        _NUMBERS,
    ),
    st.builds(lambda size: lambda array: np.resize(array, size), st.integers(0, 12)),
    st.builds(lambda rows: lambda array: np.resize(array, (rows, 3)), st.integers(0, 5)),
    st.just(lambda array: array.reshape(-1)),
    st.just(lambda array: array.reshape(-1)[::-1].reshape(array.shape)),
)


def packed(changes: list[tuple[str, Any]], gone: set[str], cut: int) -> bytes:
    """A sound pack with these arrays changed, without those gone, and so many bytes cut off."""
    arrays: dict[str, Any] = dict(_SOUND)
    for name, change in changes:
        with np.errstate(all="ignore"):
            arrays[name] = change(arrays[name])
    buffer = io.BytesIO()
    np.savez(buffer, **{name: each for name, each in arrays.items() if name not in gone})
    data = buffer.getvalue()
    return data[: len(data) - cut]


packs = st.builds(
    packed,
    st.lists(st.tuples(st.sampled_from(sorted(_SOUND)), _CHANGES), max_size=3),
    st.sets(st.sampled_from(sorted(_SOUND)), max_size=1) | st.just(set[str]()),
    st.just(0) | st.integers(0, 300),
)

# -- MIDI files ----------------------------------------------------------------------------------

_TICKS = st.integers(0, 2_000) | st.sampled_from([0, 10**7, 0x0FFFFFFF])
_METAS = st.sampled_from([0, 1, 3, 4, 6, 0x20, 0x21, 0x51, 0x54, 0x58, 0x59, 0x7F])
_EVENTS = st.one_of(
    st.builds(
        lambda tick, kind, channel, one, two: channel_event(
            tick, [kind | channel, one, two][: 2 if kind in (0xC0, 0xD0) else 3]
        ),
        _TICKS,
        st.sampled_from([0x80, 0x90, 0x90, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0]),
        st.sampled_from([0, 0, 1, 9, 15]),
        st.sampled_from([60, 60, 64, 120, 123, 127, 0]),
        st.sampled_from([0, 64, 127]),
    ),
    st.builds(Event, _TICKS, st.just(META), _METAS, st.binary(max_size=6)),
    st.builds(Event, _TICKS, st.just(SYSEX), st.just(0), st.binary(max_size=4)),
)
_TRACKS = st.lists(_EVENTS, max_size=14).map(
    lambda events: write_events(
        [
            *sorted((each for each in events if each), key=lambda event: event.tick),
            Event(max((each.tick for each in events if each), default=0), META, END_OF_TRACK, b""),
        ]
    )
)


def _midi(kind: int, tracks: list[bytes], more: int, division: int, between: bytes) -> bytes:
    head = struct.pack(">4sLHHH", b"MThd", 6, kind, max(0, len(tracks) + more), division)
    chunks = [struct.pack(">4sL", b"MTrk", len(body)) + body for body in tracks]
    return head + between.join(chunks)


midi_files = st.builds(
    _midi,
    st.sampled_from([1, 1, 0, 2]),
    st.lists(_TRACKS, min_size=1, max_size=4),
    st.sampled_from([0, 0, 0, -1, 1]),
    st.sampled_from([480, 24, 1, 2, 0, 0x7FFF, 0xE728]),
    st.sampled_from([b"", b"", b"XFIH\0\0\0\2ab", b"RIFF"]),
)

# -- Texts: lead sheets, lines of an event log ---------------------------------------------------

_SIGNS = st.sampled_from(
    ["|", "|", "C", "F G7", "%", "/", ".", "N.C.", "12.", "9" * 30, "²", "|:", "#", "Am7/G", "\n"]
)
sheets = st.lists(_SIGNS | grammar.texts, max_size=20).map(" ".join)

_JSON = st.recursive(
    st.none() | st.booleans() | grammar.integers | st.floats() | grammar.texts | st.just(2**70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
_KINDS = st.sampled_from(
    ["midi", "due", "set", "ask", "act", "engine", "link", "plan", "chosen", "x"]
)
_WORDS = _JSON | grammar.names | st.sampled_from(["start", "panic", "clock", "ready", "down"])
_ROWS = st.one_of(
    grammar.integers,
    st.builds(
        lambda ns, kind, words: [ns, kind, *words],
        grammar.integers,
        _KINDS,
        st.lists(_WORDS, max_size=7),
    ),
    st.builds(lambda ns, data: [ns, "midi", *data], st.integers(0, 10**9), grammar.midi),
    st.dictionaries(
        st.sampled_from(["lost", "late", "end", "s", "o", "midi-diffuse"]), _JSON, max_size=2
    ),
    _JSON,
)
_HEADER = {"midi-diffuse": "1", "format": 1, "session": "x", "part": 0, "at_ns": 0, "begun": "then"}
log_lines = st.builds(
    lambda settings, rows: [json.dumps({**_HEADER, "settings": settings}), *map(json.dumps, rows)],
    st.dictionaries(grammar.names, grammar.values, max_size=2) | st.just({}),
    st.lists(_ROWS, max_size=6),
)

# -- Frames of an engine, of a player, of a server -----------------------------------------------

_STEPS = st.integers(-100, 400) | st.sampled_from([-(2**40), 2**40])
_CELLS = st.lists(
    st.tuples(
        _STEPS, _STEPS, st.lists(st.integers(-2, 13), max_size=4), st.none() | st.integers(-2, 13)
    ),
    max_size=3,
)
_HEADS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-5, 50) | _JSON,
        "steps": st.tuples(_STEPS, _STEPS) | _JSON,
        "elapsed_ns": st.integers(0, 10**10) | _JSON,
        "calls": st.integers(0, 100) | _JSON,
        "chords": _CELLS | _JSON,
        "notes": st.integers(-1, 4) | _JSON,
        "settings": st.dictionaries(grammar.names, _JSON, max_size=3) | _JSON,
        "meters": st.lists(st.tuples(_STEPS, st.integers(-1, 9), st.integers(-1, 9))) | _JSON,
        "ends": st.booleans() | _JSON,
        "text": _JSON,
        "models": st.lists(st.dictionaries(grammar.names, _JSON, max_size=3), max_size=2) | _JSON,
        "metadata": _JSON,
    },
)
_ARRAYS = st.lists(st.integers(-3, 130) | st.sampled_from([-(2**31), 2**31 - 1]), max_size=20)
frames = st.builds(
    lambda kind, head, numbers, tail: pack(kind, head, np.array(numbers, np.int32)) + tail,
    st.sampled_from([PLAN, PLAN, REQUEST, READY, ERROR, WELCOME, DROPPED, b"?"]),
    _HEADS,
    _ARRAYS,
    st.sampled_from([b"", b"", b"\0"]),
)
plans = st.builds(
    lambda head, numbers: pack(PLAN, head, np.array(numbers, np.int32)),
    st.fixed_dictionaries(
        {
            "id": st.integers(-5, 50) | _JSON,
            "steps": st.tuples(_STEPS, _STEPS),
            "elapsed_ns": st.integers(0, 10**10) | _JSON,
            "calls": st.integers(0, 100) | _JSON,
            "chords": _CELLS,
        }
    ),
    st.lists(
        st.tuples(
            st.integers(-100, 400),
            st.integers(0, 127),
            st.integers(-1, 400),
            st.integers(0, 2),
            st.integers(0, 127),
        ),
        max_size=6,
    ).map(lambda rows: [each for row in rows for each in row]),
)
