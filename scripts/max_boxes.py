"""Boxes and cables of a Max patch, with the inlets and outlets of every object we use."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

# Inlets and outlets as Max 8 saves them. `route`, `pack` and the like are counted by argument.
UI_PORTS: dict[str, tuple[int, int]] = {
    "comment": (1, 0),
    "message": (2, 1),
    "panel": (1, 0),
    "toggle": (1, 1),
    "number": (1, 2),
    "flonum": (1, 2),
    "umenu": (1, 3),
    "textedit": (1, 4),
    "textbutton": (1, 3),
    "led": (1, 1),
    "inlet": (0, 1),
    "live.dial": (1, 2),
    "live.numbox": (1, 2),
    "live.toggle": (1, 1),
    "live.menu": (1, 3),
    "live.text": (1, 2),
    "live.comment": (1, 0),
}
OBJECT_PORTS: dict[str, tuple[int, int]] = {
    "udpsend": (1, 0),
    "udpreceive": (1, 1),
    "s": (1, 0),
    "r": (0, 1),
    "prepend": (1, 1),
    "loadbang": (1, 1),
    "metro": (2, 1),
    "delay": (2, 1),
    "print": (1, 0),
    "gate": (2, 1),
    "makenote": (3, 2),
    "noteout": (3, 0),
    "notein": (1, 3),
    "expr": (2, 1),
    "+": (2, 1),
    "pak": (2, 1),
    "sprintf": (2, 1),
    "pcontrol": (1, 1),
    "p": (1, 0),
    "midiin": (1, 1),
    "midiout": (1, 0),
    "t": (1, 2),
    "live.thisdevice": (1, 3),
    "live.path": (1, 3),
    "live.observer": (2, 2),
}
_OUTLET_TYPES: dict[str, list[str]] = {
    "toggle": ["int"],
    "number": ["", "bang"],
    "flonum": ["", "bang"],
    "umenu": ["int", "", ""],
    "textedit": ["", "int", "", ""],
    "textbutton": ["", "", "int"],
    "loadbang": ["bang"],
    "metro": ["bang"],
    "delay": ["bang"],
    "makenote": ["float", "float"],
    "notein": ["int", "int", "int"],
    "midiin": ["int"],
    "+": ["int"],
    "t": ["bang", "int"],
    "led": ["int"],
    "live.dial": ["", "float"],
    "live.numbox": ["", "float"],
    "live.menu": ["", "", "float"],
    "live.thisdevice": ["bang", "int", "int"],
}

Rect = tuple[float, float, float, float]


def ports(maxclass: str, text: str) -> tuple[int, int]:
    """Inlets and outlets of a box."""
    if maxclass != "newobj":
        return UI_PORTS[maxclass]
    name, *arguments = shlex.split(text)
    count = len(arguments)
    counted = {"route": (count + 1, count + 1), "pack": (count, 1), "unpack": (1, count)}
    return counted.get(name) or OBJECT_PORTS[name]


@dataclass
class Patcher:
    """Boxes and cables under construction."""

    boxes: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, maxclass: str, text: str, rect: Rect, show: Rect | None = None, **more: Any
    ) -> str:
        """Add a box at `rect`, shown at `show` in presentation mode; returns its id."""
        inlets, outlets = ports(maxclass, text)
        kind = text.split()[0] if maxclass == "newobj" else maxclass
        box: dict[str, Any] = {
            "id": f"obj-{len(self.boxes) + 1}",
            "maxclass": maxclass,
            "numinlets": inlets,
            "numoutlets": outlets,
            "patching_rect": list(rect),
            **more,
        }
        if outlets:
            box["outlettype"] = _OUTLET_TYPES.get(kind, [""] * outlets)
        if text or maxclass == "message":  # a linter of the format wants it even where it is empty
            box["text"] = text
        if show:
            box |= {"presentation": 1, "presentation_rect": list(show)}
        self.boxes.append({"box": dict(sorted(box.items()))})
        return str(box["id"])

    def new(self, text: str, x: float, y: float) -> str:
        """Add an object box."""
        return self.add("newobj", text, (x, y, max(40.0, 6.4 * len(text) + 16), 22.0))

    def window(self, title: str, inside: dict[str, Any], x: float, y: float) -> str:
        """Add a patcher within this one, `inside`, that `pcontrol` opens."""
        text = f"p {title}"
        return self.add("newobj", text, (x, y, 7.0 * len(text) + 16, 22.0), patcher=inside)

    def wire(self, *path: str | tuple[str, int]) -> None:
        """Cable each box to the next; (id, n) leaves by outlet n and enters by inlet n."""
        for start, end in pairwise(path):
            source = list(start) if isinstance(start, tuple) else [start, 0]
            destination = list(end) if isinstance(end, tuple) else [end, 0]
            self.lines.append({"patchline": {"destination": destination, "source": source}})
