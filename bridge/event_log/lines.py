"""A log's lines as text: its header and the Commands, as JSON, and back.

Reading trusts nothing: a log is a file that people send each other. Times are differences in
nanoseconds. What came of a Command is `bridge.event_log.outcomes`'s to write.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from bridge.commands import (
    Act,
    Address,
    AskParameter,
    Command,
    EngineState,
    LinkHeard,
    MidiIn,
    PlanArrived,
    SendDue,
    SetParameter,
    Tick,
    Value,
)
from engine.music.roll import Note
from engine.requests.request import ChordCell, Plan

_FORMAT = 1
MOST_LINE = 1 << 20
"""Characters of a line; a plan of 4,000 notes has some 80,000."""
STORES = (
    "notes and clock played in, notes sent, settings, OSC commands with the address they came "
    "from, plans, faults; no sound, no files"
)
"""What a log holds of its user; written into every log."""

_NOTE_FIELDS = 5
DAMAGED = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError)
"""What reading a row that is not as it was written may raise."""
_LINK = tuple(row.name for row in fields(LinkHeard) if row.name != "at_ns")


class LogError(ValueError):
    """A line that is not one of a log, or a log that cannot be read; says why in one line."""


# -- Commands ------------------------------------------------------------------------------------


def command_line(command: Command, before_ns: int) -> str:
    """Return a log's line of a command; `before_ns` is the instant of the one before it."""
    since_ns = command.at_ns - before_ns
    if isinstance(command, Tick):  # nine of ten lines
        return str(since_ns)
    if isinstance(command, MidiIn):
        return to_json([since_ns, "midi", *command.data])
    kind, words = _words(command)
    return to_json([since_ns, kind, *words])


def _words(command: Command) -> tuple[str, list[Any]]:
    if isinstance(command, SendDue):
        return "due", []
    if isinstance(command, SetParameter):
        return "set", [command.sender, command.name, command.value]
    if isinstance(command, AskParameter):
        return "ask", [command.sender, command.name]
    if isinstance(command, Act):
        return "act", [command.sender, command.name, *command.arguments]
    if isinstance(command, EngineState):
        words = [command.state, command.detail, command.plan_ns, command.calls]
        return "engine", [*words, command.news] if command.news else words
    if isinstance(command, LinkHeard):
        return "link", [getattr(command, name) for name in _LINK]
    assert isinstance(command, PlanArrived)
    plan = command.plan
    head = [plan.id, plan.first_step, plan.end_step, plan.elapsed_ns, plan.calls]
    chords = [[c.first_step, c.end_step, sorted(c.classes), c.bass] for c in plan.chords]
    return "plan", [head, flat(plan.notes), *([chords] if chords else [])]


def read_command(row: int | list[Any], before_ns: int) -> Command:
    """Return the inverse of `command_line`, from the line's JSON. Raises LogError."""
    try:
        if isinstance(row, int):
            return Tick(before_ns + row)
        since_ns, kind, *words = row
        return _READERS[kind](before_ns + int(since_ns), words)
    except DAMAGED:
        raise LogError(f"not a command: {str(row)[:80]}") from None


def _read_plan(at_ns: int, words: list[Any]) -> PlanArrived:
    (number, first, end, elapsed_ns, calls), flat, *rest = words
    if len(flat) % _NOTE_FIELDS or not all(type(value) is int for value in flat):
        raise ValueError
    rows = zip(*[iter(flat)] * _NOTE_FIELDS, strict=True)
    notes = tuple(Note(*row) for row in rows)
    cells = tuple(_read_chord(*row) for rows in rest[:1] for row in rows)
    plan = Plan(int(number), int(first), int(end), notes, int(elapsed_ns), int(calls), cells)
    return PlanArrived(at_ns, plan)


def _read_chord(first: int, end: int, classes: list[int], bass: int | None) -> ChordCell:
    if not all(type(each) is int for each in (first, end, 0 if bass is None else bass, *classes)):
        raise ValueError
    return ChordCell(first, end, frozenset(classes), bass)


def _read_due(at_ns: int, words: list[Any]) -> SendDue:
    if words:
        raise ValueError
    return SendDue(at_ns)


def _read_set(at_ns: int, words: list[Any]) -> SetParameter:
    sender, name, value = words
    return SetParameter(at_ns, str(name), _value(value), _address(sender))


def _read_ask(at_ns: int, words: list[Any]) -> AskParameter:
    sender, name = words
    return AskParameter(at_ns, str(name), _address(sender))


def _read_act(at_ns: int, words: list[Any]) -> Act:
    sender, name, *arguments = words
    return Act(at_ns, str(name), tuple(_value(each) for each in arguments), _address(sender))


def _read_engine(at_ns: int, words: list[Any]) -> EngineState:
    state, detail, *pace = words
    plan_ns, calls, *news = pace or (0, 0)  # logs of the first versions do not tell
    return EngineState(at_ns, str(state), str(detail), int(plan_ns), int(calls), *map(str, news))


def _read_link(at_ns: int, words: list[Any]) -> LinkHeard:
    peers, beat, bpm, rolling, quantum_beats = words
    # As strict as a Link session is: what is read back must be what was written.
    if type(peers) is not int or type(rolling) is not bool:
        raise TypeError
    numbers = [float(value) for value in (beat, bpm, quantum_beats)]
    if not all(map(math.isfinite, numbers)):
        raise ValueError
    return LinkHeard(at_ns, peers, numbers[0], numbers[1], rolling, numbers[2])


_READERS: dict[str, Callable[[int, list[Any]], Command]] = {
    "midi": lambda at_ns, words: MidiIn(at_ns, tuple(int(byte) for byte in words)),
    "due": _read_due,
    "set": _read_set,
    "ask": _read_ask,
    "act": _read_act,
    "plan": _read_plan,
    "engine": _read_engine,
    "link": _read_link,
}


def _value(value: object) -> Value:
    if not isinstance(value, bool | int | float | str):
        raise TypeError
    return value


def _address(sender: object) -> Address | None:
    if sender is None:
        return None
    if not isinstance(sender, list):
        raise TypeError
    host, port = sender
    return str(host), int(port)


# -- Lines ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of every part of a log. part: from 0. settings: those at the very start."""

    version: str
    session: str
    part: int
    at_ns: int
    begun: str
    settings: dict[str, Value]

    def line(self) -> str:
        """Return it as it is written."""
        own = {row.name: getattr(self, row.name) for row in fields(self) if row.name != "version"}
        return to_json({"midi-diffuse": self.version, "format": _FORMAT, "stores": STORES, **own})


def read_header(row: object) -> Header:
    """Return the inverse of `Header.line`. Raises LogError."""
    if not isinstance(row, dict) or "midi-diffuse" not in row:
        raise LogError("not a log of midi-diffuse")
    if row.get("format") != _FORMAT:
        raise LogError(f"a log of format {row.get('format')}; this version reads {_FORMAT}")
    try:
        return Header(
            version=str(row["midi-diffuse"]),
            session=str(row["session"]),
            part=int(row["part"]),
            at_ns=int(row["at_ns"]),
            begun=str(row["begun"]),
            settings={str(name): _value(value) for name, value in row["settings"].items()},
        )
    except DAMAGED:
        raise LogError("a damaged header") from None


def parse_line(line: str) -> Any:
    """Return a line's JSON. Raises LogError."""
    if len(line) > MOST_LINE:
        raise LogError(f"a line of {len(line)} characters")
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise LogError(f"not JSON: {line[:60]!r}") from None


def to_json(row: object) -> str:
    """Return a line."""
    return json.dumps(row, separators=(",", ":"))


def flat(notes: Sequence[Note]) -> list[int]:
    """Five numbers a note, one after the other."""
    return [
        value
        for n in notes
        for value in (n.onset_step, n.pitch, n.length_steps, n.voice, n.velocity)
    ]
