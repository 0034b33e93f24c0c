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


def test_the_pages_name_modules_that_are_there() -> None:
    named = {
        (page.name, path)
        for page in (*sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("*.md")))
        for path in re.findall(
            r"`((?:bridge|engine|scripts|tests)/[\w/.]+\.\w+)`", page.read_text()
        )
    }
    assert len(named) > 100
    assert not {(page, path) for page, path in named if not (ROOT / path).exists()}


def test_a_note_and_a_parameter_pass_at_most_fifteen_stations() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for walk in ("One note on its way", "One parameter on its way"):
        text = page.split(f"## {walk}\n")[1].split("\n## ")[0]
        stations = re.findall(r"^(\d+)\. (.*)$", text, re.MULTILINE)
        assert 5 <= len(stations) <= 15
        for _, station in stations:
            for path, name in re.findall(r"`((?:bridge|engine)/[\w/]+\.py)` `(\w+)`", station):
                assert re.search(rf"def {name}\b", (ROOT / path).read_text()), f"{path}: no {name}"
