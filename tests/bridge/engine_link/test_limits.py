"""What players send is read by a server: only a sound request passes, nothing else raises."""

from __future__ import annotations

import json
import struct
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.engine_host.main import warm_up_request
from bridge.engine_host.wire import pack, pack_request, unpack
from bridge.engine_link.limits import LONGEST_STEPS, read_request
from bridge.engine_link.wire import MOST_BYTES, WireError
from engine.music.grid import LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.requests.request import ChordCell, PlanRequest, SampleSettings, Span

SOUND = warm_up_request(SampleSettings(density=3.0, pitch_classes=frozenset({0, 4, 7})))
CHORD = ChordCell(0, 24, frozenset({0, 4, 7}), 0)


def test_what_live_sends_passes_as_it_is() -> None:
    request = replace(SOUND, id=12, chords=(CHORD, replace(CHORD, bass=None)))
    assert read_request(pack_request(request)) == request


@pytest.mark.parametrize(
    "changes",
    [
        {"end_step": SOUND.first_step},
        {"end_step": SOUND.first_step + LONGEST_STEPS + 1},
        {"id": 1 << 40},
        {"notes": (Note(0, 128, 1, LEAD),)},
        {"notes": (Note(0, 60, 0, LEAD),)},
        {"notes": (Note(0, 60, 1, 2),)},
        {"notes": (Note(0, 60, 1, LEAD, 200),)},
        {"notes": SOUND.notes * 300},
        {"known": (Span(2, 0, 24),)},
        {"known": SOUND.known * 300},
        {"meters": MeterMap(((0, Meter(1, 32)),) * 1), "ends": 1},
        {"chords": (replace(CHORD, classes=frozenset({12})),)},
        {"chords": (replace(CHORD, bass=12),)},
        {"settings": replace(SOUND.settings, steps=65)},
        {"settings": replace(SOUND.settings, steps=True)},
        {"settings": replace(SOUND.settings, chord_calls=0)},
        {"settings": replace(SOUND.settings, temperature=float("nan"))},
        {"settings": replace(SOUND.settings, density=float("inf"))},
        {"settings": replace(SOUND.settings, variation=1.5)},
        {"settings": replace(SOUND.settings, style="x" * 9)},
        {"settings": replace(SOUND.settings, sampler="eval")},
        {"settings": replace(SOUND.settings, rhythm="no")},
        {"settings": replace(SOUND.settings, chords_from="no")},
        {"settings": replace(SOUND.settings, pitch_classes=frozenset({12}))},
        {"settings": replace(SOUND.settings, seed=-1)},
        {"settings": replace(SOUND.settings, low=20)},
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read_request(pack_request(replace(SOUND, **changes)))


@pytest.mark.parametrize("name", [field.name for field in fields(SampleSettings)])
def test_no_setting_passes_unread(name: str) -> None:
    kind, head, numbers = unpack(pack_request(SOUND))
    for nonsense in ({"a": 1}, "no such value", -(2**40), 2**40):
        settings = head["settings"] | {name: nonsense}
        with pytest.raises(WireError):
            read_request(pack(kind, head | {"settings": settings}, numbers))


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def _head() -> dict[str, Any]:
    return unpack(pack_request(SOUND))[1]


@given(st.sampled_from(sorted(_head())), _JSON)
def test_any_other_value_in_the_head_is_read_or_refused(name: str, value: object) -> None:
    kind, head, numbers = unpack(pack_request(SOUND))
    _read_or_refused(pack(kind, head | {name: value}, numbers))


@given(st.sampled_from(sorted(_head()["settings"])), _JSON)
def test_any_other_setting_is_read_or_refused(name: str, value: object) -> None:
    kind, head, numbers = unpack(pack_request(SOUND))
    settings = head["settings"] | {name: value}
    _read_or_refused(pack(kind, head | {"settings": settings}, numbers))


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=60))
def test_any_notes_and_spans_are_read_or_refused(numbers: list[int]) -> None:
    kind, head, _ = unpack(pack_request(SOUND))
    head["notes"] = len(numbers) // 5
    _read_or_refused(pack(kind, head, np.array(numbers, np.int32)))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(frame: bytes) -> None:
    with pytest.raises(WireError):
        read_request(frame)


def test_deep_json_and_long_frames_are_refused() -> None:
    deep = ("[" * 50_000).encode()
    for frame in (b"Q" + struct.pack("<I", len(deep)) + deep, b"Q" * (MOST_BYTES + 1)):
        with pytest.raises(WireError):
            read_request(frame)


def _read_or_refused(frame: bytes) -> None:
    try:
        request = read_request(frame)
    except WireError:
        return
    assert isinstance(request, PlanRequest)
    json.dumps(request.settings.steps)
    assert 0 < request.end_step - request.first_step <= LONGEST_STEPS
