"""Controls of a Max patch, one for each row of the table, wired to OSC and back.

In the patching view each is a column, from `r` at the top to `s` at the bottom, so that every
cable runs straight down. Answers `set` a control, so nothing goes round in circles.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from bridge.osc.schema import PARAM_PREFIX, PREFIX
from bridge.settings.groups import Group, groups, row_label
from bridge.settings.rows import Parameter
from scripts.max_boxes import Patcher, Rect
from scripts.patch_layout import default_text, note, preset_names

STRIP_W, STRIP_H = 290.0, 214.0
COLUMN_W, ROW_H = 430.0, 26.0
COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Ends:
    """Names of the patch's `send` and `receive`: messages for midi-diffuse, and from it."""

    out: str
    heard: str


def frame(patch: Patcher, width: float, height: float, about: str) -> dict[str, Any]:
    """Return a patcher as Max's JSON has it, in presentation."""
    version = {"major": 8, "minor": 5, "revision": 0, "architecture": "x64", "modernui": 1}
    return {
        "fileversion": 1,
        "appversion": version,
        "classnamespace": "box",
        "rect": [60.0, 80.0, width, height],
        "bglocked": 0,
        "openinpresentation": 1,
        "default_fontsize": 12.0,
        "default_fontface": 0,
        "default_fontname": "Arial",
        "gridonopen": 1,
        "gridsize": [15.0, 15.0],
        "description": about,
        "boxes": patch.boxes,
        "lines": patch.lines,
        "dependency_cache": [],
        "autosave": 0,
    }


def second_view(ends: Ends, shown: Container[str]) -> dict[str, Any]:
    """Return a patcher with every parameter that is not `shown` already, by group."""
    patch = Patcher()
    patch.add("inlet", "", (10, 6, 22, 22))
    y, tops = 20.0, [0.0] * COLUMNS
    for group in groups():
        rows = tuple(row for row in group.rows if row.name not in shown)
        if not rows:
            continue
        column = tops.index(min(tops))
        y += STRIP_H + 40
        place = (20.0 + column * (COLUMN_W + 12), 12.0 + tops[column])
        _group(patch, Group(group.title, rows), y, place, ends)
        tops[column] += 44 + ROW_H * len(rows)
    return frame(patch, COLUMNS * (COLUMN_W + 12) + 28, 24.0 + max(tops), "Every other parameter")


def open_button(patch: Patcher, inside: dict[str, Any], at: tuple[float, float], show: Rect) -> str:
    """Return a button that opens the second view; gives its id."""
    x, y = at
    button = patch.add("textbutton", "more ...", (x, y, 90, 24), show, hint="every other parameter")
    message = patch.add("message", "open", (x, y + 40, 50, 22))
    window = patch.window("more", inside, x, y + 104)
    patch.wire(button, message, patch.new("pcontrol", x, y + 72), window)
    return button


def _group(patch: Patcher, group: Group, y: float, show: tuple[float, float], ends: Ends) -> None:
    """Add a heading and a strip a parameter; in presentation a panel and a row a parameter."""
    show_x, show_y = show
    count = len(group.rows)
    grey = {"background": 1, "mode": 0, "bgcolor": [0.88, 0.89, 0.91, 1.0], "rounded": 6}
    patch.add(
        "panel",
        "",
        (10, y - 34, STRIP_W * count + 10, STRIP_H + 26),
        (show_x - 8, show_y, COLUMN_W, 36 + ROW_H * count),
        **grey,
    )
    bold = {"fontsize": 14.0, "fontface": 1}
    patch.add("comment", group.title, (20, y - 30, 200, 23), (show_x, show_y + 5, 200, 23), **bold)
    for i, row in enumerate(group.rows):
        sy = show_y + 32 + i * ROW_H
        strip(patch, row, (20.0 + i * STRIP_W, y), ends, _row_places(show_x, sy))
        patch.add(
            "comment",
            note(row),
            (110.0 + i * STRIP_W, y + 108, 135, 20),
            (show_x + 262, sy, 165, 20),
            fontsize=11.0,
        )


def _row_places(x: float, y: float) -> tuple[Rect, Rect]:
    """Where a row's name and its control are shown."""
    return (x, y, 150, 20), (x + 152, y, 104, 22)


def strip(
    patch: Patcher, row: Parameter, at: tuple[float, float], ends: Ends, show: tuple[Rect, Rect]
) -> None:
    """Add a control with its name, and its cables to OSC and back."""
    (x, y), (name_rect, control_rect) = at, show
    patch.add("comment", row_label(row), (x, y, 200, 20), name_rect, fontface=1)
    rect = (x, y + 108, 86.0, 22.0)
    join(patch, row, control(patch, row, rect, control_rect), (x, y + 24), ends)


def join(patch: Patcher, row: Parameter, box: str, at: tuple[float, float], ends: Ends) -> None:
    """Cable a control: answers set it, what it sends goes to the row's address."""
    x, y = at
    symbols = row.kind == "choice" or row.name == "preset"
    receive = patch.new(f"r {ends.heard}", x, y)
    route = patch.new(f"route {PARAM_PREFIX}{row.name}", x, y + 28)
    answer = patch.new("prepend setsymbol" if symbols else "prepend set", x, y + 56)
    patch.wire(receive, route, answer, box)
    prepend = patch.new(f"prepend {PREFIX}{row.name}", x, y + 140)
    if row.kind == "text" and row.name != "preset":
        patch.wire(box, patch.new("route text", x, y + 112), prepend)
    else:
        # Of a menu the item's name: an index means nothing where presets come and go.
        patch.wire((box, 1) if row.name == "preset" else box, prepend)
    patch.wire(prepend, patch.new(f"s {ends.out}", x, y + 166))


def control(patch: Patcher, row: Parameter, rect: Rect, show: Rect) -> str:
    """Return the box for a row; a menu for presets."""
    more: dict[str, Any] = {"hint": row.doc, "parameter_enable": 0, "varname": row.name}
    if row.kind == "bool":
        square = (show[0], show[1], 22.0, 22.0)
        return patch.add("toggle", "", (rect[0], rect[1], 22, 22), square, **more)
    if choices := preset_names() if row.name == "preset" else row.choices:
        items = [word for choice in choices for word in (choice, ",")][:-1]
        return patch.add("umenu", "", rect, show, items=items, **more)
    if row.kind == "text":
        more |= {"keymode": 1, "outputmode": 1, "lines": 1}
        return patch.add("textedit", default_text(row), rect, show, **more)
    if row.kind == "int":
        more |= {"minimum": int(row.low), "maximum": int(row.high)}
        return patch.add("number", "", rect, show, **more)
    more |= {"format": 6, "minimum": row.low, "maximum": row.high}
    return patch.add("flonum", "", rect, show, **more)
