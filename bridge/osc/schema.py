"""Every OSC address, one row each.

Rows come from the tables of parameters and actions; only the messages we send are listed here.
What a datagram means by these rows is `reading`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import PARAMETERS
from bridge.settings.rows import Action, Parameter

PREFIX = "/diffuse/"
OUT_PREFIX = "/diffuse/out/"
PARAM_PREFIX = "/diffuse/out/param/"

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
