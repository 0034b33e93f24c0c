from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.engine_host.wire import (
    PLAN,
    REQUEST,
    pack_plan,
    pack_request,
    unpack,
    unpack_plan,
    unpack_request,
)
from engine.music.grid import Meter, MeterMap
from engine.music.roll import Note
from engine.requests.request import ChordCell, Plan, PlanRequest, SampleSettings, Span

_steps = st.integers(-(2**30), 2**30 - 96)  # a plan is 96 steps long
_notes = st.lists(
    st.builds(
        Note,
        onset_step=_steps,
        pitch=st.integers(0, 127),
        length_steps=st.integers(1, 10_000),
        voice=st.integers(0, 1),
        velocity=st.integers(1, 127),
    ),
    max_size=20,
).map(tuple)
_spans = st.lists(st.builds(Span, st.integers(0, 1), _steps, _steps), max_size=6).map(tuple)
_meters = st.sampled_from(
    [MeterMap(), MeterMap(((-24, Meter(7, 8)), (96, Meter(3, 4)), (1000, Meter(4, 4))))]
)
_settings = st.builds(
    SampleSettings,
    steps=st.integers(1, 100),
    temperature=st.floats(0.1, 2),
    density=st.none() | st.floats(0, 12),
    style=st.sampled_from(["any", "hymn"]),
    pitch_classes=st.frozensets(st.integers(0, 11)),
    chord_calls=st.integers(1, 50),
    chord_choices=st.integers(1, 64),
    chord_temperature=st.floats(0, 2),
    figure=st.floats(0, 1),
)
_chords = st.lists(
    st.builds(
        ChordCell,
        _steps,
        _steps,
        st.frozensets(st.integers(0, 11)),
        st.none() | st.integers(0, 11),
    ),
    max_size=4,
).map(tuple)


@given(
    st.integers(0, 2**62),
    _steps,
    _steps,
    _notes,
    _spans,
    _meters,
    _settings,
    _chords,
    st.booleans(),
)
def test_a_request_comes_out_as_it_went_in(
    number: int,
    first: int,
    end: int,
    notes: tuple[Note, ...],
    spans: tuple[Span, ...],
    meters: MeterMap,
    settings: SampleSettings,
    chords: tuple[ChordCell, ...],
    ends: bool,
) -> None:
    request = PlanRequest(number, first, end, notes, spans, meters, settings, chords, ends)
    kind, head, numbers = unpack(pack_request(request))
    assert kind == REQUEST
    assert unpack_request(head, numbers) == request


@given(st.integers(0, 2**62), _steps, _notes, _chords)
def test_a_plan_comes_out_as_it_went_in(
    number: int, first: int, notes: tuple[Note, ...], chords: tuple[ChordCell, ...]
) -> None:
    plan = Plan(number, first, first + 96, notes, 2**40, 10, chords)
    kind, head, numbers = unpack(pack_plan(plan))
    assert kind == PLAN
    assert unpack_plan(head, numbers) == plan


def test_a_busy_plan_is_a_few_kilobytes() -> None:
    notes = tuple(Note(6 * i, 60, 6) for i in range(200))
    assert len(pack_plan(Plan(1, 0, 1200, notes, 1, 1))) < 5000
