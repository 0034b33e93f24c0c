"""`bench samplers`, as a user types it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli.main import main
from bridge.cli.study import table
from engine.evaluation.metrics import NINE, RATES
from engine.evaluation.study import SamplerChoice, StudySettings


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def row(sampler: str, **more: Any) -> dict[str, Any]:
    return {
        "sampler": sampler,
        "steps": 10,
        "temperature": 0.7,
        "spacing": 1.0,
        "corrections": 0,
        "note_f1": 0.125,
        "short": 0.5,
        "length_ratio": 0.75,
        "mean_ratio": 2.5,
        "order": 1,
        "ms_per_reply": 210.4,
        "profile": dict.fromkeys(RATES, 0.25),
        "distance": dict.fromkeys(NINE, 0.375),
        **more,
    }


@pytest.fixture
def found() -> dict[str, Any]:
    wrong = row("", mean_ratio=None)
    for name in ("sampler", "steps", "temperature", "order", "ms_per_reply"):
        del wrong[name]
    human = {
        "profile": dict.fromkeys(RATES, 0.1),
        "half_split": dict.fromkeys(NINE, 0.05),
        "short": 0.2,
        "mean_length": 24.0,
    }
    return {
        "model": "tiny",
        "human": human,
        "wrong piece": wrong,
        "tables": {
            "calls": [row("ddim", order=2), row("renoise")],
            "temperature": [row("ddim")],
            "spacing": [row("renoise", spacing=1.5)],
            "corrections": [row("ddim", corrections=2)],
        },
    }


def test_the_table_has_every_row_beside_its_yardsticks(found: dict[str, Any]) -> None:
    lines = table(found, StudySettings(SamplerChoice("renoise", 10, 0.7))).splitlines()
    assert lines[0] == "tiny: 24 valid windows of 16 beats"
    ddim = next(line for line in lines if line.startswith("  ddim, 10, 0.7"))
    assert ddim.split()[3:] == [
        "0.125",
        "0.250",
        "0.250",
        "0.250",
        "0.250",
        "0.250",
        "0.375",
        "0.500",
        "0.750",
        "2.500",
        "2",
        "210",
    ]
    assert sum("wrong piece" in line for line in lines) == 4
    assert any(line.startswith("  renoise, 10, 0.7^1.5 ") for line in lines)
    assert any(line.startswith("  ddim, 10, 0.7 2 low ") for line in lines)
    composer = next(line for line in lines if line.startswith("  composer"))
    assert composer.split()[1:3] == ["1.000", "0.100"]
    assert composer.split()[-1] == "1.000"  # no order and no time


def test_mistakes_are_told_before_anything_is_loaded() -> None:
    result = run("bench", "samplers", "--data", "none.npz", "--sampler", "renoize")
    assert result.exit_code == 2
    assert "did you mean 'renoise'" in result.output
    assert "Usage" in run("bench", "samplers", "--help").output


def test_the_result_is_json(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import engine.evaluation.study
    import engine.training.dataset
    from bridge.cli import study as cli_study

    class Model:
        metadata = {"name": "tiny", "sampling": {"steps": 7}}  # noqa: RUF012
        device = __import__("torch").device("cpu")

    asked = []

    def pretend(filler: Any, pack: Any, wanted: StudySettings, report: Any) -> dict[str, Any]:
        asked.append(wanted)
        return {"tables": {}}

    data = tmp_path / "d.npz"
    data.write_bytes(b"")
    monkeypatch.setattr(cli_study, "load_generator", lambda model, device: Model())
    monkeypatch.setattr(engine.training.dataset, "load_pack", lambda path: None)
    monkeypatch.setattr(engine.evaluation.study, "study", pretend)
    words = ["--model", "x.pt", "--calls", 2, "--sampler", "ddim", "--seed", 3, "--json"]
    found = json.loads(run("bench", "samplers", "--data", data, *words).output)
    assert (found["model"], found["machine"]["device"]) == ("tiny", "cpu")
    (wanted,) = asked
    assert wanted.default.steps == 7  # as the model is played
    assert (wanted.calls, wanted.samplers, wanted.seed) == ((2,), ("ddim",), 3)
    assert wanted.temperatures == engine.evaluation.study.TEMPERATURES
