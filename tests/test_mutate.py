"""The mutation pass: what it changes, and that a change is put in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.mutate import modules, mutants, nearest_tests

SOURCE = '''"""ä."""
def f(a: int, b: int) -> int:
    assert a < b
    if a >= b and not b:
        return max(a, b + 1)
    return a
'''


def test_each_mutant_changes_one_thing() -> None:
    found = mutants(Path("x.py"), SOURCE)
    lines = {one.source(SOURCE).splitlines()[one.line - 1].strip() for one in found}
    assert lines == {
        "if ((a >= b) or (not b)):",
        "if (a > b) and not b:",
        "if a >= b and (b):",
        "if (not (a >= b and (not b))):",
        "return min(a, b + 1)",
        "return max(a, (b - 1))",
    }


def test_asserts_and_types_are_left_alone() -> None:
    assert all(one.line > 3 for one in mutants(Path("x.py"), SOURCE))


def test_the_nearest_tests_come_first() -> None:
    path = Path("bridge/live/planning/beat_tally.py")
    near = nearest_tests(path)
    assert near[0] == "tests/bridge/live/planning/test_beat_tally.py"
    own = [test for test in near if test.startswith("tests/bridge/live/planning/")]
    assert near[: len(own)] == own
    assert "tests/bridge/live/test_session.py" in near
    assert "tests/bridge/live/playing/test_scheduler.py" in near, "a neighbour's"
    assert "tests/bridge/test_fuzz.py" not in near
    assert len(near) == len(set(near))
    assert path in modules(["bridge/live"])


@pytest.mark.parametrize(
    ("comparison", "new"),
    [
        ("a < b", "a <= b"),
        ("uniform < p", "uniform >= p"),
        ("self._noise(1) < p", "self._noise(1) >= p"),
        ("x > 0.5", "x <= 0.5"),
        ("x > 10.5", "x >= 10.5"),
        ("x == 0.5", "x != 0.5"),
    ],
)
def test_where_nothing_can_be_equal_a_comparison_is_turned_round(comparison: str, new: str) -> None:
    (mutant,) = mutants(Path("x.py"), f"found = {comparison}\n")
    assert mutant.new == f"({new})"
