"""A small mutation pass: change one thing in the code, and see whether the nearest tests notice.

    python -m scripts.mutate bridge/live engine/diffusion --sample 40 --seed 1

Works in a copy of the tree. Runs the tests named after the module, and where those pass the others
of its folder and then those of the folders around it, up to the first failure.
Prints each mutant that survives, and the share that was killed; exit code 1 below `--least`.
What does not run is left alone: types, and asserts and errors, which are checks themselves.
A comparison that knows no ties, with a random number or of a cell (0.0 or 1.0) with 0.5, is turned
round, `<` to `>=`: `<=` would be the same program.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

TOP = Path(__file__).resolve().parents[1]
TEST_TIMEOUT_S, RUN_TIMEOUT_S = 120, 1200
"""Of one test and of a run of them; a change that makes them hang counts as noticed."""
AREA_DEPTH = 2
"""The folders around a module whose tests are near: up to `bridge/live`, say, not all of `bridge`.
"""
_COMPARE: dict[type, str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_TURNED: dict[type, str] = {ast.Lt: ">=", ast.LtE: ">", ast.Gt: "<=", ast.GtE: "<"}
_NO_TIES = re.compile(r"uniform|noise|\brand\b|\b0\.5$")
_ARITHMETIC: dict[type, str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*"}
_SYMBOL = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//"}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor"}


@dataclass(frozen=True)
class Mutant:
    """One change: the source from `start` to `end` (offsets) becomes `new`."""

    path: Path
    line: int
    start: int
    end: int
    new: str

    def source(self, text: str) -> str:
        """Return the module's source with the change in it."""
        return text[: self.start] + self.new + text[self.end :]

    def describe(self, text: str) -> str:
        """`bridge/live/x.py:12: a < b -> a <= b`."""
        return f"{self.path}:{self.line}: {text[self.start : self.end]} -> {self.new}"


def mutants(path: Path, text: str) -> list[Mutant]:
    """Every change there is to make in a module."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    data, found = text.encode(), list[Mutant]()
    for node in ast.walk(_without_annotations(ast.parse(text))):
        for part, new in _changes(node):
            first = starts[part.lineno - 1] + part.col_offset
            last = starts[(part.end_lineno or 0) - 1] + (part.end_col_offset or 0)
            begin, stop = len(data[:first].decode()), len(data[:last].decode())
            found.append(Mutant(path, part.lineno, begin, stop, new))
    return found


def _without_annotations(tree: ast.Module) -> ast.Module:
    """Return the tree without what is not run: annotations, and asserts and errors, which say
    so."""
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if hasattr(node, name):
                setattr(node, name, None)
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                kept = [one for one in block if not isinstance(one, ast.Assert | ast.Raise)]
                setattr(node, name, kept)
    return tree


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        kind = type(node.ops[0])
        no_ties = _NO_TIES.search(left) or _NO_TIES.search(right)
        new = _TURNED.get(kind, _COMPARE[kind]) if no_ties else _COMPARE[kind]
        yield node, f"({left} {new} {right})"
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        new = _ARITHMETIC[type(node.op)]
        yield node, f"({ast.unparse(node.left)} {new} {_bracketed(node.right)})"
    elif isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield node, "(" + word.join(f"({ast.unparse(value)})" for value in node.values) + ")"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.IfExp | ast.If | ast.While) and not isinstance(
        node.test, ast.Compare
    ):
        yield node.test, f"(not ({ast.unparse(node.test)}))"
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in _CALLS:
            yield node.func, ast.unparse(node.func).removesuffix(name) + _CALLS[name]


def _bracketed(node: ast.expr) -> str:
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, ast.BinOp) else text


def nearest_tests(path: Path) -> list[str]:
    """Test files, nearest first: the module's own, its folder's, those of the folders around it."""
    tests = TOP / "tests"
    found = [path.parent / f"test_{path.stem}.py"]
    for folder in [path.parent, *path.parent.parents]:
        if len(folder.parts) >= AREA_DEPTH:
            inside = sorted((tests / folder).rglob("test_*.py"))
            found += [each.relative_to(tests) for each in inside]
    return [f"tests/{each}" for each in dict.fromkeys(found) if (tests / each).is_file()]


def survives(copy: Path, mutant: Mutant, text: str) -> bool:
    """Do the nearest tests pass with the change in?"""
    target = copy / mutant.path
    # Python tells stale bytecode by size and whole seconds.
    Path(importlib.util.cache_from_source(str(target))).unlink(missing_ok=True)
    target.write_text(mutant.source(text))
    try:
        nearest, *others = nearest_tests(mutant.path)
        return run_tests(copy, [nearest], "-B") and run_tests(copy, others, "-B")
    finally:
        target.write_text(text)


def run_tests(copy: Path, tests: Sequence[str], *python: str) -> bool:
    """Do these tests pass? python: options of the interpreter."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "-o", f"timeout={TEST_TIMEOUT_S}"]
    chosen = ["-m", "not live and not stage and not slow", *tests]
    command = [sys.executable, *python, "-m", "pytest", *options, *chosen]
    # One thread: threads that wait for each other would cost more than they bring.
    env = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=env, capture_output=True, timeout=RUN_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def modules(folders: Sequence[str]) -> list[Path]:
    """Return the modules of these folders, or these files, from the top of the tree."""
    found = list[Path]()
    for each in folders:
        place = TOP / each
        found += [place] if place.is_file() else sorted(place.rglob("*.py"))
    return [path.relative_to(TOP) for path in found if not path.name.startswith("__")]


@click.command()
@click.argument("folders", nargs=-1, required=True)
@click.option("--sample", type=click.IntRange(1), default=40, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--least", type=click.FloatRange(0, 1), default=0.9, show_default=True)
def main(folders: tuple[str, ...], sample: int, seed: int, least: float) -> None:
    """Sample mutants of FOLDERS and run the nearest tests on each; 4 to 40 s each."""
    texts = {path: (TOP / path).read_text() for path in modules(folders)}
    every = [mutant for path, text in texts.items() for mutant in mutants(path, text)]
    chosen = random.Random(seed).sample(every, min(sample, len(every)))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("bridge", "engine", "tests", "scripts", "presets", "docs", "max_patches"):
            shutil.copytree(TOP / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(TOP / "pyproject.toml", copy)
        near = {test for one in chosen for test in nearest_tests(one.path)}
        if not run_tests(copy, sorted(near)):
            raise click.ClickException("some of the tests fail without a change")
        alive = 0
        for mutant in chosen:
            text = texts[mutant.path]
            if survives(copy, mutant, text):
                alive += 1
                click.echo(f"survives  {mutant.describe(text)}")
    share = 1 - alive / len(chosen)
    click.echo(f"{len(chosen)} of {len(every)} mutants, {share:.0%} killed")
    raise SystemExit(share < least)


if __name__ == "__main__":
    main()
