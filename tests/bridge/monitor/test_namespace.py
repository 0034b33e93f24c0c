"""The OSCQuery namespace: every address, with what the table says of it."""

from __future__ import annotations

import json

import pytest

from bridge.commands import Value
from bridge.monitor.namespace import ATTRIBUTES, host_info, is_parameter, node
from bridge.osc.schema import IN_ROWS, OUT_ROWS
from bridge.settings.parameters import PARAMETERS


def test_every_address_is_a_node_of_the_tree() -> None:
    root = node("/", {})
    assert root is not None
    found: dict[str, dict[str, object]] = {}

    def walk(here: dict[str, object], path: str) -> None:
        assert here["FULL_PATH"] == path
        assert set(here) <= set(ATTRIBUTES)
        contents = here.get("CONTENTS")
        if not isinstance(contents, dict):
            found[path] = here
            return
        for name, each in contents.items():
            walk(each, f"{path.rstrip('/')}/{name}")

    walk(root, "/")
    assert set(found) == {row.address for row in (*IN_ROWS, *OUT_ROWS)}
    json.dumps(root)
    assert all(each["DESCRIPTION"] and each["TYPE"] for each in found.values())


def test_parameters_have_type_range_and_value() -> None:
    values: dict[str, Value] = {"temperature": 0.9, "mode": "vary", "bypass": True}
    for row in PARAMETERS:
        found = node(f"/diffuse/{row.name}", values)
        assert found is not None
        assert found["ACCESS"] == 3
        assert found["VALUE"] == [values.get(row.name)]
        if row.kind in ("float", "int"):
            assert found["RANGE"] == [{"MIN": row.low, "MAX": row.high}]
        elif row.choices:
            assert found["RANGE"] == [{"VALS": list(row.choices)}]
        else:
            assert "RANGE" not in found
        assert found["TYPE"] == {"float": "f", "int": "i", "bool": "T"}.get(row.kind, "s")


@pytest.mark.parametrize(
    ("path", "access", "kind"),
    [
        ("/diffuse/note", 2, "ii"),
        ("/diffuse/panic", 2, "I"),
        ("/diffuse/trigger", 2, "I"),
        ("/diffuse/chord_at", 2, "ifs"),
        ("/diffuse/out/note", 1, "iiff"),
        ("/diffuse/out/pong", 1, "I"),
    ],
)
def test_actions_are_written_and_answers_read(path: str, access: int, kind: str) -> None:
    found = node(path, {})
    assert found is not None
    assert (found["ACCESS"], found["TYPE"]) == (access, kind)
    assert not is_parameter(path)


def test_ranges_of_arguments_and_optional_ones() -> None:
    found = node("/diffuse/note", {})
    assert found is not None
    assert found["RANGE"] == [{"MIN": 0, "MAX": 127}] * 2
    assert "[channel]" in found["DESCRIPTION"]
    chord = node("/diffuse/chord_at", {})
    assert chord is not None
    assert chord["RANGE"][2] is None


def test_paths_that_are_none() -> None:
    for path in ("/diff", "/diffuse/nothing", "/diffuse/note/on", "/out", "//"):
        assert node(path, {}) is None or path == "//"
    assert node("/diffuse/", {}) == node("/diffuse", {})


def test_host_info_says_where_osc_goes() -> None:
    found = host_info(("127.0.0.1", 9000), ("127.0.0.1", 9080))
    assert (found["OSC_IP"], found["OSC_PORT"], found["OSC_TRANSPORT"]) == (
        "127.0.0.1",
        9000,
        "UDP",
    )
    assert found["EXTENSIONS"]["LISTEN"] is True
    assert found["EXTENSIONS"]["VALUE"] is True
