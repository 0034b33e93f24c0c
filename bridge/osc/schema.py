"""Every OSC address, one row each, and what a datagram means by that table.

Rows come from the parameter table; only the messages we send are listed here. Trust nothing:
arity, types, ranges, sizes and times are checked before a Command exists. Opens no socket.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
from collections.abc import Callable
from dataclasses import dataclass

from bridge.commands import Act, Address, AskParameter, Command, SetParameter, Value
from bridge.osc.wire import IMMEDIATELY, OscMessage, OscWireError, decode_packet, timetag_unix_ns
from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import PARAMETERS
from bridge.settings.rows import Action, Parameter, ParameterError
from bridge.settings.values import check_value
from bridge.text import one_of
from bridge.timebase import NS_PER_S

PREFIX = "/diffuse/"
OUT_PREFIX = "/diffuse/out/"
PARAM_PREFIX = "/diffuse/out/param/"
MOST_AHEAD_S = 10
MOST_TEXT = 200
"""Characters in a text argument."""

ARGUMENT_RANGES: dict[str, tuple[int, int]] = {
    "id": (0, 2**31 - 1),
    "from_bar": (-9999, 9999),
    "to_bar": (-9999, 9999),
    "pitch": (0, 127),
    "velocity": (0, 127),
    "channel": (1, 16),
    "controller": (0, 119),
    "bar": (-9999, 9999),
    "bars": (1, 64),
    "take": (1, 2**31 - 1),
    "beat": (1, 65),
    "port": (1, 65535),
}
"""Valid values of the actions' numbers, by name."""


_KINDS: dict[str, Callable[[float], Value]] = {"bool": bool, "int": int, "float": float}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an address. `values` says in words what is valid."""

    name: str
    kind: str
    values: str = ""


@dataclass(frozen=True, slots=True)
class OscRow:
    """One address. `source` is the table row it sets or does; None for what we send."""

    address: str
    doc: str
    arguments: tuple[Argument, ...] = ()
    optional: int = 0
    source: Parameter | Action | None = None

    def usage(self) -> str:
        """`/diffuse/note pitch velocity [channel]`."""
        fixed = len(self.arguments) - self.optional
        words = [arg.name if i < fixed else f"[{arg.name}]" for i, arg in enumerate(self.arguments)]
        return " ".join([self.address, *words])


@dataclass(frozen=True, slots=True)
class OscProblem:
    """A message that was not understood, and why. `address` is empty where none could be read."""

    address: str
    text: str


def _parameter_row(row: Parameter) -> OscRow:
    argument = Argument("value", row.kind, row.describe_range())
    return OscRow(PREFIX + row.name, row.doc, (argument,), 1, row)


def _argument(name: str, kind: str) -> Argument:
    if name in ARGUMENT_RANGES:
        low, high = ARGUMENT_RANGES[name]
        return Argument(name, kind, f"{low} to {high}")
    return Argument(name, kind, "0 or 1" if kind == "bool" else kind)


def _action_row(row: Action) -> OscRow:
    arguments = tuple(_argument(name, kind) for name, kind in row.arguments)
    return OscRow(PREFIX + row.name, row.doc, arguments, row.optional, row)


def _out(name: str, doc: str, *arguments: str) -> OscRow:
    """Return a row of what we send; arguments are written `name:kind`."""
    parts = (argument.split(":") for argument in arguments)
    return OscRow(OUT_PREFIX + name, doc, tuple(Argument(name, kind) for name, kind in parts))


IN_ROWS: tuple[OscRow, ...] = (
    *(_parameter_row(row) for row in PARAMETERS),
    *(_action_row(row) for row in ACTIONS),
)
"""What may be sent to us."""

OUT_ROWS: tuple[OscRow, ...] = (
    _out("done", "an action is done: start, stop, panic, subscribe, ...", "action:text"),
    _out("freeze", "whether reply loop keeps its harmony", "on:bool"),
    _out("ready", "the engine has warmed up; notes can come"),
    _out("engine", "which machine's engine plays from now on, and why", "text:text"),
    _out("state", "what midi-diffuse is doing now", "state:text"),
    _out("bar", "a bar begins; counted from 1", "number:int"),
    _out(
        "note",
        "a note of the reply starts sounding",
        "pitch:int",
        "velocity:int",
        "beats:float",
        "duration:float",
    ),
    _out(
        "planned",
        "the first 60 notes of that plan, three numbers each, up to 20 notes a message",
        "id:int",
        "pitch:int",
        "beats:float",
        "duration:float",
    ),
    _out(
        "played",
        "a note of yours begins (duration 0), or has ended",
        "pitch:int",
        "velocity:int",
        "beats:float",
        "duration:float",
    ),
    _out(
        "horizon",
        "a beat begins: song position, bar and beat in it, tempo; what lies before `decided` does "
        "not change any more",
        "beats:float",
        "bar:int",
        "beat:float",
        "bpm:float",
        "decided:float",
        "clock:text",
    ),
    _out(
        "chord",
        "ahead of time: the chord of a beat, planned or planned anew",
        "name:text",
        "bass:text",
        "bar:int",
        "beat:float",
    ),
    _out("chord_now", "another chord begins to sound", "name:text"),
    _out("key", "the key read from what you play", "name:text"),
    _out(
        "plan",
        "the engine proposed notes; `id` is the trigger's where there was one",
        "id:int",
        "first_beat:float",
        "notes:int",
    ),
    _out("latency", "how many bars after yours the reply to a bar comes", "bars:int"),
    _out("late", "notes dropped because they missed their time, so far", "count:int"),
    _out("error", "what was wrong; `id` is the address or part concerned", "id:text", "text:text"),
    _out("learning", "waits for a controller for this; empty: no more", "name:text"),
    _out(
        "learned",
        "this controller moves that; channel 0: none does any more",
        "name:text",
        "channel:int",
        "controller:int",
    ),
    _out("saved", "a preset is written", "name:text"),
    _out(
        "kept", "a take is written to the takes folder", "name:text", "from_bar:int", "to_bar:int"
    ),
    _out(
        "take",
        "a triggered answer is remembered, or played again",
        "number:int",
        "mode:text",
        "seed:int",
        "from_bar:int",
        "to_bar:int",
    ),
    _out("ports", "the MIDI ports, told with the figures", "in:text", "out:text", "system:text"),
    _out("pong", "answer to /diffuse/ping"),
    _out("help", "answer to /diffuse/help, one message an address", "usage:text", "doc:text"),
    _out("stats", "answer to /diffuse/stats, one message a figure", "name:text", "value:float"),
)
"""What we send besides a parameter's value (PARAM_PREFIX and its name)."""

BY_ADDRESS: dict[str, OscRow] = {row.address: row for row in IN_ROWS}


def parse_packet(
    packet: bytes, at_ns: int, sender: Address | None = None, wall_ns: int | None = None
) -> list[Command | OscProblem]:
    """Return what a datagram asks for, in order; never raises, whatever a check below may raise.

    at_ns: monotonic time of its arrival. wall_ns: Unix time of the same instant, by which the
    time tags of bundles are read: a Command with a time in the future carries a later `at_ns`
    (at most MOST_AHEAD_S). Without it, and for times in the past, everything is for now.
    """
    found: list[Command | OscProblem] = []
    for message in decode_packet(packet):
        if isinstance(message, OscWireError):
            found.append(OscProblem(message.address, str(message)))
            continue
        try:
            command = _read(message, _due_ns(message.timetag, at_ns, wall_ns), sender)
        except ParameterError as err:
            found.append(OscProblem(message.address, str(err)))
        except Exception as err:  # a gap in a check costs one message, not the thread that reads
            text = f"not understood ({type(err).__name__})"
            found.append(OscProblem(message.address, text))
        else:
            found += [command] if command else []
    return found


def hint(problem: OscProblem) -> str:
    """Return the problem's text, with the nearest address where the address is not one of ours.

    Apart from `parse` because looking for the nearest takes about a millisecond.
    """
    if not problem.address or problem.address in BY_ADDRESS:
        return problem.text
    close = difflib.get_close_matches(problem.address, BY_ADDRESS, n=1)
    return f"{problem.text}; did you mean {close[0]}?" if close else problem.text


def is_own_reply(problem: OscProblem) -> bool:
    """Return whether one of our own answers came back; answering it would go round in circles."""
    return problem.address.startswith(OUT_PREFIX)


def _due_ns(timetag: int, at_ns: int, wall_ns: int | None) -> int:
    if timetag == IMMEDIATELY or wall_ns is None:
        return at_ns
    ahead_ns = timetag_unix_ns(timetag) - wall_ns
    if ahead_ns > MOST_AHEAD_S * NS_PER_S:
        raise ParameterError(
            f"bundle timed {ahead_ns / NS_PER_S:.0f} s ahead; at most {MOST_AHEAD_S}"
        )
    return at_ns + max(ahead_ns, 0)


def _read(message: OscMessage, at_ns: int, sender: Address | None) -> Command | None:
    row = BY_ADDRESS.get(message.address)
    if row is None:
        raise ParameterError("no such address")
    arguments = tuple(_plain(value) for value in message.arguments if value is not None)
    if isinstance(row.source, Parameter):
        return _read_parameter(row.source, arguments, at_ns, sender)
    assert isinstance(row.source, Action)
    return _read_action(row, row.source, arguments, at_ns, sender)


def _plain(value: Value | bytes) -> Value:
    if isinstance(value, bytes):
        raise ParameterError("a blob is not understood here")
    if isinstance(value, str) and len(value) > MOST_TEXT:
        raise ParameterError(f"text of {len(value)} characters; at most {MOST_TEXT}")
    # Pd and many controllers send every number as a float, indices of choices too.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_parameter(
    row: Parameter, arguments: tuple[Value, ...], at_ns: int, sender: Address | None
) -> Command:
    if not arguments:
        return AskParameter(at_ns, row.name, sender)
    # Max and Pd send `chord C E G` as three symbols.
    if row.kind == "text" and len(arguments) > 1:
        arguments = (" ".join(str(value) for value in arguments),)
    if len(arguments) > 1:
        raise ParameterError(f"{row.name} wants one value, not {len(arguments)}")
    value = check_value(row.name, _in_steps(row, arguments[0]))
    # Files are opened by name only: a peer on the network must not choose a path.
    if row.name == "preset" and (set(str(value)) & set("/\\:") or str(value).endswith(".toml")):
        raise ParameterError("preset wants a name, as listed by `midi-diffuse presets`")
    return SetParameter(at_ns, row.name, value, sender)


def _in_steps(row: Parameter, value: Value) -> Value:
    """Return a fader's 12.73 as the nearest whole number, for what has whole numbers or choices."""
    if row.kind in ("float", "text") or not isinstance(value, float) or not math.isfinite(value):
        return value
    return math.floor(value + 0.5)


def _read_action(
    row: OscRow, action: Action, arguments: tuple[Value, ...], at_ns: int, sender: Address | None
) -> Command | None:
    least, most = len(row.arguments) - row.optional, len(row.arguments)
    # Max and Pd send `chord_at 3 1 C E G` as three symbols.
    if most and row.arguments[-1].kind == "text" and len(arguments) > most:
        text = " ".join(str(value) for value in arguments[most - 1 :])
        arguments = (*arguments[: most - 1], text)
    # Buttons of OSC controllers send 1 when pressed and 0 when let go.
    if most == 0 and arguments in ((0,), (1,)):
        return Act(at_ns, action.name, (), sender) if arguments[0] else None
    if not least <= len(arguments) <= most:
        counts = one_of(str(count) for count in range(least, most + 1))
        noun = "argument" if counts == "1" else "arguments"
        raise ParameterError(f"want {counts} {noun}, not {len(arguments)}: {row.usage()}")
    checked = (
        _check_argument(arg, value) for arg, value in zip(row.arguments, arguments, strict=False)
    )
    return Act(at_ns, action.name, tuple(checked), sender)


def _check_argument(argument: Argument, value: Value) -> Value:
    wrong = ParameterError(f"{argument.name} wants {argument.values}, not {value!r}")
    if argument.name == "host":
        return _check_host(value)
    if argument.kind == "text":
        return str(value)
    if isinstance(value, str) or not math.isfinite(value):
        raise wrong
    if argument.kind != "float" and value != int(value):
        raise wrong
    low, high = ARGUMENT_RANGES.get(argument.name, (0, 1))
    if not low <= value <= high:
        raise wrong
    return _KINDS[argument.kind](value)


def _check_host(value: Value) -> str:
    # Names are not looked up: that can take seconds.
    text = "127.0.0.1" if value == "localhost" else str(value)
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ParameterError(
            f"host wants an IPv4 address such as 127.0.0.1, not {value!r}"
        ) from None
