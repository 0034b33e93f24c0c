"""What a player may ask of a server: every field of a request within its range.

A server reads what others send: sizes are bounded before anything is made of them, and whatever
steers the sampling loop is in the table of parameters, which says what each may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from bridge.engine_host.wire import FARTHEST_STEP, NONSENSE, REQUEST, VOICES, unpack, unpack_request
from bridge.engine_link.wire import MOST_BYTES, WireError
from bridge.settings.rows import ParameterError
from bridge.settings.values import check_value
from engine.music.grid import STEPS_PER_BEAT, GridError
from engine.requests.request import CHORD_SOURCES, RHYTHMS, PlanRequest, SampleSettings

LONGEST_STEPS = 160 * STEPS_PER_BEAT
"""32 bars on request and what is around them."""
_MOST_NOTES, _MOST_ROWS = 4096, 512
_MOST_CALLS = 64
_BY_TABLE = (
    "temperature",
    "guidance",
    "seed",
    "style",
    "sampler",
    "low",
    "high",
    "voices",
    "doubling",
    "chord_calls",
    "chord_choices",
    "chord_temperature",
    "figure",
)


def read_request(frame: bytes) -> PlanRequest:
    """Return the request in a frame of `engine_host.wire`, checked. Raises WireError."""
    try:
        if len(frame) > MOST_BYTES:
            raise WireError(f"a request of {len(frame)} bytes")
        kind, head, numbers = unpack(frame)
        if kind != REQUEST:
            raise WireError("not a request")
        request = unpack_request(head, numbers)
        _check_request(request)
    except WireError:
        raise
    except (GridError, ParameterError) as err:
        raise WireError(str(err)) from None
    except NONSENSE as err:
        raise WireError(f"a request that makes no sense ({type(err).__name__})") from None
    return request


def _check_request(request: PlanRequest) -> None:
    """Raise WireError, ParameterError or TypeError where a field is out of its range."""
    first, end = request.first_step, request.end_step
    _whole(-FARTHEST_STEP, FARTHEST_STEP, first, end)
    _whole(-FARTHEST_STEP, FARTHEST_STEP, request.id)
    if not 0 < end - first <= LONGEST_STEPS:
        raise WireError(f"{end - first} steps; want 1 to {LONGEST_STEPS}")
    if type(request.ends) is not bool:
        raise WireError("ends is neither true nor false")
    _few(_MOST_NOTES, request.notes)
    _few(_MOST_ROWS, request.known, request.chords, request.meters.changes)
    for note in request.notes:
        _whole(-FARTHEST_STEP, FARTHEST_STEP, note.onset_step)
        _whole(1, FARTHEST_STEP, note.length_steps)
        _whole(0, 127, note.pitch, note.velocity)
        _one_of(VOICES, note.voice)
    for span in request.known:
        _one_of(VOICES, span.voice)
    for start, meter in request.meters.changes:
        _whole(-FARTHEST_STEP, FARTHEST_STEP, start)
        _whole(1, 64, meter.beats, meter.unit)
        if meter.bar_steps < 1:
            raise WireError(f"a bar of {meter}")
    for cell in request.chords:
        _whole(-FARTHEST_STEP, FARTHEST_STEP, cell.first_step, cell.end_step)
        _whole(0, 11, *cell.classes, *([] if cell.bass is None else [cell.bass]))
    _check_settings(request.settings)


def _check_settings(settings: SampleSettings) -> None:
    """Do the same for how it is to be filled."""
    values = asdict(settings)
    for name in _BY_TABLE:
        if check_value(name, values[name]) != values[name] or type(values[name]) is bool:
            raise WireError(f"{name} {values[name]!r}")
    _whole(1, _MOST_CALLS, settings.steps)
    _whole(0, 11, *settings.pitch_classes)
    _one_of(RHYTHMS, settings.rhythm)
    _one_of(CHORD_SOURCES, settings.chords_from)
    _number(0.0, 1.0, settings.variation)
    if settings.density is not None:
        _number(0.0, 64.0, settings.density)


def _whole(low: int, high: int, *values: object) -> None:
    _every(lambda value: type(value) is int and low <= value <= high, values)


def _number(low: float, high: float, *values: object) -> None:
    _every(lambda value: type(value) in (int, float) and low <= value <= high, values)


def _one_of(choices: tuple[Any, ...], value: object) -> None:
    if type(value) is not type(choices[0]) or value not in choices:
        raise WireError(f"{value!r:.40} is none of {choices}")


def _every(holds: Callable[[Any], bool], values: Iterable[object]) -> None:
    for value in values:
        if not holds(value):
            raise WireError(f"{value!r:.40} is out of range")


def _few(most: int, *rows: tuple[Any, ...]) -> None:
    if any(len(row) > most for row in rows):
        raise WireError(f"more than {most} rows")
