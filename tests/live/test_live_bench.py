from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


@pytest.mark.parametrize("mode", ["live", "next-bar"])
def test_the_bench_plays_and_counts(jack: str, mode: str) -> None:
    words = ["bench", "live", "--bars", "8", "--bpm", "180", "--preset", "fixture", "--json"]
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", *words, "--mode", mode],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    wrong = {
        name: result[name]
        for name in ("stale", "rest", "late", "silent", "stuck_notes", "off_grid", "unsent")
        if result[name]
    }
    assert wrong == {}
    assert result["faults"] == result["engine_restarts"] == result["exit_code"] == 0
    assert result["fresh_percent"] == 100
    # In next-bar the first bar is listened to; the last beat is not over when Stop comes.
    assert result["fresh"] >= (30 if mode == "live" else 26)
    assert result["beats_heard"] >= result["fresh"]
    assert result["machine"]["cores"] >= 1


def test_the_bench_tells_what_it_does_not_know() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", "bench", "live", "--mode", "liev"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "did you mean 'live'" in ended.stderr
