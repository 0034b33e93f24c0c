"""The black box's lines: what went into the Session and what came out, as JSON, and back.

A log holds a header (version, settings in force at the start), then one line for every Command
and, where it had effects, one for those. Times are differences in nanoseconds. Reading runs
nothing and trusts nothing: a log is a file that people send each other. Opens no files.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from bridge.commands import (
    Act,
    Address,
    AskParameter,
    Command,
    Effect,
    EngineState,
    FollowLink,
    LinkHeard,
    LogLine,
    MidiIn,
    OscOut,
    PlanArrived,
    RequestPlan,
    SendDue,
    SendMidi,
    SetParameter,
    Subscribe,
    Tick,
    Value,
)
from engine.request import Plan, SampleSettings
from engine.roll import Note

FORMAT = 1
MOST_LINE = 1 << 20
"""Characters of a line; a plan of 4,000 notes has some 80,000."""
STORES = (
    "notes and clock played in, notes sent, settings, OSC commands with the address they came "
    "from, plans, faults; no sound, no files"
)
"""What a log holds of its user; written into every log."""

_NOTE_FIELDS = 5
_LINK = tuple(row.name for row in fields(LinkHeard) if row.name != "at_ns")
_SETTINGS = tuple(row.name for row in fields(SampleSettings) if row.name != "pitch_classes")


class LogError(ValueError):
    """A line that is not one of a log, or a log that cannot be read; says why in one line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a Command brought about, as far as a log keeps it.

    sends: (due_ns, MIDI bytes). digest: CRC-32 of all effects, in order. requests: (id, first
    step, end step, notes). told: lines for the terminal. fault: the error, where the step raised.
    """

    digest: int = 0
    sends: tuple[tuple[int, tuple[int, ...]], ...] = ()
    requests: tuple[tuple[int, int, int, int], ...] = ()
    told: tuple[str, ...] = ()
    fault: str = ""


NOTHING = Outcome()


class Steps(Protocol):
    """The part of a Session that a log is about."""

    def step(self, command: Command) -> list[Effect]:
        """Take a command; say what is to be done."""
        ...

    def wake_ns(self, now_ns: int) -> int | None:
        """When the next Tick is wanted."""
        ...

    def due_ns(self) -> int | None:
        """When the next note falls due."""
        ...


class Recorded:
    """A Session of which every step is noted. Owner: the transport thread.

    note: takes (command, effects, fault); must be quick and must not raise.
    """

    def __init__(
        self, session: Steps, note: Callable[[Command, Sequence[Effect], str], None]
    ) -> None:
        self._session, self._note = session, note
        self.wake_ns, self.due_ns = session.wake_ns, session.due_ns

    def step(self, command: Command) -> list[Effect]:
        """The Session's own step."""
        try:
            effects = self._session.step(command)
        except Exception as err:
            self._note(command, (), told(err))
            raise
        self._note(command, effects, "")
        return effects


def told(err: Exception) -> str:
    """A fault in one line."""
    return f"{type(err).__name__}: {' '.join(str(err).split())[:200]}"


# -- Effects -------------------------------------------------------------------------------------


def outcome(effects: Sequence[Effect], fault: str = "") -> Outcome:
    """What a log keeps of a step's effects."""
    if fault:
        return Outcome(fault=fault)
    if not effects:
        return NOTHING
    plain = json.dumps([_PLAIN[type(effect)](effect) for effect in effects], default=repr)
    requests = [effect.request for effect in effects if isinstance(effect, RequestPlan)]
    return Outcome(
        digest=zlib.crc32(plain.encode()),
        sends=tuple((e.due_ns, tuple(e.data)) for e in effects if isinstance(e, SendMidi)),
        requests=tuple((r.id, r.first_step, r.end_step, len(r.notes)) for r in requests),
        told=tuple(e.text for e in effects if isinstance(e, LogLine)),
    )


def _plain_request(effect: RequestPlan) -> list[Any]:
    request, settings = effect.request, effect.request.settings
    return [
        "request",
        [request.id, request.first_step, request.end_step],
        _flat(request.notes),
        [(span.voice, span.from_step, span.to_step) for span in request.known],
        [(step, str(meter)) for step, meter in request.meters.changes],
        [getattr(settings, name) for name in _SETTINGS],
        sorted(settings.pitch_classes),
    ]


_PLAIN: dict[type, Callable[[Any], list[Any]]] = {
    SendMidi: lambda e: ["midi", e.due_ns, e.data],
    RequestPlan: _plain_request,
    OscOut: lambda e: ["osc", e.address, e.arguments, e.to],
    Subscribe: lambda e: ["subscribe", e.peer, e.on],
    LogLine: lambda e: ["line", e.level, e.text],
    FollowLink: lambda e: ["link", e.quantum_beats],
}


def outcome_line(found: Outcome, at_ns: int) -> str:
    """A log's line of an outcome; `at_ns` is its command's."""
    row: dict[str, object] = {"crc": found.digest}
    if found.fault:
        row = {"fault": found.fault}
    if found.sends:
        row["send"] = [[due_ns - at_ns, *data] for due_ns, data in found.sends]
    if found.requests:
        row["request"] = found.requests
    if found.told:
        row["told"] = found.told
    return _json(row)


def read_outcome(row: dict[str, Any], at_ns: int) -> Outcome:
    """The inverse of `outcome_line`. Raises LogError."""
    try:
        return Outcome(
            digest=int(row.get("crc", 0)),
            sends=tuple(
                (at_ns + int(ahead), tuple(int(byte) for byte in data))
                for ahead, *data in row.get("send", ())
            ),
            requests=tuple(
                (int(n), int(first), int(end), int(notes))
                for n, first, end, notes in row.get("request", ())
            ),
            told=tuple(str(text) for text in row.get("told", ())),
            fault=str(row.get("fault", "")),
        )
    except (TypeError, ValueError):
        raise LogError(f"not an outcome: {str(row)[:80]}") from None


# -- Commands ------------------------------------------------------------------------------------


def command_line(command: Command, before_ns: int) -> str:
    """A log's line of a command; `before_ns` is the instant of the one before it."""
    since_ns = command.at_ns - before_ns
    if isinstance(command, Tick):  # nine of ten lines
        return str(since_ns)
    if isinstance(command, MidiIn):
        return _json([since_ns, "midi", *command.data])
    kind, words = _words(command)
    return _json([since_ns, kind, *words])


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
        return "engine", [command.state, command.detail, command.plan_ns, command.calls]
    if isinstance(command, LinkHeard):
        return "link", [getattr(command, name) for name in _LINK]
    assert isinstance(command, PlanArrived)
    plan = command.plan
    head = [plan.id, plan.first_step, plan.end_step, plan.elapsed_ns, plan.steps]
    return "plan", [head, _flat(plan.notes)]


def read_command(row: int | list[Any], before_ns: int) -> Command:
    """The inverse of `command_line`, from the line's JSON. Raises LogError."""
    try:
        if isinstance(row, int):
            return Tick(before_ns + row)
        since_ns, kind, *words = row
        return _READERS[kind](before_ns + int(since_ns), words)
    except (TypeError, ValueError, KeyError, IndexError):
        raise LogError(f"not a command: {str(row)[:80]}") from None


def _read_plan(at_ns: int, words: list[Any]) -> PlanArrived:
    (number, first, end, elapsed_ns, steps), flat = words
    if len(flat) % _NOTE_FIELDS or not all(type(value) is int for value in flat):
        raise ValueError
    rows = zip(*[iter(flat)] * _NOTE_FIELDS, strict=True)
    notes = tuple(Note(*row) for row in rows)
    plan = Plan(int(number), int(first), int(end), notes, int(elapsed_ns), int(steps))
    return PlanArrived(at_ns, plan)


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
    plan_ns, calls = pace or (0, 0)  # logs of the first versions do not tell
    return EngineState(at_ns, str(state), str(detail), int(plan_ns), int(calls))


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
        """As it is written."""
        own = {row.name: getattr(self, row.name) for row in fields(self) if row.name != "version"}
        return _json({"midi-diffuse": self.version, "format": FORMAT, "stores": STORES, **own})


def read_header(row: object) -> Header:
    """The inverse of `Header.line`. Raises LogError."""
    if not isinstance(row, dict) or "midi-diffuse" not in row:
        raise LogError("not a log of midi-diffuse")
    if row.get("format") != FORMAT:
        raise LogError(f"a log of format {row.get('format')}; this version reads {FORMAT}")
    try:
        return Header(
            version=str(row["midi-diffuse"]),
            session=str(row["session"]),
            part=int(row["part"]),
            at_ns=int(row["at_ns"]),
            begun=str(row["begun"]),
            settings={str(name): _value(value) for name, value in row["settings"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LogError("a damaged header") from None


def parse(line: str) -> Any:
    """A line's JSON. Raises LogError."""
    if len(line) > MOST_LINE:
        raise LogError(f"a line of {len(line)} characters")
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise LogError(f"not JSON: {line[:60]!r}") from None


def _json(row: object) -> str:
    return json.dumps(row, separators=(",", ":"))


def _flat(notes: Sequence[Note]) -> list[int]:
    return [
        value
        for n in notes
        for value in (n.onset_step, n.pitch, n.length_steps, n.voice, n.velocity)
    ]
