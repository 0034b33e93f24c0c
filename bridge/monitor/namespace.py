"""Every OSC address as a node of an OSCQuery namespace, from the table of addresses. Pure.

After the OSCQuery proposal of Vidvox: nodes in a tree by the parts of their address, each a JSON
object with its attributes in capitals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.commands import Value
from bridge.osc.schema import ARGUMENT_RANGES, IN_ROWS, OUT_ROWS, PREFIX, Argument, OscRow
from bridge.settings.rows import Parameter

Node = dict[str, Any]
ATTRIBUTES = (
    "FULL_PATH",
    "CONTENTS",
    "TYPE",
    "ACCESS",
    "VALUE",
    "RANGE",
    "DESCRIPTION",
    "CLIPMODE",
)
HOST_INFO = "HOST_INFO"
_NO_VALUE, _READ, WRITE = 0, 1, 2
_TAGS = {"float": "f", "int": "i", "bool": "T", "text": "s", "choice": "s"}
_BY_PATH: dict[str, OscRow] = {row.address: row for row in (*IN_ROWS, *OUT_ROWS)}


def host_info(osc: tuple[str, int], web: tuple[str, int]) -> Node:
    """Return where OSC and WebSockets go, and what is understood here."""
    known = dict.fromkeys(ATTRIBUTES[3:], True)
    return {
        "NAME": "midi-diffuse",
        "OSC_IP": osc[0],
        "OSC_PORT": osc[1],
        "OSC_TRANSPORT": "UDP",
        "WS_IP": web[0],
        "WS_PORT": web[1],
        "EXTENSIONS": {**known, "LISTEN": True},
    }


def node(path: str, values: Mapping[str, Value]) -> Node | None:
    """Return the node at an address with all below it; None where there is none.

    values: of parameters, by name, as far as they are known.
    """
    path = path.rstrip("/") or "/"
    if row := _BY_PATH.get(path):
        return _leaf(row, values)
    below = path if path.endswith("/") else f"{path}/"
    names = dict.fromkeys(
        each.removeprefix(below).split("/")[0] for each in _BY_PATH if each.startswith(below)
    )
    if not names:
        return None
    contents = {name: node(below + name, values) for name in names}
    return {"FULL_PATH": path, "ACCESS": _NO_VALUE, "CONTENTS": contents}


def is_parameter(path: str) -> bool:
    """Return whether a node has a value that can be listened to."""
    row = _BY_PATH.get(path)
    return row is not None and isinstance(row.source, Parameter)


def _leaf(row: OscRow, values: Mapping[str, Value]) -> Node:
    found: Node = {"FULL_PATH": row.address, "DESCRIPTION": row.doc}
    if isinstance(row.source, Parameter):
        return {**found, **_of_parameter(row.source, values)}
    wanted = row.arguments[: len(row.arguments) - row.optional]
    found["ACCESS"] = _READ if row.source is None else WRITE
    found["TYPE"] = "".join(_TAGS[argument.kind] for argument in wanted) or "I"
    if row.optional:
        found["DESCRIPTION"] = f"{row.doc} ({row.usage().removeprefix(PREFIX)})"
    # Nothing to tell; but clients take a node without VALUE for a container.
    found["VALUE"] = [None] * len(found["TYPE"])
    ranges = [_range_of(argument) for argument in wanted]
    return {**found, "RANGE": ranges} if any(ranges) else found


def _range_of(argument: Argument) -> Node | None:
    if argument.name not in ARGUMENT_RANGES:
        return None
    low, high = ARGUMENT_RANGES[argument.name]
    return {"MIN": low, "MAX": high}


def _of_parameter(row: Parameter, values: Mapping[str, Value]) -> Node:
    found: Node = {
        "TYPE": _TAGS[row.kind],
        "ACCESS": _READ | WRITE,
        "VALUE": [values.get(row.name)],
        "CLIPMODE": ["none"],
    }
    if row.choices:
        found["RANGE"] = [{"VALS": list(row.choices)}]
    elif row.kind in ("float", "int"):
        whole = row.kind == "int"
        low, high = (int(v) if whole else v for v in (row.low, row.high))
        found["RANGE"] = [{"MIN": low, "MAX": high}]
    return found
