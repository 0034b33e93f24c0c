"""Which MIDI controller moves what: the table's own on the control channel, and learned ones.

Knows nothing of ports or time.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.commands import Act, SetParameter, Value
from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import BY_NAME, CONTROL_CHANNEL, PARAMETERS
from bridge.settings.rows import Action, Parameter, ParameterError
from bridge.text import did_you_mean

_MOST_CONTROLLER = 119
"""Those above are channel mode messages, such as all notes off."""

_Row = Parameter | Action
_ROWS: tuple[_Row, ...] = (*PARAMETERS, *ACTIONS)
_BY_CC: dict[int, _Row] = {row.cc: row for row in _ROWS if row.cc is not None}
_LEARNABLE: dict[str, _Row] = {
    **{row.name: row for row in PARAMETERS if row.kind != "text"},
    **{row.name: row for row in ACTIONS if row.cc is not None},
}


class Controllers:
    """Owner: the transport thread. Channels count from 1.

    waiting: what the next controller that moves will be learned for; empty: nothing.
    """

    def __init__(self) -> None:
        self.waiting = ""
        self._learned: dict[tuple[int, int], str] = {}

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """Name, channel and controller of each that is learned."""
        for (channel, controller), name in self._learned.items():
            yield name, channel, controller

    def expect(self, name: str) -> None:
        """Learn the next controller that moves for `name`; raises ParameterError."""
        self.waiting = _learnable(name)

    def teach(self, name: str, channel: int, controller: int) -> None:
        """Let this controller move `name`, and no other but the table's own, from now on.

        Raises ParameterError.
        """
        _learnable(name)
        self.forget(name)
        self._learned[channel, controller] = name
        self.waiting = ""

    def forget(self, name: str) -> bool:
        """No learned controller moves `name` any more; False when none did."""
        places = [place for place, each in self._learned.items() if each == name]
        for place in places:
            del self._learned[place]
        return bool(places)

    def hear(self, channel: int, controller: int, value: int) -> str:
        """Take a controller's move; return the name it is learned for, or nothing.

        One at 0 is not learned: DAWs send such when they stop.
        """
        name = self.waiting
        if not name or not value or controller > _MOST_CONTROLLER:
            return ""
        self.teach(name, channel, controller)
        return name

    def command(
        self, channel: int, controller: int, value: int, at_ns: int
    ) -> SetParameter | Act | None:
        """Return what a controller asks for; None when it is nobody's.

        Ranges are spread over 0..127, choices in equal parts; switches and actions go at 64.
        """
        name = self._learned.get((channel, controller))
        if name is not None:
            return _moved(_LEARNABLE[name], value, at_ns)
        row = _BY_CC.get(controller) if channel == CONTROL_CHANNEL else None
        return None if row is None else _moved(row, value, at_ns)


def _learnable(name: str) -> str:
    """Return the name, if a controller can move that. Raises ParameterError."""
    if name in _LEARNABLE:
        return name
    if name in BY_NAME:
        raise ParameterError(f"{name} is text, which no controller can move")
    raise ParameterError(f"no parameter or action {name!r}{did_you_mean(name, _LEARNABLE)}")


def _moved(row: _Row, value: int, at_ns: int) -> SetParameter | Act | None:
    if isinstance(row, Parameter):
        return SetParameter(at_ns, row.name, _spread(row, value))
    if row.arguments == (("on", "bool"),):
        return Act(at_ns, row.name, (value >= 64,))
    return Act(at_ns, row.name) if value >= 64 else None


def _spread(row: Parameter, value: int) -> Value:
    if row.kind == "bool":
        return value >= 64
    if row.kind == "choice":
        return row.choices[value * len(row.choices) // 128]
    scaled = row.low + (row.high - row.low) * value / 127
    return round(scaled) if row.kind == "int" else scaled
