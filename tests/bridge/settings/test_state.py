"""What is remembered from one run to the next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.settings import state
from bridge.settings.parameters import DEFAULTS


def test_what_is_saved_is_loaded_but_for_what_belongs_to_the_start(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    values = {**DEFAULTS, "preset": "hymn", "tempo": 93.5, "chord": "Am7", "device": "cpu"}
    state.save_state(path, values, [("voices", 3, 21)])
    found = state.load_state(path)
    assert (found.preset, found.learned, found.problems) == ("hymn", (("voices", 3, 21),), ())
    assert found.settings == {n: v for n, v in values.items() if n not in ("preset", "device")}


def test_beside_a_preset_that_is_named_only_the_players_own_place_stays() -> None:
    found = state.State("default", {"tempo": 93.0, "temperature": 1.5}, (("voices", 1, 2),))
    beside = found.beside("hymn")
    assert (beside.preset, beside.settings) == ("hymn", {"tempo": 93.0})
    assert beside.learned == found.learned
    assert found.beside("default") == found


def test_what_does_not_fit_any_more_is_told_and_the_rest_is_in_force(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    document = {
        "preset": "gone",
        "settings": {"tempo": 9999, "voices": 3, "was_a_knob": 1},
        "learned": [["voices", 1, 20], ["was", 1, 2], "x", ["chord", 1, 3], ["steps", 1, "y"]],
    }
    path.write_text(json.dumps(document))
    found = state.load_state(path)
    assert (found.preset, dict(found.settings)) == ("default", {"voices": 3})
    assert found.learned == (("voices", 1, 20),)
    assert len(found.problems) == 7
    assert all(text.startswith(f"state {path}: ") for text in found.problems)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 20_000, "\xff", "x" * 70_000])
def test_a_file_that_is_no_state_is_moved_aside(text: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="latin-1")
    found = state.load_state(path)
    assert (found.preset, found.settings, found.learned) == ("default", {}, ())
    (problem,) = found.problems
    assert "begun anew, the old one is state.json.bad" in problem
    assert "\n" not in problem
    assert (tmp_path / "state.json.bad").read_text(encoding="latin-1") == text
    assert not path.exists()


def test_without_a_file_all_is_as_usual(tmp_path: Path) -> None:
    assert state.load_state(tmp_path / "none.json") == state.State("default")
