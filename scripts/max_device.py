"""The Max for Live device: a MIDI effect with Live parameters, and the container that Live opens.

An .amxd that is not frozen is three chunks, each a name of four bytes and a little-endian length:
`ampf` with the kind of device, `meta` with a number, `ptch` with the patcher's JSON and a NUL.
"""

from __future__ import annotations

import struct
from typing import Any

from bridge.osc.schema import PREFIX
from bridge.settings.groups import ESSENTIAL, row_label
from bridge.settings.parameters import BY_NAME
from bridge.settings.pitch_locks import KEYS
from bridge.settings.rows import Parameter
from scripts.max_boxes import Patcher, Rect
from scripts.max_controls import Ends, control, frame, join, open_button, second_view
from scripts.max_patch import button, connected, network, play_notes, send_notes, told

MIDI_EFFECT = b"mmmm"
HEIGHT, WIDTH = 169.0, 640.0
"""Live shows devices so high."""
REPLY_PORT = 9002
"""Not the patch's, so that both may be open."""
# `---` is replaced by a number of the device's own, so that two devices do not meet.
ENDS = Ends("---midi-diffuse-out", "---midi-diffuse-in")
DIALS = tuple(name for name in ESSENTIAL if BY_NAME[name].kind in ("float", "int"))
MENUS = ("mode", "reply", "style", "key", "scale")
SWITCHES = ("bypass",)
LIVE_ROWS = (*DIALS, *MENUS, *SWITCHES)
_FLOAT, _INT, _ENUM = 0, 1, 2
_SHOWN_INT, _SHOWN_FLOAT = 0, 1

SCALES = {
    "Major": "major",
    "Minor": "minor",
    "Harmonic Minor": "harmonic-minor",
    "Dorian": "dorian",
    "Mixolydian": "mixolydian",
    "Major Pentatonic": "pentatonic",
    "Minor Blues": "blues",
}
"""Live's names of scales; any other lets every note through."""


def build() -> dict[str, Any]:
    """Return the device's patcher as Max's JSON document."""
    patch = Patcher()
    patch.wire(patch.new("midiin", 20, 20), patch.new("midiout", 20, 60))
    patch.add("live.comment", "midi-diffuse", (120, 20, 120, 18), (8, 6, 90, 18), fontsize=11.0)
    network(patch, 1800.0, 20.0, ENDS, REPLY_PORT)
    connected(patch, (1800.0, 400.0), ENDS, (100, 6, 16, 16))
    for i, name in enumerate(("state", "chord_now", "key")):
        top = (26.0, 66.0, 120.0)[i]
        show = (8.0, top, 110.0, 18.0), (8.0, top + 18, 110.0, 20.0)
        told(patch, name, (1800.0 + 290 * i, 700.0), ENDS, show)
    parameters = _live_controls(patch)
    _preset(patch)
    button(patch, "panic", (20, 1100), ENDS, (552, 6, 80, 20))
    button(patch, "again", (220, 1100), ENDS, (552, 32, 80, 20))
    button(patch, "keep", (420, 1100), ENDS, (552, 58, 80, 20))
    inside = second_view(ENDS, (*LIVE_ROWS, "preset"))
    open_button(patch, inside, (620, 1100), (552, 84, 80, 20))
    parameters |= _switches(patch)
    found = frame(patch, WIDTH, HEIGHT, "A diffusion model as a bandmate, over OSC")
    return {"patcher": {**found, **_of_device(parameters)}}


def container(patcher: bytes, kind: bytes = MIDI_EFFECT) -> bytes:
    """Return the .amxd file around a patcher's JSON."""
    body = patcher + b"\0"
    head = struct.pack("<4sI4s4sII4sI", b"ampf", 4, kind, b"meta", 4, 0, b"ptch", len(body))
    return head + body


def _of_device(parameters: dict[str, list[Any]]) -> dict[str, Any]:
    """Return what a device's patcher has besides."""
    banked = [name for name, _, _ in parameters.values()][:8]
    banks = {"0": {"index": 0, "name": "", "parameters": banked}}
    return {
        "openrect": [0.0, 0.0, WIDTH, HEIGHT],
        "devicewidth": WIDTH,
        "parameters": {**parameters, "parameterbanks": banks},
        "latency": 0,
        "is_mpe": 0,
        "minimum_live_version": "",
        "minimum_max_version": "",
        "platform_compatibility": 0,
        "project": {
            "version": 1,
            "creationdate": 0,
            "modificationdate": 0,
            "viewrect": [0.0, 0.0, 300.0, 500.0],
            "autoorganize": 1,
            "hideprojectwindow": 1,
            "showdependencies": 1,
            "autolocalize": 0,
            "contents": {"patchers": {}},
            "layout": {},
            "searchpath": {},
            "detailsvisible": 0,
            "amxdtype": int.from_bytes(MIDI_EFFECT, "big"),
            "readonly": 0,
            "devpathtype": 0,
            "devpath": ".",
            "sortmode": 0,
            "viewmode": 0,
        },
    }


def _live_controls(patch: Patcher) -> dict[str, list[Any]]:
    """Dials, menus and switches that Live automates; gives them as the patcher lists them."""
    found = {}
    for i, name in enumerate(LIVE_ROWS):
        row, x = BY_NAME[name], 20.0 + 290 * (i % 6)
        y = 240.0 + 300 * (i // 6)
        box = _live_box(patch, row, (x, y + 84, 60, 48), _show(name))
        join(patch, row, box, (x, y), ENDS)
        found[box] = [row_label(row), _short(row), 0]
    return found


def _show(name: str) -> Rect:
    if name in DIALS:
        return (128.0 + 50 * DIALS.index(name), 6.0, 48.0, 48.0)
    if name in MENUS:
        i = MENUS.index(name)
        return (128.0 + 104 * (i % 3), 84.0 + 40 * (i // 3), 98.0, 15.0)
    return (442.0, 24.0, 22.0, 15.0)


def _live_box(patch: Patcher, row: Parameter, rect: Rect, show: Rect) -> str:
    kinds = {"bool": "live.toggle", "choice": "live.menu"}
    maxclass = kinds.get(row.kind, "live.dial")
    if maxclass != "live.dial":
        _title(patch, row_label(row), (show[0], show[1] - 17), (rect[0] + 80, rect[1]))
    return patch.add(maxclass, "", rect, show, **_live(row.name, _value_of(row)), hint=row.doc)


def _title(patch: Patcher, text: str, show: tuple[float, float], at: tuple[float, float]) -> None:
    patch.add("live.comment", text, (*at, 90, 18), (*show, 98, 17))


def _live(name: str, valueof: dict[str, Any]) -> dict[str, Any]:
    return {
        "parameter_enable": 1,
        "varname": name,
        "saved_attribute_attributes": {"valueof": valueof},
    }


def _short(row: Parameter) -> str:
    return row_label(row).split(" (")[0]


def _value_of(row: Parameter) -> dict[str, Any]:
    """Return a Live parameter by the row: named, ranged, with its default."""
    found: dict[str, Any] = {
        "parameter_longname": row_label(row),
        "parameter_shortname": _short(row),
    }
    if row.kind in ("float", "int"):
        whole = row.kind == "int"
        found |= {
            "parameter_type": _INT if whole else _FLOAT,
            "parameter_mmin": row.low,
            "parameter_mmax": row.high,
            "parameter_unitstyle": _SHOWN_INT if whole else _SHOWN_FLOAT,
            "parameter_initial": [row.default],
        }
    else:
        names = list(row.choices) or ["off", "on"]
        initial = names.index(str(row.default)) if row.choices else int(row.default)
        found |= {
            "parameter_type": _ENUM,
            "parameter_enum": names,
            "parameter_mmax": len(names) - 1,
            "parameter_initial": [initial],
        }
    return dict(sorted({**found, "parameter_initial_enable": 1}.items()))


def _preset(patch: Patcher) -> None:
    """Add a menu that Live neither stores nor automates: a preset brings its own settings."""
    row, at = BY_NAME["preset"], (20.0, 840.0)
    box = control(patch, row, (20, 924, 98, 22), (336, 122, 98, 20))
    _title(patch, "preset", (336, 105), (140, 924))
    join(patch, row, box, at, ENDS)


def _switches(patch: Patcher) -> dict[str, list[Any]]:
    """Follow Live's scale, follow its transport, play by OSC; gives the Live parameters."""
    found = {}
    for i, (name, doc, make) in enumerate(
        (
            ("follow scale", "key and scale are those of the Live Set", _follow_scale),
            ("follow transport", "tempo, meter, start and stop are Live's", _follow_transport),
            ("play here", "notes of this track go in, the reply comes out", _play_here),
        )
    ):
        x, y = 20.0 + 1400 * i, 1340.0
        names = {"parameter_longname": name, "parameter_shortname": name}
        valueof = {
            **names,
            "parameter_type": _ENUM,
            "parameter_enum": ["off", "on"],
            "parameter_mmax": 1,
            "parameter_initial": [0],
            "parameter_initial_enable": 1,
        }
        show = (442.0, 50.0 + 30 * i, 22.0, 15.0)
        box = patch.add("live.toggle", "", (x, y, 22, 22), show, **_live(name, valueof), hint=doc)
        patch.add("live.comment", name, (x + 30, y, 110, 18), (show[0] + 24, show[1], 84, 17))
        make(patch, (x, y + 40), box)
        found[box] = [name, name, 0]
    return found


def _observed(patch: Patcher, at: tuple[float, float], names: tuple[str, ...]) -> list[str]:
    """Observers of the Live Set, which tell their value when the device has loaded."""
    x, y = at
    load = patch.new("live.thisdevice", x + 300, y)
    path = patch.new("live.path live_set", x + 300, y + 30)
    patch.wire(load, path)
    boxes = []
    for i, name in enumerate(names):
        box = patch.new(f"live.observer {name}", x + 260.0 * i, y + 70)
        patch.wire(path, (box, 1))
        boxes.append(box)
    return boxes


def _gated(patch: Patcher, observers: list[str], switch: str, at: tuple[float, float]) -> list[str]:
    """Return the observers' values while the switch is on, and at once when it is switched on."""
    x, y = at
    trigger = patch.new("t b i", x, y)
    patch.wire(switch, trigger)
    gates = []
    for i, observer in enumerate(observers):
        gate = patch.new("gate", x + 260.0 * i, y + 110)
        patch.wire((trigger, 1), gate)
        patch.wire(observer, (gate, 1))
        patch.wire(trigger, observer)
        gates.append(gate)
    return gates


def _follow_scale(patch: Patcher, at: tuple[float, float], switch: str) -> None:
    x, y = at
    observers = _observed(patch, at, ("root_note", "scale_name"))
    root, scale = _gated(patch, observers, switch, at)
    first = KEYS.index("C")
    out = patch.new(f"s {ENDS.out}", x, y + 320)
    key = patch.new(f"prepend {PREFIX}key", x, y + 180)
    patch.wire(root, patch.new(f"+ {first}", x, y + 145), key, out)
    words = " ".join(f'"{name}"' if " " in name else name for name in SCALES)
    route = patch.new(f"route {words}", x + 260, y + 145)
    patch.wire(scale, route)
    for i, name in enumerate((*SCALES.values(), "chromatic")):
        text = f"{PREFIX}scale {name}"
        place = (x + 150.0 * (i % 4), y + 220 + 30.0 * (i // 4), 145.0, 22.0)
        message = patch.add("message", text, place)
        patch.wire((route, i), message, out)


def _follow_transport(patch: Patcher, at: tuple[float, float], switch: str) -> None:
    x, y = at
    names = ("tempo", "is_playing", "signature_numerator", "signature_denominator")
    tempo, plays, beats, unit = _gated(patch, _observed(patch, at, names), switch, at)
    out = patch.new(f"s {ENDS.out}", x, y + 320)
    patch.wire(tempo, patch.new(f"prepend {PREFIX}tempo", x, y + 145), out)
    route = patch.new("route 1 0", x + 260, y + 145)
    patch.wire(plays, route)
    for i, name in enumerate(("start", "stop")):
        place = (x + 260 + 120.0 * i, y + 180, 110.0, 22.0)
        patch.wire((route, i), patch.add("message", f"{PREFIX}{name}", place), out)
    both = patch.new("pak 4 4", x + 560, y + 180)
    patch.wire(beats, both)
    patch.wire(unit, (both, 1))
    patch.wire(both, patch.new(f"sprintf {PREFIX}meter %ld/%ld", x + 560, y + 215), out)


def _play_here(patch: Patcher, at: tuple[float, float], switch: str) -> None:
    x, y = at
    send_notes(patch, (x, y), switch, ENDS)
    play_notes(patch, (x + 330, y), switch, ENDS)
