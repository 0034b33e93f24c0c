"""`scripts/fuzz`: what it counts, and that what it finds ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import fuzz

TEST = """
from hypothesis import given, settings
from hypothesis import strategies as st
@settings(database=None, max_examples=30)
@given(st.integers())
def test_numbers(number):
    assert {holds}
"""


def test_inputs_are_counted_until_there_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "test_sound.py"
    path.write_text(TEST.format(holds="True"))
    monkeypatch.setattr(fuzz, "TESTS", [path])
    assert fuzz.main(["--jobs", "1", "--inputs", "30", "--minutes", "9"]) == 0
    assert '"inputs": 30' in capsys.readouterr().out


def test_what_is_found_is_printed_and_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "test_broken.py"
    path.write_text(TEST.format(holds="number < 1000"))
    monkeypatch.setattr(fuzz, "TESTS", [path])
    assert fuzz.main(["--jobs", "1", "--minutes", "9"]) == 1
    told = capsys.readouterr().out
    assert "number=1000" in told.replace("_", "")
    assert "found by seed " in told


def test_a_run_that_counts_nothing_has_not_passed(tmp_path: Path) -> None:
    path = tmp_path / "test_none.py"
    path.write_text("def test_nothing(): pass")
    assert not fuzz.run(1, 5, [path]).ok


def test_there_are_tests_to_run() -> None:
    assert len(fuzz.TESTS) == 2
