"""Plots show the numbers they are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.plots import PlotError, main, replay, samplers

STUDY: dict[str, Any] = {
    "model": "tiny",
    "windows": 24,
    "wrong piece": {"note_f1": 0.05, "mean_ratio": 3.5},
    "tables": {
        "calls": [
            {
                "sampler": name,
                "steps": steps,
                "note_f1": round(0.1 + steps / 100, 2),
                "mean_ratio": None if (steps, name) == (4, "ddim") else 1.5,
                "ms_per_reply": 20 * steps,
            }
            for name in ("renoise", "ddim")
            for steps in (10, 4)
        ]
    },
}


def reply(f1: float, dissonant: float) -> dict[str, Any]:
    return {"note_f1": f1, "profile": {"dissonant": dissonant}}


REPLAY: dict[str, Any] = {
    "models": ["a"],
    "task": "replay",
    "windows": 8,
    "horizons": [
        {"model": "a", "player": f"a +{beats}", "horizon_beats": float(beats)} for beats in (4, 0)
    ],
    "harmony": {
        "human": {"profile": {"dissonant": 0.15}},
        "replies": {
            "a +0": reply(0.11, 0.1),
            "a +4": reply(0.08, 0.2),
            "a all": reply(0.13, 0.12),
            "wrong piece": reply(0.05, 0.25),
        },
    },
}


def drawn(panel: Any) -> dict[str, list[tuple[float, float]]]:
    """The points of each line by its name; level lines have none."""
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]
        for line in panel.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def levels(panel: Any) -> dict[str, float]:
    return {note.get_text(): float(note.xy[1]) for note in panel.texts}


def test_samplers_are_lines_over_calls() -> None:
    f1, ratio, ms = samplers(STUDY).axes
    assert drawn(f1)["renoise"] == [(4, 0.14), (10, 0.2)]
    assert drawn(ratio) == {"renoise": [(4, 1.5), (10, 1.5)], "ddim": [(10, 1.5)]}
    assert drawn(ms)["ddim"] == [(4, 80), (10, 200)]
    assert levels(f1) == {"wrong piece": 0.05}
    assert levels(ratio) == {"composers": 1.0, "wrong piece": 3.5}


def test_replay_is_a_line_over_horizons() -> None:
    for found in (REPLAY, [{"task": "harmonize"}, REPLAY]):
        f1, dissonant = replay(found).axes
        assert drawn(f1) == {"a": [(0, 0.11), (4, 0.08)]}
        assert drawn(dissonant) == {"a": [(0, 0.1), (4, 0.2)]}
        assert levels(f1) == {"a,\nlead known": 0.13, "wrong piece": 0.05}
        assert levels(dissonant) == {"a,\nlead known": 0.12, "wrong piece": 0.25, "composers": 0.15}


@pytest.mark.parametrize(("name", "found"), [("samplers", STUDY), ("replay", REPLAY)])
def test_a_small_png_and_the_same_again(name: str, found: dict[str, Any], tmp_path: Path) -> None:
    source, out, again = tmp_path / "f.json", tmp_path / "a.png", tmp_path / "b.png"
    source.write_text(json.dumps(found))
    main([name, str(source), "-o", str(out)])
    main([name, str(source), "-o", str(again)])
    assert out.read_bytes().startswith(b"\x89PNG")
    assert out.stat().st_size < 150_000
    assert out.read_bytes() == again.read_bytes()


def test_the_wrong_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for of, other in ((samplers, REPLAY), (replay, STUDY), (replay, []), (samplers, [])):
        with pytest.raises(PlotError, match="--json"):
            of(other)
    (tmp_path / "f.json").write_text("{")
    with pytest.raises(SystemExit, match="2"):
        main(["samplers", str(tmp_path / "f.json"), "-o", str(tmp_path / "x.png")])
    assert "f.json: Expecting" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
