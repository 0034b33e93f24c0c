"""The Pure Data patch: the same controls as Max's, in vanilla Pd.

The top canvas shows controls only; they reach the sub-canvases `pd to-osc` and `pd from-osc` by
name, `md-NAME` out of a control and `md-NAME-set` into it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.osc.server import RENEW_S
from bridge.settings.groups import APART, ESSENTIAL, Group, groups, row_label
from bridge.settings.parameters import BY_NAME
from bridge.settings.rows import Parameter
from scripts.patch_layout import (
    BUTTONS,
    HOST,
    PING_MS,
    REPLY_PORT,
    SEND_PORT,
    SILENT_MS,
    TITLE,
    note,
    preset_names,
)

COLUMN_W, ROW_H = 470, 26
RADIO = 12
_SHOWN = (*APART, *ESSENTIAL)
"""What the top canvas shows of the parameters."""
_FONT = "empty {x} {y} 0 12 #fcfcfc #000000 #000000"
_STATUS: tuple[tuple[str, str, int], ...] = (
    ("state", "symbolatom", 24),
    ("bar", "floatatom", 6),
    ("late", "floatatom", 6),
    ("latency", "floatatom", 6),
    ("chord_now", "symbolatom", 10),
    ("key", "symbolatom", 10),
)
"""What midi-diffuse says of itself: address, kind of box, width in characters."""


@dataclass
class Canvas:
    """One canvas under construction: its lines, and how many objects it has."""

    width: int
    height: int
    name: str = ""
    lines: list[str] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: str) -> int:
        """Add an element; returns its number, by which cables find it."""
        self.lines.append(f"#X {line};")
        self.count += 1
        return self.count - 1

    def obj(self, x: int, y: int, text: str) -> int:
        """Add an object box."""
        return self.add(f"obj {x} {y} {text}")

    def msg(self, x: int, y: int, text: str) -> int:
        """Add a message box."""
        return self.add(f"msg {x} {y} {escape(text)}")

    def text(self, x: int, y: int, text: str, width: int) -> int:
        """Add a comment `width` characters wide."""
        return self.add(f"text {x} {y} {escape(text)}, f {width}")

    def wire(self, *path: int | tuple[int, int]) -> None:
        """Cable each element to the next; (number, n) leaves by outlet n or enters by inlet n."""
        for i in range(len(path) - 1):
            start, end = path[i], path[i + 1]
            source = start if isinstance(start, tuple) else (start, 0)
            target = end if isinstance(end, tuple) else (end, 0)
            self.connections.append(f"#X connect {source[0]} {source[1]} {target[0]} {target[1]};")

    def put_inside(self, parent: Canvas, x: int, y: int) -> None:
        """Make this a sub-canvas of `parent`."""
        head = f"#N canvas 60 60 {self.width} {self.height} {self.name} 0;"
        body = [head, *self.lines, *self.connections]
        parent.lines += [*body, f"#X restore {x} {y} pd {self.name};"]
        parent.count += 1


def escape(text: str) -> str:
    """Text as a Pd file holds it."""
    return text.replace(",", " \\,").replace(";", " \\;").replace("$", "\\$")


def build() -> str:
    """Return the whole patch as the text of a .pd file."""
    top = Canvas(2 * COLUMN_W + 20, 700)
    _heading(top)
    half = (len(_SHOWN) + 1) // 2
    for i, name in enumerate(_SHOWN):
        _row(top, BY_NAME[name], 18 + i // half * COLUMN_W, 176 + i % half * ROW_H)
    bottom = 176 + half * ROW_H + 12
    _note_switches(top, bottom)
    top.text(14, bottom + 34, "every other parameter (click):", 30)
    _more().put_inside(top, 240, bottom + 32)
    x = 400
    for canvas in (_to_osc(), _from_osc(), _radios(), _network(), _notes()):
        canvas.put_inside(top, x, bottom + 32)
        x += 90
    head = f"#N canvas 40 40 {top.width} {bottom + 76} 12;"
    return "\n".join([head, *top.lines, *top.connections]) + "\n"


def _more() -> Canvas:
    """Every parameter that the top canvas does not show, by group."""
    canvas = Canvas(3 * COLUMN_W + 20, 0, "more")
    tops = [14, 14, 14]
    for group in groups():
        rows = tuple(row for row in group.rows if row.name not in _SHOWN)
        if not rows:
            continue
        column = tops.index(min(tops))
        _group(canvas, Group(group.title, rows), 14 + column * COLUMN_W, tops[column])
        tops[column] += 46 + ROW_H * len(rows)
    canvas.height = max(tops) + 10
    return canvas


def _button(top: Canvas, x: int, y: int, name: str, colour: str = "#fcfcfc") -> None:
    top.obj(x, y, f"bng 24 250 50 0 md-{name} empty empty 0 -8 0 12 {colour} #000000 #000000")
    top.text(x + 30, y + 4, name, len(name))


def _toggle(top: Canvas, x: int, y: int, name: str, size: int = 18) -> None:
    top.obj(
        x,
        y,
        f"tgl {size} 0 md-{name} md-{name}-set empty 0 -8 0 12 #fcfcfc #000000 #000000 0 1",
    )


def _heading(top: Canvas) -> None:
    top.obj(10, 8, f"cnv 15 4 4 empty empty {TITLE} 6 12 0 22 #ffffff #202020 0")
    text = (
        f"Sends OSC to {HOST} port {SEND_PORT} and hears answers on port {REPLY_PORT} of it. "
        "Start midi-diffuse serve first."
    )
    top.text(14, 42, text, 130)
    x = 16
    for name in BUTTONS:
        _button(top, x, 72, name, "#e06060" if name == "panic" else "#fcfcfc")
        x += 44 + 8 * len(name)
    _toggle(top, x, 74, "freeze")
    top.text(x + 24, 76, "freeze the loop", 15)
    _button(top, x + 148, 72, "refresh")
    look = "empty 0 -8 0 12 #fcfcfc #000000 #30a050 0 1"
    top.obj(240, 12, f"tgl 20 0 md-ignored md-connected-set {look}")
    top.text(266, 14, "midi-diffuse answers", 22)
    x = 16
    for name, kind, width in _STATUS:
        top.text(x, 108, name.removesuffix("_now"), 8)
        top.add(f"{kind} {x} 128 {width} 0 0 0 - md-told-{name}-set - 12")
        x += 7 * width + 24
    top.text(x, 108, "error", 6)
    top.add(f"symbolatom {x} 128 16 0 0 0 - md-error-id-set - 12")
    top.add(f"symbolatom {x + 124} 128 24 0 0 0 - md-error-set - 12")


def _group(top: Canvas, group: Group, x: int, y: int) -> None:
    height = 38 + ROW_H * len(group.rows)
    size = f"{COLUMN_W - 12} {height}"
    top.obj(x - 4, y, f"cnv 15 {size} empty empty {group.title} 8 14 0 16 #e2e4e8 #202020 0")
    for i, row in enumerate(group.rows):
        _row(top, row, x + 4, y + 32 + i * ROW_H)


def _row(top: Canvas, row: Parameter, x: int, y: int) -> None:
    top.text(x, y, row_label(row), 22)
    left, name = x + 152, f"md-{row.name}"
    if row.kind == "bool":
        _toggle(top, left, y, row.name)
    elif row.kind == "choice":
        count = len(row.choices)
        look = "empty 0 -8 0 12 #fcfcfc #000000 #000000 0"
        top.obj(left, y + 2, f"hradio {RADIO} 1 0 {count} {name} {name}-radio {look}")
        shown = left + RADIO * count + 8
        top.add(f"symbolatom {shown} {y} 14 0 0 0 - {name}-set - 12")
    elif row.name == "preset":
        look = "empty 0 -8 0 12 #fcfcfc #000000 #000000 0"
        count = len(preset_names())
        top.obj(left, y + 2, f"hradio {RADIO} 1 0 {count} {name}-choice {name}-radio {look}")
        shown = left + RADIO * count + 8
        top.add(f"symbolatom {shown} {y} 14 0 0 0 - {name}-set {name} 12")
    else:
        kind = "symbolatom" if row.kind == "text" else "floatatom"
        low, high = (0, 0) if row.kind == "text" else (row.low, row.high)
        limits = f"{low:.10g} {high:.10g}"
        top.add(f"{kind} {left} {y} 12 {limits} 0 - {name}-set {name} 12")
    if row.kind != "choice" and row.name != "preset":
        top.text(x + 262, y, note(row), 28)


def _note_switches(top: Canvas, y: int) -> None:
    top.text(14, y, "notes over OSC instead of MIDI ports:", 38)
    _toggle(top, 290, y, "send-notes")
    top.text(314, y, "send Pd's MIDI input", 22)
    _toggle(top, 490, y, "play-notes")
    top.text(514, y, "play the reply on Pd's MIDI output", 36)


def _to_osc() -> Canvas:
    """Return a message for every control: `r md-NAME` to `oscformat diffuse NAME`; refresh asks
    all."""
    canvas = Canvas(1280, 900, "to-osc")
    names = [row.name for group in groups() for row in group.rows]
    for i, name in enumerate((*names, *BUTTONS, "freeze")):
        x, y = 20 + i % 5 * 240, 20 + i // 5 * 90
        source = canvas.obj(x, y, f"r md-{name}")
        form = canvas.obj(x, y + 26, f"oscformat diffuse {name}")
        canvas.wire(source, form, canvas.obj(x, y + 52, "s md-osc"))
        if name in names:
            canvas.wire(canvas.obj(x + 130, y, "r md-refresh"), form)
    return canvas


def _from_osc() -> Canvas:
    """Answers set their control without sending it again."""
    canvas = Canvas(1500, 1000, "from-osc")
    y = 20
    for group in groups():
        source = canvas.obj(20, y, "r md-param")
        route = canvas.obj(20, y + 28, "route " + " ".join(row.name for row in group.rows))
        canvas.wire(source, route)
        for i, row in enumerate(group.rows):
            _answer(canvas, (route, i), 20 + i * 180, y + 64, row)
        y += 200
    names = [name for name, _, _ in _STATUS]
    out = canvas.obj(20, y, "route out")
    route = canvas.obj(20, y + 28, f"route {' '.join(names)} freeze error param pong")
    source = canvas.obj(20, y - 28, "r md-in")
    canvas.wire(source, out, route)
    for i, name in enumerate(names):
        _set(canvas, (route, i), 20 + i * 180, y + 64, f"md-told-{name}-set")
    x = 20 + len(names) * 180
    _set(canvas, (route, len(names)), x, y + 64, "md-freeze-set")
    canvas.wire((route, len(names) + 2), canvas.obj(x + 560, y + 64, "s md-param"))
    _connected(canvas, (route, len(names) + 3), x + 740, y + 64)
    x += 180
    error = canvas.obj(x, y + 64, "list")
    unpack = canvas.obj(x, y + 90, "unpack s s")
    canvas.wire((route, len(names) + 1), error, unpack)
    for outlet, target in enumerate(("md-error-id-set", "md-error-set")):
        _set(canvas, (unpack, outlet), x + outlet * 180, y + 120, target)
    return canvas


def _connected(canvas: Canvas, pong: tuple[int, int], x: int, y: int) -> None:
    """Add a light that is on while midi-diffuse answers."""
    on, off = canvas.msg(x, y + 30, "1"), canvas.msg(x + 60, y + 60, "0")
    light = canvas.obj(x, y + 90, "s md-connected")
    canvas.wire(pong, on, light)
    canvas.wire(pong, canvas.obj(x + 60, y + 30, f"del {SILENT_MS}"), off, light)
    _set(canvas, canvas.obj(x, y + 120, "r md-connected"), x, y + 146, "md-connected-set")


def _answer(canvas: Canvas, source: tuple[int, int], x: int, y: int, row: Parameter) -> None:
    _set(canvas, source, x, y, f"md-{row.name}-set")
    if row.name == "tempo":
        canvas.wire(source, canvas.obj(x, y + 90, "s md-tempo-value"))
    if row.kind == "choice" or row.name == "preset":
        canvas.wire(source, canvas.obj(x, y + 90, f"s md-{row.name}-name"))


def _radios() -> Canvas:
    """Return the name of a choice sets its row of buttons, which knows it by number."""
    canvas = Canvas(900, 1000, "radios")
    rows = [row for group in groups() for row in group.rows if row.kind == "choice"]
    names = {row.name: row.choices for row in rows} | {"preset": preset_names()}
    for i, (name, choices) in enumerate(names.items()):
        y = 20 + 130 * i
        route = canvas.obj(20, y + 28, "route " + " ".join(choices))
        canvas.wire(canvas.obj(20, y, f"r md-{name}-name"), route)
        target = canvas.obj(20, y + 88, f"s md-{name}-radio")
        for choice in range(len(choices)):
            message = canvas.msg(20 + 60 * choice, y + 58, f"set {choice}")
            canvas.wire((route, choice), message, target)
    _chosen_preset(canvas, 20 + 130 * len(names))
    return canvas


def _chosen_preset(canvas: Canvas, y: int) -> None:
    """Ask for presets by name; the row of buttons knows them by number."""
    names = preset_names()
    numbers = " ".join(str(i) for i in range(len(names)))
    choice = canvas.obj(20, y + 28, f"sel {numbers}")
    canvas.wire(canvas.obj(20, y, "r md-preset-choice"), choice)
    target = canvas.obj(20, y + 88, "s md-preset")
    for i, name in enumerate(names):
        canvas.wire((choice, i), canvas.msg(20 + 130 * i, y + 58, f"symbol {name}"), target)


def _set(canvas: Canvas, source: int | tuple[int, int], x: int, y: int, target: str) -> None:
    prepend, trim = canvas.obj(x, y, "list prepend set"), canvas.obj(x, y + 26, "list trim")
    canvas.wire(source, prepend, trim, canvas.obj(x, y + 52, f"s {target}"))


def _network() -> Canvas:
    """UDP out and in; when the patch opens it connects, subscribes and asks for every value."""
    canvas = Canvas(640, 480, "network")
    load = canvas.obj(20, 20, "loadbang")
    both = canvas.obj(20, 50, "t b b b")
    listen = canvas.msg(400, 90, f"listen {REPLY_PORT}")
    connect = canvas.msg(180, 90, f"connect {HOST} {SEND_PORT}")
    wait = canvas.obj(20, 90, "del 300")
    canvas.wire(load, both, wait, canvas.obj(20, 120, "s md-refresh"))
    canvas.wire((both, 1), connect)
    canvas.wire((both, 2), listen)
    subscribe = canvas.msg(20, 190, f"list {HOST} {REPLY_PORT}")
    canvas.wire(canvas.obj(20, 160, "r md-refresh"), subscribe)
    # A subscription ends unless it is renewed.
    again = canvas.obj(180, 160, f"metro {RENEW_S * 1000}")
    canvas.wire(wait, again, subscribe)
    ask = canvas.obj(20, 380, f"metro {PING_MS}")
    ping = canvas.obj(20, 410, "oscformat diffuse ping")
    canvas.wire(wait, ask, ping, canvas.obj(20, 440, "s md-osc"))
    form = canvas.obj(20, 220, "oscformat diffuse subscribe")
    prepend, trim = canvas.obj(20, 260, "list prepend send"), canvas.obj(20, 290, "list trim")
    send = canvas.obj(20, 330, "netsend -u -b")
    canvas.wire(subscribe, form, prepend, trim, send)
    canvas.wire(canvas.obj(240, 220, "r md-osc"), prepend)
    canvas.wire(connect, send)
    receive = canvas.obj(400, 250, "netreceive -u -b")
    canvas.wire(listen, receive)
    parse, trim = canvas.obj(400, 280, "oscparse"), canvas.obj(400, 310, "list trim")
    route = canvas.obj(400, 340, "route diffuse")
    canvas.wire(receive, parse, trim, route, canvas.obj(400, 370, "s md-in"))
    return canvas


def _notes() -> Canvas:
    """Pd's MIDI input to /diffuse/note, and /diffuse/out/note to Pd's MIDI output."""
    canvas = Canvas(640, 420, "notes")
    note_in, pack = canvas.obj(20, 20, "notein"), canvas.obj(20, 50, "pack f f f")
    gate = canvas.obj(20, 90, "spigot")
    for outlet in (2, 1, 0):
        canvas.wire((note_in, outlet), (pack, outlet))
    canvas.wire(canvas.obj(100, 60, "r md-send-notes"), (gate, 1))
    form = canvas.obj(20, 120, "oscformat diffuse note")
    canvas.wire(pack, gate, form, canvas.obj(20, 150, "s md-osc"))

    heard = canvas.obj(300, 20, "r md-in")
    out, only = canvas.obj(300, 50, "route out"), canvas.obj(300, 80, "route note")
    gate = canvas.obj(300, 110, "spigot")
    canvas.wire(canvas.obj(380, 80, "r md-play-notes"), (gate, 1))
    unpack = canvas.obj(300, 150, "unpack f f f f")
    canvas.wire(heard, out, only, gate, unpack)
    length = canvas.obj(420, 190, "expr $f1 * 60000 / ($f2 + ($f2 == 0) * 120)".replace("$", "\\$"))
    canvas.wire(canvas.obj(520, 150, "r md-tempo-value"), (length, 1))
    make = canvas.obj(300, 240, "makenote 80 500")
    canvas.wire((unpack, 3), length, (make, 2))
    canvas.wire((unpack, 1), (make, 1))
    canvas.wire(unpack, make)
    midi = canvas.obj(300, 280, "noteout")
    canvas.wire(make, midi)
    canvas.wire((make, 1), (midi, 1))
    return canvas
