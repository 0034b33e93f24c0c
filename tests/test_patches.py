"""max_patches/: made from the table; the Max patch and the reference are sound in structure."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from bridge.osc.schema import IN_ROWS, OUT_ROWS, PARAM_PREFIX
from bridge.settings.actions import ACTIONS
from bridge.settings.groups import groups
from bridge.settings.parameters import BY_NAME, PARAMETERS
from bridge.settings.rows import Action, Parameter
from scripts.make_patches import FOLDER, make

ADDRESSES = {row.address for row in (*IN_ROWS, *OUT_ROWS)}
ANSWERS = {PARAM_PREFIX + row.name for row in PARAMETERS}

# What Max's reference says, kept apart from the generator's own tables.
MAX_PORTS = {
    "comment": (1, 0), "message": (2, 1), "panel": (1, 0), "toggle": (1, 1), "number": (1, 2),
    "flonum": (1, 2), "umenu": (1, 3), "textedit": (1, 4), "textbutton": (1, 3),
    "udpsend": (1, 0), "udpreceive": (1, 1), "s": (1, 0), "r": (0, 1), "prepend": (1, 1),
    "loadbang": (1, 1), "metro": (2, 1), "delay": (2, 1), "print": (1, 0), "gate": (2, 1),
    "makenote": (3, 2),
    "noteout": (3, 0), "notein": (1, 3), "expr": (2, 1), "pack": (3, 1), "unpack": (1, 4),
}  # fmt: skip


def found_addresses(text: str) -> set[str]:
    return set(re.findall(r"/diffuse/[\w/]+", text))


@pytest.mark.parametrize("name", sorted(make()))
def test_files_are_what_the_table_makes(name: str) -> None:
    on_disk = (FOLDER / name).read_text(encoding="utf-8")
    assert on_disk == make()[name], "run: python -m scripts.make_patches"


def test_every_parameter_is_in_one_group() -> None:
    names = [row.name for group in groups() for row in group.rows]
    assert sorted(names) == sorted(BY_NAME)


# -- Max -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patcher() -> dict[str, Any]:
    document = json.loads((FOLDER / "midi-diffuse.maxpat").read_text())
    found: dict[str, Any] = document["patcher"]
    return found


@pytest.fixture(scope="module")
def boxes(patcher: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = [item["box"] for item in patcher["boxes"]]
    assert len({box["id"] for box in found}) == len(found)
    return {box["id"]: box for box in found}


def test_max_document(patcher: dict[str, Any]) -> None:
    assert {"fileversion", "appversion", "classnamespace", "rect", "boxes", "lines"} <= set(patcher)
    assert patcher["openinpresentation"] == 1


def test_max_boxes_have_the_ports_of_their_object(boxes: dict[str, dict[str, Any]]) -> None:
    for box in boxes.values():
        kind = box["text"].split()[0] if box["maxclass"] == "newobj" else box["maxclass"]
        ports = (box["numinlets"], box["numoutlets"])
        if kind == "route":
            count = len(box["text"].split())
            assert ports == (count, count)
        else:
            assert ports == MAX_PORTS[kind], box
        assert len(box.get("outlettype", [])) == box["numoutlets"]


def test_max_cables_join_ports_that_exist(
    patcher: dict[str, Any], boxes: dict[str, dict[str, Any]]
) -> None:
    lines = [item["patchline"] for item in patcher["lines"]]
    ends = [(*line["source"], *line["destination"]) for line in lines]
    assert len(set(ends)) == len(ends) > len(PARAMETERS)
    for source, outlet, destination, inlet in ends:
        assert 0 <= outlet < boxes[source]["numoutlets"]
        assert 0 <= inlet < boxes[destination]["numinlets"]


def test_max_addresses(boxes: dict[str, dict[str, Any]]) -> None:
    text = "\n".join(str(box.get("text", "")) for box in boxes.values())
    assert found_addresses(text) <= ADDRESSES | ANSWERS
    assert found_addresses(text) >= ANSWERS
    spoken = {row.address for row in IN_ROWS} - {
        f"/diffuse/{name}"
        for name in (
            "unsubscribe",
            "ping",
            "help",
            "chord_at",
            "forget_chords",
            "recall",
            "save",
            "undo",
            "closer",
            "further",
            "learn",
            "unlearn",
        )
    }
    assert spoken <= found_addresses(text)


def test_max_has_one_control_a_parameter_with_its_range(
    boxes: dict[str, dict[str, Any]],
) -> None:
    controls = {box["varname"]: box for box in boxes.values() if "varname" in box}
    assert set(controls) == set(BY_NAME)
    kinds = {"bool": "toggle", "choice": "umenu", "text": "textedit", "int": "number"}
    for row in PARAMETERS:
        box = controls[row.name]
        assert box["maxclass"] == kinds.get(row.kind, "flonum")
        assert box["presentation"] == 1
        if row.kind in ("float", "int"):
            assert (box["minimum"], box["maximum"]) == (row.low, row.high)
        if row.kind == "choice":
            assert [item for item in box["items"] if item != ","] == list(row.choices)


def test_max_control_is_wired_both_ways(
    patcher: dict[str, Any], boxes: dict[str, dict[str, Any]]
) -> None:
    lines = [item["patchline"] for item in patcher["lines"]]

    def reaches(start: str, goal: str) -> bool:
        nexts = [line["destination"][0] for line in lines if line["source"][0] == start]
        return any(boxes[n].get("text", "") == goal or reaches(n, goal) for n in nexts)

    def sources(goal: str) -> list[str]:
        return [line["source"][0] for line in lines if line["destination"][0] == goal]

    for box in list(boxes.values()):
        if "varname" in box:
            assert reaches(box["id"], f"prepend /diffuse/{box['varname']}")
            assert reaches(box["id"], "s midi-diffuse-out")
            (setter,) = sources(box["id"])
            assert boxes[setter]["text"].startswith("prepend set")
            (route,) = sources(setter)
            assert boxes[route]["text"] == f"route /diffuse/out/param/{box['varname']}"


def overlaps(a: list[float], b: list[float]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


@pytest.mark.parametrize("key", ["patching_rect", "presentation_rect"])
def test_max_boxes_do_not_lie_on_each_other(key: str, boxes: dict[str, dict[str, Any]]) -> None:
    shown = [b for b in boxes.values() if key in b and b["maxclass"] != "panel"]
    wrong = [
        (a.get("text", a["id"]), b.get("text", b["id"]))
        for a, b in combinations(shown, 2)
        if overlaps(a[key], b[key])
    ]
    assert not wrong


def test_max_presentation_fits_its_window(
    patcher: dict[str, Any], boxes: dict[str, dict[str, Any]]
) -> None:
    width, height = patcher["rect"][2:]
    for box in boxes.values():
        if "presentation_rect" in box:
            x, y, w, h = box["presentation_rect"]
            assert 0 <= x < x + w <= width
            assert 0 <= y < y + h <= height


# -- The reference ---------------------------------------------------------------------------------


def test_reference_page_names_everything() -> None:
    page = (FOLDER / "OSC.md").read_text()
    shapes = {"/diffuse/NAME", "/diffuse/out/", f"{PARAM_PREFIX}NAME"}
    assert found_addresses(page) == ADDRESSES | shapes
    assert "has not been opened in Max" in page
    table: tuple[Parameter | Action, ...] = (*PARAMETERS, *ACTIONS)
    for row in table:
        assert row.cc is None or f"| {row.cc} | {row.name} |" in page
