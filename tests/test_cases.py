"""docs/cases.md: every case names tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/cases.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!case|-)(.+?) \| (.+?) \|$", PAGE, re.MULTILINE)


def named(cell: str) -> list[tuple[str, str]]:
    """(file, test) of each `file.py::test` in a cell."""
    return re.findall(r"`([\w/]+\.py)::(test_\w+)`", cell)


def test_there_are_cases_of_every_kind() -> None:
    assert len(ROWS) >= 58
    assert len(re.findall(r"^## ", PAGE, re.MULTILINE)) == 5


@pytest.mark.parametrize(("case", "held_by"), ROWS, ids=[case[:50] for case, _ in ROWS])
def test_each_is_held_by_a_test_that_there_is(case: str, held_by: str) -> None:
    assert named(held_by), f"no test named for: {case}"
    for file, test in named(held_by):
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        assert test in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, file
