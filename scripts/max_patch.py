"""The Max patch: essentials first, in presentation mode, without externals; and its help patch.

What is not essential is in a patcher within, which a button opens.
"""

from __future__ import annotations

from typing import Any

from bridge.osc.schema import OUT_PREFIX, PARAM_PREFIX, PREFIX
from bridge.osc.server import RENEW_S
from bridge.settings.actions import ACTION_BY_NAME
from bridge.settings.groups import APART, ESSENTIAL
from bridge.settings.parameters import BY_NAME, PARAMETERS
from scripts.max_boxes import Patcher, Rect
from scripts.max_controls import STRIP_H, STRIP_W, Ends, frame, open_button, second_view, strip
from scripts.patch_layout import BUTTONS, HOST, PING_MS, REPLY_PORT, SEND_PORT, SILENT_MS, TITLE

ENDS = Ends("midi-diffuse-out", "midi-diffuse-in")
SHOWN = (*APART, *ESSENTIAL)
WIDTH, HEIGHT = 812.0, 392.0
BUTTON_W = 88.0
"""From one button of the row to the next, in presentation."""


def build() -> dict[str, Any]:
    """Return the whole patch as Max's JSON document."""
    patch = Patcher()
    _heading(patch)
    network(patch, 800.0, 20.0, ENDS, REPLY_PORT)
    connected(patch, (1520.0, 20.0), ENDS, (20, 84, 22, 22))
    _status(patch, 20.0, 720.0)
    _buttons(patch, 500.0)
    for i, name in enumerate(SHOWN):
        strip(patch, BY_NAME[name], (20.0 + i * STRIP_W, 900.0), ENDS, _place(i))
    _notes(patch, 20.0, 900.0 + STRIP_H + 60, 354.0)
    open_button(patch, second_view(ENDS, SHOWN), (1300.0, 20.0), (690, 312, 102, 28))
    return {"patcher": frame(patch, WIDTH, HEIGHT, "Controls midi-diffuse over OSC")}


def help_patch() -> dict[str, Any]:
    """Return what Max opens for help: how to connect, and messages to try."""
    patch = Patcher()
    patch.add("comment", TITLE, (20, 10, 300, 33), (20, 12, 300, 33), fontsize=22.0, fontface=1)
    lines = (
        "1  In a terminal: midi-diffuse serve",
        "2  Open midi-diffuse.maxpat. The light turns on when midi-diffuse answers.",
        "3  Send notes to its MIDI port `midi-diffuse in`, or over OSC by the switch in the patch.",
        "4  Hear the reply: from its port `midi-diffuse out`, or by the other switch.",
        "5  Press start, or send MIDI clock; play. Every address is in OSC.md. Try some here:",
    )
    for i, line in enumerate(lines):
        patch.add("comment", line, (20, 60 + 26.0 * i, 640, 20), (20, 56 + 26.0 * i, 640, 20))
    send = patch.new(f"udpsend {HOST} {SEND_PORT}", 20, 420)
    for i, text in enumerate(
        (
            f"{PREFIX}mode continue",
            f"{PREFIX}chord C E G",
            f"{PREFIX}chord off",
            f"{PREFIX}density 6.",
            f"{PREFIX}start",
            f"{PREFIX}panic",
        )
    ):
        place = (20.0 + 210 * (i % 3), 210 + 40.0 * (i // 3), 200.0, 22.0)
        patch.wire(patch.add("message", text, place, place), send)
    return {"patcher": frame(patch, 680, 300, "Help for midi-diffuse")}


def _place(number: int) -> tuple[Rect, Rect]:
    """Name and control: three menus in a row, then two rows of four knobs."""
    if number < len(APART):
        x, y = 20.0 + 262 * number, 182.0
        return (x, y, 80, 20), (x + 82, y, 150, 22)
    i = number - len(APART)
    x, y = 20.0 + 196 * (i % 4), 224.0 + 40 * (i // 4)
    return (x, y, 92, 20), (x + 94, y, 90, 22)


def _heading(patch: Patcher) -> None:
    patch.add("comment", TITLE, (20, 10, 300, 33), (20, 12, 220, 33), fontsize=22.0, fontface=1)
    text = (
        f"Sends OSC to {HOST} port {SEND_PORT}, hears answers on port {REPLY_PORT}. "
        "Start `midi-diffuse serve` first; every address is in OSC.md."
    )
    patch.add("comment", text, (20, 45, 760, 20), (20, 46, 760, 20))


def network(patch: Patcher, x: float, y: float, ends: Ends, reply_port: int) -> str:
    """Out, in, and what happens when the patch opens; gives the box to bang for all of it."""
    receive = patch.new(f"r {ends.out}", x, y)
    host = patch.add("message", f"host {HOST}", (x + 160, y, 110, 22))
    port = patch.add("message", f"port {SEND_PORT}", (x + 280, y, 80, 22))
    send = patch.new(f"udpsend {HOST} {SEND_PORT}", x, y + 40)
    for source in (receive, host, port):
        patch.wire(source, send)
    patch.wire(
        patch.new(f"udpreceive {reply_port}", x, y + 90), patch.new(f"s {ends.heard}", x, y + 130)
    )
    patch.add(
        "comment", "send elsewhere: edit and click", (x + 160, y + 26, 200, 20), None, fontsize=11.0
    )
    load, wait = patch.new("loadbang", x, y + 180), patch.new("delay 300", x, y + 210)
    subscribe = patch.add(
        "message", f"{PREFIX}subscribe {HOST} {reply_port}", (x, y + 245, 250, 22)
    )
    ask = patch.add(
        "message",
        ", ".join(PREFIX + row.name for row in PARAMETERS),
        (x + 270, y + 180, 420, 110),
        linecount=7,
    )
    out = patch.new(f"s {ends.out}", x, y + 280)
    # A subscription ends unless it is renewed.
    again = patch.new(f"metro {RENEW_S * 1000}", x + 120, y + 212)
    patch.wire(load, wait, subscribe, out)
    patch.wire(wait, again, subscribe)
    patch.wire(wait, ask, out)
    return wait


def connected(patch: Patcher, at: tuple[float, float], ends: Ends, show: Rect) -> None:
    """Add a light that is on while midi-diffuse answers."""
    x, y = at
    load, ask = patch.new("loadbang", x, y), patch.new(f"metro {PING_MS}", x, y + 30)
    ping = patch.add("message", f"{PREFIX}ping", (x, y + 60, 110, 22))
    patch.wire(load, ask, ping, patch.new(f"s {ends.out}", x, y + 90))
    x += 200
    heard = patch.new(f"r {ends.heard}", x, y)
    pong = patch.new(f"route {OUT_PREFIX}pong", x, y + 30)
    on = patch.add("message", "1", (x, y + 60, 40, 22))
    off = patch.add("message", "0", (x + 60, y + 90, 40, 22))
    light = patch.add("led", "", (x, y + 120, 22, 22), show, hint="midi-diffuse answers")
    patch.wire(heard, pong, on, light)
    patch.wire(pong, patch.new(f"delay {SILENT_MS}", x + 100, y + 60), off, light)


def _buttons(patch: Patcher, y: float) -> None:
    """Actions without arguments, and freeze."""
    for i, name in enumerate(BUTTONS):
        show = (20.0 + i * BUTTON_W, 142.0, BUTTON_W - 8, 28.0)
        button(patch, name, (20.0 + i * STRIP_W, y), ENDS, show)
    x = 20.0 + len(BUTTONS) * STRIP_W
    left = 20.0
    toggle = patch.add("toggle", "", (x, y, 24, 24), (left, 314, 24, 24))
    patch.add("comment", "freeze the loop", (x + 30, y, 150, 20), (left + 28, 316, 110, 20))
    patch.wire(
        toggle,
        patch.new(f"prepend {PREFIX}freeze", x, y + 50),
        patch.new(f"s {ENDS.out}", x, y + 90),
    )


def button(patch: Patcher, name: str, at: tuple[float, float], ends: Ends, show: Rect) -> None:
    """Add a button for an action; panic is red."""
    x, y = at
    panic = {"bgcolor": [0.75, 0.2, 0.2, 1.0], "fontface": 1} if name == "panic" else {}
    hint = ACTION_BY_NAME[name].doc
    box = patch.add("textbutton", name, (x, y, 90, 24), show, hint=hint, **panic)
    message = patch.add("message", PREFIX + name, (x, y + 50, 130, 22))
    patch.wire(box, message, patch.new(f"s {ends.out}", x, y + 90))


STATUS: tuple[tuple[str, float, float], ...] = (
    ("state", 52, 190),
    ("bar", 250, 60),
    ("chord_now", 318, 110),
    ("key", 436, 90),
    ("latency", 534, 60),
    ("late", 602, 60),
    ("error", 670, 122),
)
"""What midi-diffuse says of itself: address, left edge and width in presentation."""


def _status(patch: Patcher, x: float, y: float) -> None:
    for i, (name, show_x, width) in enumerate(STATUS):
        left = x + i * STRIP_W
        told(patch, name, (left, y), ENDS, ((show_x, 66, width, 20), (show_x, 88, width, 22)))
    left = x + len(STATUS) * STRIP_W
    stats = patch.new(f"route {OUT_PREFIX}stats", left, y + 28)
    heard = patch.new(f"r {ENDS.heard}", left, y)
    patch.wire(heard, stats, patch.new("print midi-diffuse", left, y + 60))


def told(
    patch: Patcher, name: str, at: tuple[float, float], ends: Ends, show: tuple[Rect, Rect]
) -> None:
    """Add a title, and a box that shows what midi-diffuse says last; the chord is large."""
    x, y = at
    title, large = name.removesuffix("_now"), name == "chord_now"
    patch.add("comment", title, (x, y - 24, 60, 20), show[0], fontface=1)
    more = {"fontsize": 22.0} if large else {}
    rect = (show[1][0], show[1][1], show[1][2], 34.0) if large else show[1]
    box = patch.add("message", "", (x, y + 90, 200, 34.0 if large else 22.0), rect, **more)
    patch.wire(
        patch.new(f"r {ends.heard}", x, y),
        patch.new(f"route {OUT_PREFIX}{name}", x, y + 28),
        patch.new("prepend set", x, y + 60),
        box,
    )


def _notes(patch: Patcher, x: float, y: float, show_y: float) -> None:
    """Add notes in from Max's MIDI input, and the reply's to its output; both optional."""
    patch.add(
        "comment",
        "notes over OSC instead of MIDI ports:",
        (x, y - 30, 300, 20),
        (20, show_y + 2, 250, 20),
    )
    send_on = patch.add("toggle", "", (x, y, 24, 24), (280, show_y, 24, 24))
    patch.add("comment", "send Max's MIDI input", (x + 30, y, 160, 20), (308, show_y + 2, 160, 20))
    send_notes(patch, (x, y + 30), send_on, ENDS)
    left = x + 330
    play_on = patch.add("toggle", "", (left, y, 24, 24), (490, show_y, 24, 24))
    patch.add(
        "comment",
        "play the reply on Max's MIDI output",
        (left + 30, y, 230, 20),
        (518, show_y + 2, 240, 20),
    )
    play_notes(patch, (left, y + 30), play_on, ENDS)


def send_notes(patch: Patcher, at: tuple[float, float], switch: str, ends: Ends) -> None:
    """Send what `notein` hears to midi-diffuse while the switch is on."""
    x, y = at
    note_in, pack = patch.new("notein", x + 60, y), patch.new("pack 0 0 0", x + 60, y + 30)
    gate = patch.new("gate", x, y + 65)
    for outlet in (2, 1, 0):
        patch.wire((note_in, outlet), (pack, outlet))
    patch.wire(switch, gate)
    patch.wire(pack, (gate, 1))
    out = patch.new(f"s {ends.out}", x, y + 130)
    patch.wire(gate, patch.new(f"prepend {PREFIX}note", x, y + 100), out)


def play_notes(patch: Patcher, at: tuple[float, float], switch: str, ends: Ends) -> None:
    """Send the reply's notes to `noteout` while the switch is on."""
    x, y = at
    heard = patch.new(f"r {ends.heard}", x + 60, y)
    route = patch.new(f"route {OUT_PREFIX}note {PARAM_PREFIX}tempo", x + 60, y + 30)
    gate = patch.new("gate", x, y + 65)
    unpack = patch.new("unpack 0 0 0. 0.", x, y + 100)
    length = patch.new("expr $f1*60000./$f2", x + 130, y + 135)
    make, midi = patch.new("makenote 80 500", x, y + 170), patch.new("noteout", x, y + 205)
    patch.wire(heard, route, (gate, 1))
    patch.wire((route, 1), (length, 1))
    patch.wire(switch, gate)
    patch.wire(gate, unpack)
    patch.wire((unpack, 3), length, (make, 2))
    patch.wire((unpack, 1), (make, 1))
    patch.wire(unpack, make, midi)
    patch.wire((make, 1), (midi, 1))
