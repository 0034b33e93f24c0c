"""Imports point downwards only, and torch stays where it belongs (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent

ENGINE_NUMPY = {"grid", "roll", "request", "tasks", "fixture", "melody", "render"}
ENGINE_NUMPY |= {
    "midi_file",
    "midi_events",
    "midi_write",
    "merged",
    "picture",
    "polyphony",
    "flaws",
    "live_window",
    "chords",
    "compare",
    "consistency",
    "distances",
    "metrics",
    "constraints",
    "chord_grid",
    "sheet",
}
ENGINE_TORCH_CORE = {
    "keyed_noise",
    "exact",
    "noise",
    "harmony",
    "harmony_sampler",
    "reverse",
    "sampler",
    "export",
    "in_c",
    "density",
    "generator",
    "checkpoint",
    "dataset",
}
BRIDGE_IO = {
    "midi_ports",
    "midi_systems",
    "osc_wire",
    "osc_schema",
    "osc_server",
    "inbox",
    "engine_wire",
    "engine_process",
    "engine_child",
    "worker",
    "blackbox_writer",
    "outbox",
    "hot_plug",
    "jack_watch",
    "link_client",
    "link_neighbours",
    "player",
    "realtime",
    "daemon",
}
BRIDGE_FACES = {
    "demo",
    "demo_ways",
    "bench_jitter",
    "bench_live",
    "bench_peers",
    "bench_rig",
    "bench_stalls",
    "__main__",
}
"""Besides every `cli*`. What is in neither set is pure: no sockets, threads or ports."""

IMPURE = {
    "asyncio",
    "multiprocessing",
    "pythonosc",
    "rtmidi",
    "select",
    "selectors",
    "socket",
    "subprocess",
    "threading",
}
MAY_LOAD_ENGINE = {
    "bridge.worker",
    "bridge.engine_process",
    "bridge.cli_engine",
    "bridge.cli_score",
}
"""May import the torch layers, inside functions; so may the file commands."""


@dataclass(frozen=True)
class Import:
    """`importer` imports `imported`; `lazily` when inside a function."""

    importer: str
    imported: str
    lazily: bool
    line: int


def layer(module: str) -> int:
    """0 numpy, 1 and 2 torch, 3 pure bridge, 4 its I/O, 5 its faces."""
    package, _, name = module.partition(".")
    if package == "engine":
        if not name or name in ENGINE_NUMPY:
            return 0
        return 1 if name in ENGINE_TORCH_CORE or name.startswith("denoisers") else 2
    if name in BRIDGE_FACES or name.startswith("cli"):
        return 5
    return 4 if name in BRIDGE_IO else 3


def module_name(path: Path) -> str:
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path for top in ("engine", "bridge") for path in (TOP / top).rglob("*.py")
}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports_of(module: str, path: Path) -> Iterator[Import]:
    def visit(node: ast.AST, lazily: bool) -> Iterator[Import]:
        if is_type_checking(node):
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, lazily, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found = whole if whole in MODULES else str(node.module)
                yield Import(module, found, lazily, node.lineno)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, lazily or inside)

    yield from visit(ast.parse(path.read_text()), False)


IMPORTS = [found for name, path in MODULES.items() for found in imports_of(name, path)]
OURS = [each for each in IMPORTS if each.imported in MODULES]


def told(found: Import) -> str:
    return f"{found.importer}:{found.line} imports {found.imported}"


def test_the_scan_sees_imports() -> None:
    assert len(OURS) > 50
    assert any(each.lazily for each in IMPORTS)


def test_engine_never_imports_bridge() -> None:
    wrong = [each for each in OURS if each.importer.startswith("engine.")]
    assert not [told(each) for each in wrong if each.imported.startswith("bridge")]


def test_imports_point_downwards() -> None:
    wrong = [each for each in OURS if layer(each.imported) > layer(each.importer)]
    assert not [told(each) for each in wrong]


def test_only_the_torch_layers_import_torch() -> None:
    torch = [each for each in IMPORTS if each.imported.split(".")[0] == "torch"]
    assert torch
    wrong = [
        each
        for each in torch
        if layer(each.importer) not in (1, 2)
        and not (each.lazily and each.importer in MAY_LOAD_ENGINE)
    ]
    assert not [told(each) for each in wrong]


def test_bridge_reaches_the_torch_layers_only_lazily_and_from_few_places() -> None:
    crossing = [
        each
        for each in OURS
        if each.importer.startswith("bridge") and layer(each.imported) in (1, 2)
    ]
    allowed = {
        each
        for each in crossing
        if each.lazily
        and (each.importer in MAY_LOAD_ENGINE or each.importer.startswith("bridge.cli_"))
    }
    assert not [told(each) for each in crossing if each not in allowed]


def test_the_pure_layer_touches_no_system() -> None:
    wrong = [
        each
        for each in IMPORTS
        if layer(each.importer) == 3 and each.imported.split(".")[0] in IMPURE
    ]
    assert not [told(each) for each in wrong]


@pytest.mark.parametrize(
    "module", ["bridge.cli", "bridge.cli_live", "bridge.cli_files", "bridge.cli_presets"]
)
def test_commands_import_no_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules, 'rtmidi' in sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    torch, rtmidi = out.stdout.split()
    assert torch == "False"
    assert rtmidi == "False" or module == "bridge.cli_live"


def test_importing_the_command_line_is_much_faster_than_importing_torch() -> None:
    def modules_after(statement: str) -> int:
        code = f"import sys; {statement}; print(len(sys.modules))"
        return int(subprocess.check_output([sys.executable, "-c", code], timeout=120))

    # Counted in modules, not seconds: a loaded machine must not fail this.
    assert modules_after("import bridge.cli") < modules_after("import numpy, click") + 60
