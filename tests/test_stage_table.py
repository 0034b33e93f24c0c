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


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"late": 1}, ["late 1"]),
        ({"rest": 2, "fresh_percent": 98.0}, ["rest 2", "fresh 98.0 %"]),
        ({"slow_down": 5.0, "fresh_percent": 20.0}, []),
        ({"slow_down": 5.0, "rest": 3}, ["rest 3"]),
        ({"slow_down": 20.0, "rest": 30}, []),
    ],
)
def test_a_live_run_that_breaks_a_promise_fails(
    change: dict[str, float], broken: list[str]
) -> None:
    kept = {
        "stuck_notes": 0,
        "unsent": 0,
        "faults": 0,
        "late": 0,
        "rest": 0,
        "slow_down": 1.0,
        "fresh_percent": 100.0,
    }
    code = f"print({json.dumps(json.dumps(kept | change))})"
    ran = run(Row("live", ("-c", code), lambda found: [], stage_table._live_broken), {})
    assert ran.ok == (not broken)
    assert ran.tail.splitlines()[: len(broken)] == broken


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
