from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from engine.evaluation.held_out import EvaluateSettings
from engine.evaluation.systems import Entry, rhythm_likeness, score, with_anticipation
from engine.model.generator import Generator
from engine.music.roll import Note, notes_to_roll
from engine.requests.request import SampleSettings
from engine.systems.player import SystemPlayer
from engine.systems.registry import SYSTEMS
from engine.training.dataset import load_pack
from tests.engine.systems.small import FACTS, SMALL


def test_rhythm_likeness_is_the_share_of_onsets_two_bars_have_in_common() -> None:
    def bars(*onsets: int) -> float | None:
        return rhythm_likeness(notes_to_roll([Note(o, 60, 3) for o in onsets], 0, 192).cells)

    assert bars(0, 24, 96, 120) == 1.0
    assert bars(0, 24, 96, 144) == 1 / 3
    assert bars(0, 24) == 0.0
    assert bars() is None


def player(family: str) -> SystemPlayer:
    torch.manual_seed(1)
    system = SYSTEMS[family]
    told = {"name": family, "family": family, "facts": FACTS}
    network = system.build(system.config(**SMALL[family])).eval()
    return SystemPlayer(network, told, torch.device("cpu"))


def test_who_anticipates_is_scored_at_each_k() -> None:
    settings = SampleSettings(steps=2, sampler="ddim")
    entries = {name: Entry(player(name), settings) for name in ("kumawat", "ziko-munim")}
    found = with_anticipation(entries)
    assert list(found) == [
        "kumawat",
        "ziko-munim",
        "ziko-munim, k = 0",
        "ziko-munim, k = 1",
        "ziko-munim, k = 4",
    ]
    assert found["ziko-munim, k = 4"].player.metadata["facts"]["anticipation"] == 4
    assert "anticipation" not in found["ziko-munim"].player.metadata["facts"]


def test_each_is_scored_in_what_it_can_beside_composer_chain_and_wrong_piece(
    made_pack: Path, tiny_generator: Generator
) -> None:
    tiny_generator.metadata["family"] = "frame-transformer"
    entries = {
        "savkin": Entry(player("savkin"), SampleSettings(steps=2, sampler="ddim")),
        "default": Entry(tiny_generator, SampleSettings(steps=2)),
    }
    wanted = EvaluateSettings(windows=4, beats=8)
    found = score(entries, load_pack(made_pack), wanted)
    beside = {"wrong piece", "markov chain", "composer"}
    assert set(found["tasks"]["harmonize"]["rows"]) == {"default", *beside}
    assert set(found["tasks"]["continue"]["rows"]) == {"default", "savkin", *beside}
    rows = found["tasks"]["continue"]["rows"]
    assert rows["composer"]["pitch_classes"] == 0.0
    assert 0.0 <= rows["savkin"]["mended"] <= 1.0
    assert rows["default"]["mended"] is None
    facts = found["models"]["savkin"]
    assert facts["can"] == ["continue", "vary", "generate"]
    network = entries["savkin"].player.network  # type: ignore[union-attr]
    assert facts["parameters"] == sum(p.numel() for p in network.parameters())
    assert facts["seconds_a_bar"] > 0
    again = score(entries, load_pack(made_pack), wanted)
    assert np.array_equal(
        again["tasks"]["continue"]["rows"]["savkin"]["rhythm"], rows["savkin"]["rhythm"]
    )
