"""Modules and functions stay as long as can be read."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for part in ("bridge", "engine") for path in (ROOT / part).rglob("*.py"))
TABLE = ROOT / "bridge" / "settings" / "parameters.py"
"""The one table may be long."""


def test_modules_are_short() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in SOURCES if path != TABLE}
    modules = {path: count for path, count in lines.items() if path.name != "__init__.py"}
    assert median(modules.values()) <= 150
    assert not {path.name: count for path, count in modules.items() if count > 350}
    assert len(TABLE.read_text().splitlines()) <= 500


def test_functions_are_short() -> None:
    lengths = {
        f"{path.name}:{node.name}": int(node.end_lineno or 0) - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert median(lengths.values()) <= 8
    assert not {name: count for name, count in lengths.items() if count > 60}


def test_the_conductor_is_short() -> None:
    assert len((ROOT / "bridge/live/conductor.py").read_text().splitlines()) <= 200
