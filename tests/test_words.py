"""What a machine can hold of docs/glossary.md and of the house's style: one meaning a word."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for part in ("bridge", "engine") for path in (ROOT / part).rglob("*.py"))


def test_no_class_name_is_used_twice() -> None:
    places = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_the_words_with_too_many_meanings_are_rare() -> None:
    lines = [line for path in SOURCES for line in path.read_text().splitlines()]
    for word in ("told", "heard"):
        found = [line for line in lines if re.search(rf"\b{word}\b", line)]
        assert len(found) < 20, f"{word}: use the thing's name (docs/glossary.md): {found}"


def test_the_glossary_has_one_row_a_term() -> None:
    rows = re.findall(r"^\| ([^|]+?) \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    rows = [row for row in rows if row != "term" and set(row) != {"-"}]
    terms = [term for row in rows for term in row.split(", ")]
    assert len(terms) == len(set(terms))
    assert len(rows) <= 60


def test_few_lines_are_laid_out_by_hand() -> None:
    folders = ("bridge", "engine", "scripts", "tests")
    mark = "# fmt: " + "skip"  # in two parts, so that this line is not one of them
    places = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if mark in line
    ]
    assert len(places) <= 10, f"let ruff lay these out: {places}"
