"""The systems that are shipped: small enough, and heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.settings.presets import load
from engine.model.export import is_export
from engine.music.roll import PianoRoll, roll_to_notes
from engine.requests.request import FillRequest, SampleSettings
from engine.requests.tasks import generate_mask
from engine.systems.common.gaussian import WAYS
from engine.systems.player import SystemPlayer
from scripts.score_shipped import PRESETS

SHIPPED = [path for path in sorted(PRESETS.glob("*.pt")) if not is_export(path)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_is_small_has_its_preset_and_its_card_and_plays(path: Path) -> None:
    assert path.stat().st_size <= 8_000_000
    assert path.with_suffix(".md").read_text().startswith(f"# Model card: `{path.stem}`")
    settings = load(path.stem).settings
    assert settings["sampler"] in WAYS
    player = SystemPlayer.load(path, "cpu")
    assert player.metadata["name"] == path.stem
    assert "pop909" not in player.metadata["corpora"]
    roll = PianoRoll.empty(384)
    for seed in (1, 2):
        asked = FillRequest(
            roll,
            generate_mask(roll),
            settings=SampleSettings(steps=12, sampler=str(settings["sampler"]), seed=seed),
        )
        assert len(roll_to_notes(player.fill(asked))) >= 8
