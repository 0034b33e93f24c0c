"""max_patches/: made from the table; the reference names everything."""

from __future__ import annotations

import re

import pytest

from bridge.osc.schema import IN_ROWS, OUT_ROWS, PARAM_PREFIX
from bridge.settings.actions import ACTIONS
from bridge.settings.groups import groups
from bridge.settings.parameters import BY_NAME, PARAMETERS
from bridge.settings.rows import Action, Parameter
from scripts.make_patches import FOLDER, make

ADDRESSES = {row.address for row in (*IN_ROWS, *OUT_ROWS)}
ANSWERS = {PARAM_PREFIX + row.name for row in PARAMETERS}


def found_addresses(text: str) -> set[str]:
    return set(re.findall(r"/diffuse/[\w/]+", text))


@pytest.mark.parametrize("name", sorted(make()))
def test_files_are_what_the_table_makes(name: str) -> None:
    on_disk = (FOLDER / name).read_bytes()
    assert on_disk == make()[name], "run: python -m scripts.make_patches"


def test_every_parameter_is_in_one_group() -> None:
    names = [row.name for group in groups() for row in group.rows]
    assert sorted(names) == sorted(BY_NAME)


# -- The reference ---------------------------------------------------------------------------------


def test_reference_page_names_everything() -> None:
    page = (FOLDER / "OSC.md").read_text()
    shapes = {"/diffuse/NAME", "/diffuse/out/", f"{PARAM_PREFIX}NAME"}
    assert found_addresses(page) == ADDRESSES | shapes
    assert "none has been opened in Max or Live" in page
    table: tuple[Parameter | Action, ...] = (*PARAMETERS, *ACTIONS)
    for row in table:
        assert row.cc is None or f"| {row.cc} | {row.name} |" in page
