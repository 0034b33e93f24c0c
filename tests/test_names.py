"""Names at the top of modules: each has one meaning, and is public where others use it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CODEC = "the two directions of a codec, called with its module's name: `codec.encode`"
_SYSTEM = "what every family in engine/systems has"
_GAUSSIAN = "the field's own name, of the binomial process and of the Gaussian one"
_TENSORS = "the same for tensors on a GPU"
_STATUS = "the same status byte in MIDI files, which know nothing of ports"
SHARED = {
    **dict.fromkeys(("encode", "decode"), _CODEC),
    **dict.fromkeys(("fill", "recode", "loss", "material", "settle"), _SYSTEM),
    **dict.fromkeys(("alpha_bar", "diffuse", "draw_levels"), _GAUSSIAN),
    **dict.fromkeys(("alone", "corrupted", "stuck", "with_sampled_past"), _TENSORS),
    **dict.fromkeys(("NOTE_ON", "NOTE_OFF"), _STATUS),
    "table": "what every bench has: its result for people",
    "load": "of a preset and of a checkpoint, called with the module's name: `presets.load`",
}
"""What several modules may call the same, and why."""


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Modules by name, parsed."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield module.removesuffix(".__init__"), ast.parse(path.read_text())


def defined(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """The functions, classes and constants at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        for each in (part for target in targets for part in ast.walk(target)):
            if isinstance(each, ast.Name):
                yield each.id, node


def used(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) that a module takes from others: imported, by attribute, or in a string."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield str(node.module), alias.name
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            module, _, name = node.value.rpartition(".")
            yield module, name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield modules.get(node.value.id, ""), node.attr
        match node:  # monkeypatch.setattr(module, "name", ...)
            case ast.Call(args=[ast.Name(id=place), ast.Constant(value=str(name)), *_]):
                yield modules.get(place, ""), name


def test_each_package_says_where_to_begin_and_imports_nothing() -> None:
    doors = [path for top in ("bridge", "engine") for path in (ROOT / top).rglob("__init__.py")]
    for door in sorted(doors):
        tree, where = ast.parse(door.read_text()), str(door.relative_to(ROOT))
        text = ast.get_docstring(tree) or ""
        assert len(tree.body) == 1, f"{where}: a docstring alone (docs/architecture.md)"
        begin = [line for line in text.splitlines() if line.startswith("Begin with `")]
        assert len(begin) == 1, f"{where}: want a line `Begin with ...`"
        for name in re.findall(r"`([\w.]+)`", begin[0]):
            assert _is_there(door.parent, name.split(".")), f"{where}: no {name}"


def _is_there(folder: Path, parts: list[str]) -> bool:
    """Whether `module`, `package.module`, `module.Name` or `module.Name.method` is there."""
    while parts and (folder / parts[0]).is_dir():
        folder, *parts = folder / parts[0], *parts[1:]
    module, *names = parts
    path = folder / f"{module}.py"
    if not path.exists() or not names:
        return path.exists()
    within: list[ast.stmt] = ast.parse(path.read_text()).body
    for name in names:
        found = [node for node in within if getattr(node, "name", "") == name]
        if not found:
            return False
        within = getattr(found[0], "body", [])
    return True


OURS = [(module, tree) for module, tree in sources("bridge", "engine") if ".cli" not in module]
"""Without the command line, whose functions are commands and are called by nobody."""


def test_a_public_name_has_one_meaning() -> None:
    places = defaultdict(set)
    for module, tree in OURS:
        for name, _ in defined(tree):
            if not name.startswith("_"):
                places[name].add(module)
    several = {name: modules for name, modules in places.items() if len(modules) > 1}
    assert not {name: several[name] for name in several.keys() - SHARED.keys()}
    assert several.keys() == SHARED.keys(), "no longer shared"


def test_what_only_its_own_module_uses_begins_with_an_underscore() -> None:
    taken = {
        one for _, tree in sources("bridge", "engine", "scripts", "tests") for one in used(tree)
    }
    lonely = [
        f"{module}.{name}"
        for module, tree in OURS
        for name, node in defined(tree)
        if (name.isupper() or not isinstance(node, ast.ClassDef | ast.Assign | ast.AnnAssign))
        and not name.startswith("_")
        and (module, name) not in taken
    ]
    assert not lonely
