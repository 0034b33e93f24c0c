"""The state is written when something changes, not more often, and at the end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from bridge.commands import OscOut
from bridge.runtime.state_keeper import StateKeeper
from bridge.settings.parameters import DEFAULTS


def keeper(path: Path, told: list[str]) -> StateKeeper:
    return StateKeeper(path, DEFAULTS, [("voices", 1, 20)], lambda _, text: told.append(text))


def param(name: str, value: Any) -> OscOut:
    return OscOut(f"/diffuse/out/param/{name}", (value,))


def wait_for(path: Path, *want: object) -> dict[str, Any]:
    end_s = time.monotonic() + 5
    while time.monotonic() < end_s:
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text())
            if [found["settings"]["tempo"], found["learned"]] == list(want):
                return found
        time.sleep(0.005)
    raise AssertionError(path.read_text() if path.exists() else "no file")


def test_a_change_is_written_soon_and_what_came_last_at_the_end(tmp_path: Path) -> None:
    path, told = tmp_path / "state.json", list[str]()
    kept = keeper(path, told)
    kept.start()
    wait_for(path, 120.0, [["voices", 1, 20]])
    kept.take(param("tempo", 93.0))
    kept.take(OscOut("/diffuse/out/learned", ("panic", 1, 20)))
    wait_for(path, 93.0, [["panic", 1, 20]])  # one controller, one name
    kept.take(OscOut("/diffuse/out/learned", ("panic", 0, 0)))
    kept.take(OscOut("/diffuse/out/state", ("playing",)))
    kept.take(param("preset", "hymn"))
    kept.stop()
    assert wait_for(path, 93.0, [])["preset"] == "hymn"
    assert told == []


def test_an_answer_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    kept = keeper(path, [])
    kept.start()
    wait_for(path, 120.0, [["voices", 1, 20]])
    before = path.stat().st_mtime_ns
    kept.take(param("tempo", 120.0))
    kept.take(OscOut("/diffuse/out/learned", ("voices", 1, 20)))
    time.sleep(0.7)  # longer than the pause between two writes
    assert path.stat().st_mtime_ns == before
    kept.stop()


def test_a_disk_that_says_no_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = list[str]()
    kept = keeper(tmp_path / "file" / "state.json", told)
    kept.start()
    kept.take(param("tempo", 93.0))
    kept.stop()
    (text,) = told
    assert "cannot be written" in text
