"""Sizes a network cannot have are refused by name; those it can have make one that runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.model.checkpoint import FAMILIES, CheckpointError, build
from engine.network_sizes import (
    SWITCH,
    SizeError,
    SizeRule,
    SizeRules,
    configuration,
    exactly,
)
from engine.systems.registry import SYSTEMS
from engine.systems.train import SystemRun, SystemTrainSettings, train_system
from engine.training.harmony_run import train_plans
from engine.training.train import train
from engine.training.train_settings import Progress, TrainSettings


@dataclass(frozen=True)
class Config:
    width: int = 16
    heads: int = 2
    groups: int = 8
    plan: int = 0
    pitches: int = 88
    layers: int = 1

    rules: ClassVar[SizeRules] = {
        "width": SizeRule(multiple=2, per="heads"),
        "groups": SizeRule(multiple=8, free_below=8),
        "plan": SWITCH,
        "pitches": exactly(88),
    }


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"width": 4},
        {"width": 30, "heads": 5},
        {"groups": 7},
        {"groups": 1},
        {"groups": 24},
        {"plan": 1},
        {"pitches": 88, "layers": 99},
    ],
)
def test_sizes_that_can_be(sizes: dict[str, int]) -> None:
    assert configuration(Config, sizes) == Config(**sizes)


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"depth": 3}, "no size 'depth'; there are: width, heads, groups, plan, pitches, layers"),
        ({"width": "wide"}, "size width cannot be 'wide'; it has to be a whole number"),
        ({"layers": 2.0}, "size layers cannot be 2.0; it has to be a whole number"),
        ({"layers": 0}, "size layers cannot be 0; it has to be at least 1"),
        ({"heads": 0}, "size heads cannot be 0; it has to be at least 1"),
        ({"plan": 2}, "size plan cannot be 2; it has to be 0 to 1"),
        ({"pitches": 87}, "size pitches cannot be 87; it has to be 88"),
        (
            {"width": 18},
            "size width cannot be 18; it has to be a multiple of 2 times heads, so of 4",
        ),
        ({"groups": 9}, "size groups cannot be 9; it has to be a multiple of 8, or less than 8"),
    ],
)
def test_sizes_that_cannot_be(sizes: dict[str, Any], says: str) -> None:
    with pytest.raises(SizeError) as error:
        configuration(Config, sizes)
    assert str(error.value) == says


ODD: dict[str, dict[str, int]] = {
    "frame-transformer": {"width": 30, "heads": 5, "beat_layers": 2, "beat_width": 6}
    | {"beat_heads": 3, "layers": 1, "condition_width": 1, "styles": 7, "plan": 0, "in_key": 0},
    "harmony": {"width": 10, "heads": 5, "layers": 1, "condition_width": 1, "dropout_percent": 99},
    "paper-unet": {"full": 3, "half": 16, "quarter": 1, "eighth": 24},
    "signorelli": {"width": 4, "length": 8},
    "savkin": {"width": 8, "length": 16},
    "kumawat": {"width": 56, "numbers": 1, "coder": 1, "coder_steps": 1, "beats": 4},
    "ziko-munim": {"width": 30, "heads": 5, "layers": 1, "numbers": 3, "coder": 3}
    | {"coder_steps": 1, "beats": 1},
}
"""By family: as small or as odd as the rules allow."""


@pytest.mark.parametrize("family", ODD)
def test_what_the_rules_allow_can_be_trained(family: str, made_pack: Path, tmp_path: Path) -> None:
    def nothing(progress: Progress, share: float) -> None:
        """Report nothing."""

    if family in SYSTEMS:
        system = SystemTrainSettings(
            made_pack,
            tmp_path,
            family,
            steps=1,
            batch=2,
            threads=1,
            valid_windows=2,
            sizes=ODD[family],
        )
        assert train_system(system, nothing).progress.step == 1
        return
    run = train_plans if family == "harmony" else train
    settings = TrainSettings(
        made_pack,
        tmp_path,
        family,
        steps=1,
        batch=2,
        beats=4,
        sizes=ODD[family],
        valid_windows=1,
        threads=1,
    )
    assert run(settings, nothing).progress.step == 1


@pytest.mark.parametrize("family", SYSTEMS)
def test_a_system_names_a_size_it_cannot_have(family: str, made_pack: Path, tmp_path: Path) -> None:
    settings = SystemTrainSettings(made_pack, tmp_path, family, sizes={"width": 0})
    with pytest.raises(CheckpointError, match=f"{family}: size width cannot be 0"):
        SystemRun(settings)


@pytest.mark.parametrize("family", FAMILIES)
def test_so_does_every_other_network(family: str) -> None:
    size = "full" if family == "paper-unet" else "width"
    with pytest.raises(CheckpointError, match=f"{family}: size {size} cannot be 0"):
        build(family, {size: 0})
