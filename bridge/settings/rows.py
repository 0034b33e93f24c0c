"""What a row of the table says: the columns of a parameter and of an action, and their makers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from bridge.commands import Value
from bridge.text import one_of


class ParameterError(ValueError):
    """An unknown name or a value that does not fit; the message names the valid choices."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One knob: a row of the table. Ranges are inclusive."""

    name: str
    kind: str
    """float, int, bool, choice or text."""
    default: Value
    doc: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    unit: str = ""
    cc: int | None = None
    """MIDI controller on the control channel."""
    scope: str = "live"
    """`sample`: also steers the file commands. `live`: the daemon only."""
    request: bool = False
    """The field of that name in a request's SampleSettings, as it is."""
    in_preset: bool = False
    """What the band sounds like, so a preset sets it; not the player's place in it (tempo, key,
    channels, ports)."""
    on_change: str = ""
    """What is to be done when it changes live (`bridge.live.changes`). Empty: it is read when it is
    needed; of `sample` rows the next plan is wanted at once."""
    for_files: Value | None = None
    """The file commands' default, where it is another: they have time."""
    for_task: Mapping[str, Value] = field(default_factory=dict)
    """And a task's: where a melody leads the reply may be bold; what has less to go by falls
    apart."""
    words: Mapping[str, Value] = field(default_factory=dict)
    """Values by name."""
    read: Callable[[str], str] = str
    """Of text and choices: the text as it is kept. Raises ParameterError."""

    def describe_range(self) -> str:
        """Return the valid values in words: `0.1 to 2.0`, `live, next-bar or loop`, ..."""
        if self.kind in ("float", "int"):
            return f"{self.low:.10g} to {self.high:.10g}" + (f" {self.unit}" if self.unit else "")
        if self.kind == "bool":
            return "0 or 1"
        if self.choices:
            return one_of(self.choices)
        return "text"


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do. `arguments` are (name, kind) pairs; `optional` of them may be left out."""

    name: str
    doc: str
    arguments: tuple[tuple[str, str], ...] = ()
    optional: int = 0
    cc: int | None = None


class Columns(TypedDict, total=False):
    """The columns that rows of every kind may have; see `Parameter`."""

    unit: str
    cc: int | None
    scope: str
    request: bool
    in_preset: bool
    on_change: str
    for_files: Value | None
    for_task: Mapping[str, Value]
    words: Mapping[str, Value]
    read: Callable[[str], str]


def float_row(
    name: str, default: float, low: float, high: float, doc: str, **more: Unpack[Columns]
) -> Parameter:
    """Make the row of a number from `low` to `high`."""
    return Parameter(name, "float", default, doc, low, high, **more)


def int_row(
    name: str, default: int, low: int, high: int, doc: str, **more: Unpack[Columns]
) -> Parameter:
    """Make the row of a whole number from `low` to `high`."""
    return Parameter(name, "int", default, doc, low, high, **more)


def bool_row(name: str, default: bool, doc: str, **more: Unpack[Columns]) -> Parameter:
    """Make the row of a switch."""
    return Parameter(name, "bool", default, doc, 0, 1, **more)


def choice_row(
    name: str, default: str, choices: Iterable[str], doc: str, **more: Unpack[Columns]
) -> Parameter:
    """Make the row of one word out of `choices`."""
    return Parameter(name, "choice", default, doc, choices=tuple(choices), **more)


def text_row(name: str, default: str, doc: str, **more: Unpack[Columns]) -> Parameter:
    """Make the row of a free text."""
    return Parameter(name, "text", default, doc, **more)
