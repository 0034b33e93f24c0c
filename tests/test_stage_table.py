"""`make stage`: figures come from tests and benches, failures show, the table is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import stage_table
from scripts.stage_table import ROWS, Ran, Row, run, table

TEST = """
import os
with open(os.environ["MIDI_DIFFUSE_FIGURES"], "a") as file:
    file.write('["drift", "0.1 ms", "< 1 ms"]\\n')
raise SystemExit({code})
"""


def test_figures_of_a_test_are_read_and_its_failure_is_kept() -> None:
    good = run(Row("good", ("-c", TEST.format(code=0))), {})
    assert (good.ok, good.figures, good.tail) == (True, [("drift", "0.1 ms", "< 1 ms")], "")
    bad = run(Row("bad", ("-c", "print('why'); raise SystemExit(1)")), {})
    assert (bad.ok, bad.figures, bad.tail) == (False, [], "why\n")
    none_there = run(Row("empty", ("-c", "raise SystemExit(5)")), {})
    assert none_there.ok


def test_figures_of_a_bench_are_read_off_its_json() -> None:
    code = f"print({json.dumps(json.dumps({'a': {'p50': 1}}))})"
    ran = run(Row("bench", ("-c", code), stage_table._flat), {"X": "1"})
    assert ran.figures == [("a p50", "1", "")]


def test_the_table_has_a_line_for_every_figure_and_run() -> None:
    row = Row("soak", ())
    text = table([Ran(row, True, 12.4, [("drift", "0.1 ms", "< 1 ms")]), Ran(row, False, 3.0)])
    assert "| drift | 0.1 ms | < 1 ms |" in text
    assert "| soak | passed | 12 |" in text
    assert "| soak | FAILED | 3 |" in text


def test_the_exit_code_is_that_of_the_worst(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (Row("good", ("-c", "")), Row("bad", ("-c", "raise SystemExit(1)")))
    monkeypatch.setattr(stage_table, "ROWS", rows)
    assert stage_table.main(["--only", "good"]) == 0
    assert stage_table.main(["--out", str(tmp_path / "t.md")]) == 1
    assert "| bad | FAILED |" in (tmp_path / "t.md").read_text()
    capsys.readouterr()


def test_every_path_that_is_named_is_there() -> None:
    top = Path(stage_table.__file__).parent.parent
    words = [word.removeprefix("--ignore=") for row in ROWS for word in row.arguments]
    assert [word for word in words if word.startswith("tests/") and not (top / word).exists()] == []
