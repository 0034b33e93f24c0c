"""The folder list of docs/architecture.md is the architecture: a folder knows those above it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PAGE = (TOP / "docs" / "architecture.md").read_text()
FOLDERS = re.findall(r"^\| `((?:engine|bridge)[\w/]*)/` \|", PAGE, re.MULTILINE)
TORCH = re.findall(r"^\| `(engine/[\w/]+)/` \|.*\(torch", PAGE, re.MULTILINE)
MAY_REACH_TORCH = ("bridge/engine_host", "bridge/cli")  # inside a function
PURE = ("bridge/settings", "bridge/live", "bridge/files")
SYSTEM = {"asyncio", "multiprocessing", "pythonosc", "rtmidi", "select", "selectors", "socket"}
SYSTEM |= {"subprocess", "threading", "bridge.inbox", "bridge.realtime"}

FILES = [it.relative_to(TOP) for top in ("engine", "bridge") for it in (TOP / top).rglob("*.py")]
MODULES = {".".join(it.with_suffix("").parts).removesuffix(".__init__"): it for it in FILES}


def folder(module: str) -> str:
    return str(MODULES[module].parent) if module in MODULES else ""


def imports(node: ast.AST, who: str, lazily: bool = False) -> Iterator[tuple[str, str, bool]]:
    """Who imports what; and is it inside a function?"""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        return
    if isinstance(node, ast.Import):
        yield from ((who, alias.name, lazily) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{who}:{node.lineno}: imports are absolute"
        for whole in (f"{node.module}.{alias.name}" for alias in node.names):
            yield who, whole if whole in MODULES else str(node.module), lazily
    inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from imports(child, who, lazily or inside)


IMPORTS = [one for a, f in MODULES.items() for one in imports(ast.parse((TOP / f).read_text()), a)]
OURS = [(who, what) for who, what, _ in IMPORTS if what in MODULES]


def test_every_folder_has_its_place_and_imports_point_to_those_above() -> None:
    assert {folder(module) for module in MODULES} == set(FOLDERS)
    rank = FOLDERS.index
    down = [(a, b) for a, b in OURS if rank(folder(b)) > rank(folder(a))]
    assert down == [("bridge.__main__", "bridge.cli.main")]


def test_no_import_goes_in_a_circle() -> None:
    left = {module: {b for a, b in OURS if a == module} - {module} for module in MODULES}
    while ready := {module for module, its in left.items() if not its & left.keys()}:
        left = {module: its for module, its in left.items() if module not in ready}
    assert not left


def test_torch_stays_in_its_folders() -> None:
    heavy = [one for one in IMPORTS if one[1].split(".")[0] == "torch" or folder(one[1]) in TORCH]
    outside = [(who, what, lazily) for who, what, lazily in heavy if folder(who) not in TORCH]
    assert {folder(who) for who, _, lazily in outside if lazily} == set(MAY_REACH_TORCH)
    assert not [(who, what) for who, what, lazily in outside if not lazily]


def test_what_only_the_extra_cluster_brings_stays_with_the_engine_server() -> None:
    extra = [one for one in IMPORTS if one[1].split(".")[0] in ("ray", "grpc", "cryptography")]
    assert {folder(who) for who, _, _ in extra} == {"bridge/engine_server"}
    at_the_top = {who for who, _, lazily in extra if not lazily}
    assert at_the_top == {"bridge.engine_server.replica"}
    reached = [
        (who, lazily)
        for who, what in OURS
        if what in at_the_top
        for _, w, lazily in IMPORTS
        if (_, w) == (who, what)
    ]
    assert reached
    assert all(lazily for _, lazily in reached)


def test_what_is_pure_touches_no_system() -> None:
    pure = [one for one in IMPORTS if folder(one[0]).startswith(PURE)]
    assert not [(who, what) for who, what, _ in pure if {what, what.split(".")[0]} & SYSTEM]


@pytest.mark.parametrize("command", ["main", "live", "files", "presets"])
def test_commands_load_neither_torch_nor_ports(command: str) -> None:
    code = f"import sys, bridge.cli.{command}; print({{'torch', 'rtmidi'}} & {{*sys.modules}})"
    assert subprocess.check_output([sys.executable, "-c", code], timeout=60) == b"set()\n"
