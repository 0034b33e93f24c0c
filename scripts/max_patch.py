"""The Max patch: a control for every parameter, in presentation mode, without externals.

Patching view: one column a parameter, from `r` at the top to `s` at the bottom, so that every
cable runs straight down. Answers `set` a control, so nothing goes round in circles.
"""

from __future__ import annotations

from typing import Any

from bridge.osc.schema import OUT_PREFIX, PARAM_PREFIX, PREFIX
from bridge.osc.server import RENEW_S
from bridge.settings.actions import ACTION_BY_NAME
from bridge.settings.groups import Group, groups, label
from bridge.settings.parameters import PARAMETERS
from bridge.settings.rows import Parameter
from scripts.max_boxes import Patcher, Rect
from scripts.patch_layout import (
    BUTTONS,
    HOST,
    REPLY_PORT,
    SEND_PORT,
    TITLE,
    default_text,
    note,
)

OUT, IN = "midi-diffuse-out", "midi-diffuse-in"

STRIP_W, STRIP_H = 290.0, 214.0
COLUMN_W, ROW_H = 430.0, 26.0

BUTTON_W = 82.0
"""From one button of the row to the next, in presentation."""


def build() -> dict[str, Any]:
    """The whole patch as Max's JSON document."""
    patch = Patcher()
    _heading(patch)
    _network(patch, 800.0, 20.0)
    y = 330.0
    _buttons(patch, y)
    tops = [0.0, 0.0, 0.0]
    for i, group in enumerate(groups()):
        y += STRIP_H + 40
        column = i % len(tops)
        _group(patch, group, y, 20.0 + column * (COLUMN_W + 12), 178.0 + tops[column])
        tops[column] += 44 + ROW_H * len(group.rows)
    _status(patch, 20.0, y + STRIP_H + 60)
    _notes(patch, 20.0, y + 2 * STRIP_H + 60, 178.0 + max(tops))
    return {"patcher": _frame(patch, 3 * (COLUMN_W + 12) + 28, 178.0 + max(tops) + 70)}


def _frame(patch: Patcher, width: float, height: float) -> dict[str, Any]:
    return {
        "fileversion": 1,
        "appversion": {
            "major": 8,
            "minor": 5,
            "revision": 0,
            "architecture": "x64",
            "modernui": 1,
        },
        "classnamespace": "box",
        "rect": [60.0, 80.0, width, height],
        "bglocked": 0,
        "openinpresentation": 1,
        "default_fontsize": 12.0,
        "default_fontface": 0,
        "default_fontname": "Arial",
        "gridonopen": 1,
        "gridsize": [15.0, 15.0],
        "description": "Controls midi-diffuse over OSC",
        "boxes": patch.boxes,
        "lines": patch.lines,
        "dependency_cache": [],
        "autosave": 0,
    }


def _heading(patch: Patcher) -> None:
    patch.add("comment", TITLE, (20, 10, 300, 33), (20, 12, 220, 33), fontsize=22.0, fontface=1)
    text = (
        f"Sends OSC to {HOST} port {SEND_PORT}, hears answers on port {REPLY_PORT}. "
        "Start `midi-diffuse serve` first; every address is in OSC.md."
    )
    patch.add("comment", text, (20, 45, 760, 20), (20, 46, 760, 20))


def _network(patch: Patcher, x: float, y: float) -> None:
    """Out, in, and what happens when the patch opens."""
    receive = patch.new(f"r {OUT}", x, y)
    host = patch.add("message", f"host {HOST}", (x + 160, y, 110, 22))
    port = patch.add("message", f"port {SEND_PORT}", (x + 280, y, 80, 22))
    send = patch.new(f"udpsend {HOST} {SEND_PORT}", x, y + 40)
    for source in (receive, host, port):
        patch.wire(source, send)
    patch.wire(patch.new(f"udpreceive {REPLY_PORT}", x, y + 90), patch.new(f"s {IN}", x, y + 130))
    patch.add(
        "comment", "send elsewhere: edit and click", (x + 160, y + 26, 200, 20), None, fontsize=11.0
    )
    load, wait = patch.new("loadbang", x, y + 180), patch.new("delay 300", x, y + 210)
    refresh = patch.add(
        "textbutton",
        "refresh",
        (x + 120, y + 180, 90, 24),
        (820, 76, 92, 28),
        hint="ask for every value, and subscribe to what is sent",
    )
    subscribe = patch.add(
        "message",
        f"{PREFIX}subscribe {HOST} {REPLY_PORT}",
        (x, y + 245, 250, 22),
    )
    ask = patch.add(
        "message",
        ", ".join(PREFIX + row.name for row in PARAMETERS),
        (x + 270, y + 180, 420, 110),
        linecount=7,
    )
    out = patch.new(f"s {OUT}", x, y + 280)
    # A subscription ends unless it is renewed.
    again = patch.new(f"metro {RENEW_S * 1000}", x + 120, y + 212)
    patch.wire(load, wait, subscribe, out)
    patch.wire(wait, again, subscribe)
    patch.wire(wait, ask, out)
    patch.wire(refresh, subscribe)
    patch.wire(refresh, ask)


def _buttons(patch: Patcher, y: float) -> None:
    """Actions without arguments, and freeze."""
    for i, name in enumerate(BUTTONS):
        x = 20.0 + i * STRIP_W
        colours = {"bgcolor": [0.75, 0.2, 0.2, 1.0]} if name == "panic" else {}
        button = patch.add(
            "textbutton",
            name,
            (x, y, 90, 24),
            (20.0 + i * BUTTON_W, 76, BUTTON_W - 8, 28),
            hint=ACTION_BY_NAME[name].doc,
            fontface=1 if name == "panic" else 0,
            **colours,
        )
        message = patch.add("message", PREFIX + name, (x, y + 50, 130, 22))
        patch.wire(button, message, patch.new(f"s {OUT}", x, y + 90))
    x = 20.0 + len(BUTTONS) * STRIP_W
    toggle = patch.add("toggle", "", (x, y, 24, 24), (20.0 + BUTTON_W * len(BUTTONS), 78, 24, 24))
    shown = (48.0 + BUTTON_W * len(BUTTONS), 80.0, 110.0, 20.0)
    patch.add("comment", "freeze the loop", (x + 30, y, 150, 20), shown)
    patch.wire(
        toggle, patch.new(f"prepend {PREFIX}freeze", x, y + 50), patch.new(f"s {OUT}", x, y + 90)
    )


def _group(patch: Patcher, group: Group, y: float, show_x: float, show_y: float) -> None:
    """A heading and a strip a parameter; in presentation a panel and a row a parameter."""
    patch.add(
        "panel",
        "",
        (10, y - 34, STRIP_W * len(group.rows) + 10, STRIP_H + 26),
        (show_x - 8, show_y, COLUMN_W, 36 + ROW_H * len(group.rows)),
        background=1,
        mode=0,
        bgcolor=[0.88, 0.89, 0.91, 1.0],
        rounded=6,
    )
    patch.add(
        "comment",
        group.title,
        (20, y - 30, 200, 23),
        (show_x, show_y + 5, 200, 23),
        fontsize=14.0,
        fontface=1,
    )
    for i, row in enumerate(group.rows):
        _strip(patch, row, 20.0 + i * STRIP_W, y, show_x, show_y + 32 + i * ROW_H)


def _strip(patch: Patcher, row: Parameter, x: float, y: float, sx: float, sy: float) -> None:
    address = PREFIX + row.name
    patch.add("comment", label(row), (x, y, 200, 20), (sx, sy, 150, 20), fontface=1)
    y += 24
    patch.add(
        "comment", note(row), (x + 90, y + 84, 135, 20), (sx + 262, sy, 165, 20), fontsize=11.0
    )
    receive = patch.new(f"r {IN}", x, y)
    route = patch.new(f"route {PARAM_PREFIX}{row.name}", x, y + 28)
    answer = patch.new("prepend setsymbol" if row.kind == "choice" else "prepend set", x, y + 56)
    control = _control(patch, row, (x, y + 84, 86, 22), (sx + 152, sy, 104, 22))
    patch.wire(receive, route, answer, control)
    prepend = patch.new(f"prepend {address}", x, y + 140)
    if row.kind == "text":
        text = patch.new("route text", x, y + 112)
        patch.wire(control, text, prepend)
    else:
        patch.wire(control, prepend)
    patch.wire(prepend, patch.new(f"s {OUT}", x, y + 166))


def _control(patch: Patcher, row: Parameter, rect: Rect, show: Rect) -> str:
    more: dict[str, Any] = {"hint": row.doc, "parameter_enable": 0, "varname": row.name}
    if row.kind == "bool":
        square = (show[0], show[1], 22.0, 22.0)
        return patch.add("toggle", "", (rect[0], rect[1], 22, 22), square, **more)
    if row.kind == "choice":
        items: list[str] = []
        for choice in row.choices:
            items += [choice, ","] if choice != row.choices[-1] else [choice]
        return patch.add("umenu", "", rect, show, items=items, **more)
    if row.kind == "text":
        more |= {"keymode": 1, "outputmode": 1, "lines": 1}
        return patch.add("textedit", default_text(row), rect, show, **more)
    if row.kind == "int":
        more |= {"minimum": int(row.low), "maximum": int(row.high)}
        return patch.add("number", "", rect, show, **more)
    more |= {"format": 6, "minimum": row.low, "maximum": row.high}
    return patch.add("flonum", "", rect, show, **more)


def _status(patch: Patcher, x: float, y: float) -> None:
    """What midi-diffuse says of itself, above the groups."""
    shown = (
        ("state", 20, 200),
        ("bar", 272, 60),
        ("late", 390, 60),
        ("chord_now", 508, 90),
        ("key", 610, 90),
        ("error", 712, 576),
    )
    for i, (name, sx, width) in enumerate(shown):
        left = x + i * STRIP_W
        title = name.removesuffix("_now")
        patch.add("comment", title, (left, y - 24, 60, 20), (sx, 114, 60, 20), fontface=1)
        box = patch.add("message", "", (left, y + 90, 200, 22), (sx, 134, width, 22))
        patch.wire(
            patch.new(f"r {IN}", left, y),
            patch.new(f"route {OUT_PREFIX}{name}", left, y + 28),
            patch.new("prepend set", left, y + 60),
            box,
        )
    left = x + len(shown) * STRIP_W
    stats = patch.new(f"route {OUT_PREFIX}stats", left, y + 28)
    patch.wire(patch.new(f"r {IN}", left, y), stats, patch.new("print midi-diffuse", left, y + 60))


def _notes(patch: Patcher, x: float, y: float, show_y: float) -> None:
    """Notes in from Max's MIDI input, and the reply's notes to its MIDI output; both optional."""
    patch.add(
        "comment",
        "notes over OSC instead of MIDI ports:",
        (x, y - 30, 300, 20),
        (20, show_y + 8, 250, 20),
    )
    send_on = patch.add("toggle", "", (x, y, 24, 24), (280, show_y + 6, 24, 24))
    patch.add("comment", "send Max's MIDI input", (x + 30, y, 160, 20), (308, show_y + 8, 160, 20))
    note_in, pack = patch.new("notein", x + 60, y + 30), patch.new("pack 0 0 0", x + 60, y + 60)
    gate = patch.new("gate", x, y + 95)
    for outlet in (2, 1, 0):
        patch.wire((note_in, outlet), (pack, outlet))
    patch.wire(send_on, gate)
    patch.wire(pack, (gate, 1))
    out = patch.new(f"s {OUT}", x, y + 160)
    patch.wire(gate, patch.new(f"prepend {PREFIX}note", x, y + 130), out)

    left = x + 330
    play_on = patch.add("toggle", "", (left, y, 24, 24), (490, show_y + 6, 24, 24))
    patch.add(
        "comment",
        "play the reply on Max's MIDI output",
        (left + 30, y, 230, 20),
        (518, show_y + 8, 240, 20),
    )
    heard = patch.new(f"r {IN}", left + 60, y + 30)
    route = patch.new(f"route {OUT_PREFIX}note {PARAM_PREFIX}tempo", left + 60, y + 60)
    gate = patch.new("gate", left, y + 95)
    unpack = patch.new("unpack 0 0 0. 0.", left, y + 130)
    length = patch.new("expr $f1*60000./$f2", left + 130, y + 165)
    make, midi = patch.new("makenote 80 500", left, y + 200), patch.new("noteout", left, y + 235)
    patch.wire(heard, route, (gate, 1))
    patch.wire((route, 1), (length, 1))
    patch.wire(play_on, gate)
    patch.wire(gate, unpack)
    patch.wire((unpack, 3), length, (make, 2))
    patch.wire((unpack, 1), (make, 1))
    patch.wire(unpack, make, midi)
    patch.wire((make, 1), (midi, 1))
