"""The Max patch, its help and the Max for Live device: sound in structure. Not opened in Max."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from bridge.osc.schema import IN_ROWS, OUT_ROWS, PARAM_PREFIX
from bridge.settings.parameters import BY_NAME, PARAMETERS
from bridge.settings.pitch_locks import KEYS
from bridge.settings.pitch_locks import SCALES as OUR_SCALES
from bridge.settings.presets import usable_names
from scripts.make_patches import FOLDER
from scripts.max_device import LIVE_ROWS, SCALES
from scripts.max_patch import SHOWN

Box = dict[str, Any]
ADDRESSES = {row.address for row in (*IN_ROWS, *OUT_ROWS)}
ANSWERS = {PARAM_PREFIX + row.name for row in PARAMETERS}
PATCHES = ("midi-diffuse.maxpat", "midi-diffuse.maxhelp", "midi-diffuse.amxd")
FULL = ("midi-diffuse.maxpat", "midi-diffuse.amxd")

# What Max's reference says, kept apart from the generator's own tables.
MAX_PORTS = {
    "comment": (1, 0), "message": (2, 1), "panel": (1, 0), "toggle": (1, 1), "number": (1, 2),
    "flonum": (1, 2), "umenu": (1, 3), "textedit": (1, 4), "textbutton": (1, 3), "led": (1, 1),
    "udpsend": (1, 0), "udpreceive": (1, 1), "s": (1, 0), "r": (0, 1), "prepend": (1, 1),
    "loadbang": (1, 1), "metro": (2, 1), "delay": (2, 1), "print": (1, 0), "gate": (2, 1),
    "makenote": (3, 2), "pcontrol": (1, 1), "p": (1, 0), "inlet": (0, 1), "t": (1, 2), "+": (2, 1),
    "noteout": (3, 0), "notein": (1, 3), "expr": (2, 1), "pack": (3, 1), "unpack": (1, 4),
    "pak": (2, 1), "sprintf": (2, 1), "midiin": (1, 1), "midiout": (1, 0), "live.comment": (1, 0),
    "live.dial": (1, 2), "live.toggle": (1, 1), "live.menu": (1, 3), "live.thisdevice": (1, 3),
    "live.path": (1, 3), "live.observer": (2, 2),
}  # fmt: skip


def chunks(data: bytes) -> dict[bytes, bytes]:
    """An .amxd by chunk, read anew: a name and a little-endian length before each."""
    found, at = {}, 0
    while at < len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        found[name] = data[at + 8 : at + 8 + length]
        assert len(found[name]) == length
        at += 8 + length
    return found


def document(name: str) -> dict[str, Any]:
    data = (FOLDER / name).read_bytes()
    if name.endswith(".amxd"):
        data = chunks(data)[b"ptch"].removesuffix(b"\0")
    found: dict[str, Any] = json.loads(data)["patcher"]
    return found


def patchers(name: str) -> Iterator[dict[str, Any]]:
    """The patcher and those within."""
    waiting = [document(name)]
    while waiting:
        patcher = waiting.pop()
        yield patcher
        waiting += [b["patcher"] for b in boxes(patcher).values() if "patcher" in b]


def boxes(patcher: dict[str, Any]) -> dict[str, Box]:
    found = [item["box"] for item in patcher["boxes"]]
    assert len({box["id"] for box in found}) == len(found)
    return {box["id"]: box for box in found}


def every_box(name: str) -> list[Box]:
    return [box for patcher in patchers(name) for box in boxes(patcher).values()]


def text_of(name: str) -> str:
    return "\n".join(str(box.get("text", "")) for box in every_box(name))


def addresses(name: str) -> set[str]:
    return set(re.findall(r"/diffuse/[\w/]+", text_of(name)))


def kind(box: Box) -> str:
    return str(box["text"].split()[0] if box["maxclass"] == "newobj" else box["maxclass"])


@pytest.mark.parametrize("name", PATCHES)
def test_documents_have_what_max_wants(name: str) -> None:
    keys = {"fileversion", "appversion", "classnamespace", "rect", "boxes", "lines"}
    for patcher in patchers(name):
        assert keys <= set(patcher)
        assert patcher["openinpresentation"] == 1


@pytest.mark.parametrize("name", PATCHES)
def test_boxes_have_the_ports_of_their_object(name: str) -> None:
    for box in every_box(name):
        ports = (box["numinlets"], box["numoutlets"])
        if kind(box) == "route":
            count = 1 + len(re.findall(r'"[^"]*"|\S+', box["text"].removeprefix("route ")))
            assert ports == (count, count)
        else:
            assert ports == MAX_PORTS[kind(box)], box
        assert len(box.get("outlettype", [])) == box["numoutlets"]
        if box["maxclass"] in ("message", "newobj"):
            assert "text" in box


@pytest.mark.parametrize("name", PATCHES)
def test_cables_join_ports_that_exist(name: str) -> None:
    for patcher in patchers(name):
        found = boxes(patcher)
        lines = [item["patchline"] for item in patcher["lines"]]
        ends = [(*line["source"], *line["destination"]) for line in lines]
        assert len(set(ends)) == len(ends) > 0
        for source, outlet, destination, inlet in ends:
            assert 0 <= outlet < found[source]["numoutlets"]
            assert 0 <= inlet < found[destination]["numinlets"]


@pytest.mark.parametrize("name", PATCHES)
def test_addresses_are_ours(name: str) -> None:
    assert addresses(name) <= ADDRESSES | ANSWERS


@pytest.mark.parametrize("name", FULL)
def test_every_parameter_has_one_control_with_its_range(name: str) -> None:
    found = [box for box in every_box(name) if box.get("varname") in BY_NAME]
    controls = {box["varname"]: box for box in found}
    assert len(found) == len(controls) == len(BY_NAME)
    assert addresses(name) >= ANSWERS
    kinds = {"bool": "toggle", "choice": "umenu", "text": "textedit", "int": "number"}
    for row in PARAMETERS:
        box = controls[row.name]
        assert box["presentation"] == 1
        if name.endswith(".amxd") and row.name in LIVE_ROWS:
            continue  # below
        expected = "umenu" if row.name == "preset" else kinds.get(row.kind, "flonum")
        assert box["maxclass"] == expected
        if row.kind in ("float", "int"):
            assert (box["minimum"], box["maximum"]) == (row.low, row.high)
        if row.kind == "choice":
            assert [item for item in box["items"] if item != ","] == list(row.choices)
        if row.name == "preset":
            assert set(box["items"]) - {","} <= set(usable_names())


@pytest.mark.parametrize("name", FULL)
def test_controls_are_wired_both_ways(name: str) -> None:
    for patcher in patchers(name):
        found = boxes(patcher)
        lines = [item["patchline"] for item in patcher["lines"]]

        def nexts(start: str, lines: Any = lines) -> list[str]:
            return [line["destination"][0] for line in lines if line["source"][0] == start]

        def reaches(start: str, goal: str, found: Any = found) -> bool:
            here = [str(found[n].get("text", "")) for n in nexts(start)]
            return goal in here or any(reaches(n, goal) for n in nexts(start))

        def setters(goal: str, lines: Any = lines) -> list[str]:
            return [line["source"][0] for line in lines if line["destination"][0] == goal]

        for box in found.values():
            if box.get("varname") not in BY_NAME:
                continue
            assert reaches(box["id"], f"prepend /diffuse/{box['varname']}")
            (setter,) = setters(box["id"])
            assert found[setter]["text"].startswith("prepend set")
            (route,) = setters(setter)
            assert found[route]["text"] == f"route /diffuse/out/param/{box['varname']}"


def test_the_patch_opens_on_essentials_and_the_rest_is_one_click_away() -> None:
    top, *within = patchers("midi-diffuse.maxpat")
    shown = {box["varname"] for box in boxes(top).values() if "varname" in box}
    assert shown == set(SHOWN)
    (more,) = within
    rest = {box["varname"] for box in boxes(more).values() if "varname" in box}
    assert rest == set(BY_NAME) - shown
    top_text = "\n".join(str(box.get("text", "")) for box in boxes(top).values())
    for name in ("pong", "chord_now", "key", "state", "latency", "error"):
        assert f"route /diffuse/out/{name}" in top_text
    assert {"/diffuse/panic", "/diffuse/start", "/diffuse/keep"} <= addresses("midi-diffuse.maxpat")
    opens = next(b["id"] for b in boxes(top).values() if b.get("text") == "pcontrol")
    (line,) = [i["patchline"] for i in top["lines"] if i["patchline"]["source"][0] == opens]
    assert "patcher" in boxes(top)[line["destination"][0]]


def overlaps(a: list[float], b: list[float]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("key", ["patching_rect", "presentation_rect"])
def test_boxes_do_not_lie_on_each_other(key: str, name: str) -> None:
    for patcher in patchers(name):
        shown = [b for b in boxes(patcher).values() if key in b and b["maxclass"] != "panel"]
        wrong = [
            (a.get("text", a["id"]), b.get("text", b["id"]), a[key], b[key])
            for a, b in combinations(shown, 2)
            if overlaps(a[key], b[key])
        ]
        assert not wrong


@pytest.mark.parametrize("name", PATCHES)
def test_what_is_shown_fits_its_window(name: str) -> None:
    for patcher in patchers(name):
        width, height = patcher["rect"][2:]
        for box in boxes(patcher).values():
            if "presentation_rect" in box:
                x, y, w, h = box["presentation_rect"]
                assert 0 <= x < x + w <= width, box
                assert 0 <= y < y + h <= height, box


# -- The device ------------------------------------------------------------------------------------


def test_the_container_is_that_of_a_midi_effect() -> None:
    data = (FOLDER / "midi-diffuse.amxd").read_bytes()
    found = chunks(data)
    assert list(found) == [b"ampf", b"meta", b"ptch"]
    assert found[b"ampf"] == b"mmmm"
    assert found[b"meta"] == bytes(4)
    assert found[b"ptch"].endswith(b"}\n\0")
    assert data.index(b"{") == 32
    device = document("midi-diffuse.amxd")
    assert device["project"]["amxdtype"] == 0x6D6D6D6D
    assert device["rect"][3] == 169  # Live shows no more


def test_live_parameters_are_named_ranged_and_start_as_the_table_says() -> None:
    device = document("midi-diffuse.amxd")
    found = boxes(device)
    listed = {k: v for k, v in device["parameters"].items() if k != "parameterbanks"}
    lives = {b["id"]: b for b in found.values() if b.get("parameter_enable") == 1}
    assert set(listed) == set(lives)
    names = [name for name, _, _ in listed.values()]
    assert len(set(names)) == len(names)
    assert device["parameters"]["parameterbanks"]["0"]["parameters"] == names[:8]
    assert {b["varname"] for b in lives.values()} > set(LIVE_ROWS)
    for box in lives.values():
        value = box["saved_attribute_attributes"]["valueof"]
        assert value["parameter_longname"] == listed[box["id"]][0]
        row = BY_NAME.get(box["varname"])
        if row is None:
            assert value["parameter_enum"] == ["off", "on"]
        elif row.kind in ("float", "int"):
            assert value["parameter_type"] == (1 if row.kind == "int" else 0)
            assert (value["parameter_mmin"], value["parameter_mmax"]) == (row.low, row.high)
            assert value["parameter_initial"] == [row.default]
        else:
            choices = list(row.choices) or ["off", "on"]
            assert value["parameter_enum"] == choices
            assert value["parameter_mmax"] == len(choices) - 1
            (initial,) = value["parameter_initial"]
            assert choices[initial] in (row.default, "on" if row.default else "off")
        # Live knows whole numbers of at most 256 values.
        assert row is None or row.kind != "int" or row.high - row.low < 256


def test_the_device_lets_midi_through_and_follows_the_live_set() -> None:
    device = document("midi-diffuse.amxd")
    found = boxes(device)
    lines = [item["patchline"] for item in device["lines"]]
    by_text = {box.get("text"): box["id"] for box in found.values()}
    midi = {"source": [by_text["midiin"], 0], "destination": [by_text["midiout"], 0]}
    assert midi in lines
    for name in ("root_note", "scale_name", "tempo", "is_playing"):
        observer = by_text[f"live.observer {name}"]
        ids = [line["source"] for line in lines if line["destination"] == [observer, 1]]
        assert [found[box]["text"] for box, _ in ids] == ["live.path live_set"]
    assert f"+ {KEYS.index('C')}" in by_text
    assert KEYS[KEYS.index("C") + 9] == "A"
    assert set(SCALES.values()) < set(OUR_SCALES)
    sends = {box["text"] for box in found.values() if kind(box) in ("s", "r")}
    assert all(text.split()[1].startswith("---") for text in sends)  # the device's own
    for inside in patchers("midi-diffuse.amxd"):
        texts = [b["text"] for b in boxes(inside).values() if kind(b) in ("s", "r")]
        assert all(text.split()[1].startswith("---") for text in texts)
