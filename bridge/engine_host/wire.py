"""Requests and plans as bytes, for the pipe to the engine process: a JSON head and int32 arrays.

A frame is a kind (1 byte), the head's length (4), the head, then the arrays. A plan of a hundred
notes is 2 KB. Knows nothing of processes.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.timebase import NS_PER_S
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.requests.request import ChordCell, Plan, PlanRequest, SampleSettings, Span

REQUEST, PLAN, READY, ERROR, REFUSED, CANNOT = b"Q", b"P", b"R", b"E", b"F", b"C"
"""Kinds: a request; a plan; the model is loaded and warm (head: its metadata); one request failed
(`id`, `text`); the model cannot be loaded at all (`text`); its family cannot do
what one request asks (`id`, `text`)."""

NONSENSE = (
    *(ValueError, TypeError, KeyError, IndexError, ArithmeticError, struct.error),
    *(AttributeError, RecursionError),
)
"""What reading a damaged frame may raise."""

_HEAD = struct.Struct("<I")
_NOTE_FIELDS = 5
VOICES = (LEAD, ACCOMPANIMENT)
FARTHEST_STEP = 1 << 30
"""No place in a song is farther from its beginning."""
_LONGEST_NS = 3600 * NS_PER_S
"""No plan takes longer."""


def pack(kind: bytes, head: dict[str, Any], *arrays: NDArray[np.int32]) -> bytes:
    """Return one frame."""
    text = json.dumps(head).encode()
    return b"".join([kind, _HEAD.pack(len(text)), text, *(array.tobytes() for array in arrays)])


def unpack(frame: bytes) -> tuple[bytes, dict[str, Any], NDArray[np.int32]]:
    """Kind, head, and all arrays as one flat int32 array."""
    (length,) = _HEAD.unpack_from(frame, 1)
    start = 1 + _HEAD.size
    numbers = np.frombuffer(frame, np.int32, offset=start + length)
    return frame[:1], json.loads(frame[start : start + length]), numbers


def pack_request(request: PlanRequest) -> bytes:
    """Return a request as a frame."""
    settings = dataclasses.asdict(request.settings)
    settings["pitch_classes"] = sorted(request.settings.pitch_classes)
    head = {
        "id": request.id,
        "steps": [request.first_step, request.end_step],
        "notes": len(request.notes),
        "meters": [[start, meter.beats, meter.unit] for start, meter in request.meters.changes],
        "settings": settings,
        "chords": _chords(request.chords),
        "ends": request.ends,
    }
    spans = [(span.voice, span.from_step, span.to_step) for span in request.known]
    return pack(REQUEST, head, _notes(request.notes), np.array(spans, np.int32).reshape(-1))


def unpack_request(head: dict[str, Any], numbers: NDArray[np.int32]) -> PlanRequest:
    """Return the inverse of `pack_request`, from what `unpack` gave."""
    split = head["notes"] * _NOTE_FIELDS
    settings = dict(head["settings"])
    settings["pitch_classes"] = frozenset(settings["pitch_classes"])
    return PlanRequest(
        id=head["id"],
        first_step=head["steps"][0],
        end_step=head["steps"][1],
        notes=_to_notes(numbers[:split]),
        known=tuple(Span(*row) for row in numbers[split:].reshape(-1, 3).tolist()),
        meters=MeterMap(tuple((start, Meter(n, unit)) for start, n, unit in head["meters"])),
        settings=SampleSettings(**settings),
        chords=_to_chords(head["chords"]),
        ends=head["ends"],
    )


def pack_plan(plan: Plan) -> bytes:
    """Return a plan as a frame."""
    head = {
        "id": plan.id,
        "steps": [plan.first_step, plan.end_step],
        "elapsed_ns": plan.elapsed_ns,
        "calls": plan.calls,
        "chords": _chords(plan.chords),
    }
    return pack(PLAN, head, _notes(plan.notes))


def unpack_plan(head: dict[str, Any], numbers: NDArray[np.int32]) -> Plan:
    """Return the inverse of `pack_plan`, from what `unpack` gave; ValueError where it makes no
    sense.

    Whatever comes out can be played: a plan may be of a server that is not ours.
    """
    plan = Plan(
        id=head["id"],
        first_step=head["steps"][0],
        end_step=head["steps"][1],
        notes=_checked(_to_notes(numbers)),
        elapsed_ns=head["elapsed_ns"],
        calls=head["calls"],
        chords=_to_chords(head["chords"]),
    )
    _check_head(plan)
    for cell in plan.chords:
        _check_chord(cell)
    return plan


def _check_head(plan: Plan) -> None:
    _check_whole(-(2**63), 2**63, plan.id)
    _check_whole(-FARTHEST_STEP, FARTHEST_STEP, plan.first_step, plan.end_step, plan.calls)
    _check_whole(0, _LONGEST_NS, plan.elapsed_ns)
    if plan.end_step < plan.first_step:
        raise ValueError("a plan that ends before it begins")


def _check_chord(cell: ChordCell) -> None:
    _check_whole(-FARTHEST_STEP, FARTHEST_STEP, cell.first_step, cell.end_step)
    _check_whole(0, 11, *cell.classes, *([] if cell.bass is None else [cell.bass]))


def _check_whole(low: int, high: int, *values: object) -> None:
    for value in values:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{value!r:.40} where a number from {low} to {high} is wanted")


def _chords(chords: tuple[ChordCell, ...]) -> list[list[Any]]:
    return [[c.first_step, c.end_step, sorted(c.classes), c.bass] for c in chords]


def _to_chords(rows: list[list[Any]]) -> tuple[ChordCell, ...]:
    return tuple(
        ChordCell(first, end, frozenset(classes), bass) for first, end, classes, bass in rows
    )


def _notes(notes: tuple[Note, ...]) -> NDArray[np.int32]:
    rows = [(n.onset_step, n.pitch, n.length_steps, n.voice, n.velocity) for n in notes]
    return np.array(rows, np.int32).reshape(-1)


def _to_notes(numbers: NDArray[np.int32]) -> tuple[Note, ...]:
    return tuple(Note(*row) for row in numbers.reshape(-1, _NOTE_FIELDS).tolist())


def _checked(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Return the same notes, or ValueError where one cannot be played."""
    for note in notes:
        playable = 0 <= note.pitch <= 127 and 0 <= note.velocity <= 127
        playable = playable and abs(note.onset_step) <= FARTHEST_STEP
        if not playable or note.length_steps < 1 or note.voice not in VOICES:
            raise ValueError(f"no note that can be played: {note}")
    return notes
