"""Likelihoods of models and baselines on the same windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.diffusion.batch import merged_batch, within
from engine.evaluation.held_out import EvaluateSettings, draw_windows
from engine.evaluation.likelihood import likelihood, per_beat
from engine.model.generator import Generator
from engine.music.grid import PAPER, PIANO
from engine.training.dataset import Pack, load_pack

SMALL = EvaluateSettings(windows=6, beats=4, draws=1, levels=10, fit_windows=32)


@pytest.fixture
def packed(made_pack: Path) -> Pack:
    return load_pack(made_pack)


def quiet(text: str) -> None:
    pass


def test_nats_a_beat_by_hand() -> None:
    # 10 and 30 nats over 48 free steps each: 20 nats in 2 beats, 10 off the mean either way.
    found = per_beat(np.array([10.0, 30.0]), np.array([48.0, 48.0]))
    assert found["nats_per_beat"] == pytest.approx(10.0)
    assert found["nats_per_step"] == pytest.approx(10 / 24)
    assert found["se"] == pytest.approx(np.sqrt(200) / 2 / np.sqrt(2))


def test_a_model_and_the_baselines(tiny_generator: Generator, packed: Pack) -> None:
    found = likelihood({"mine": tiny_generator}, packed, SMALL, quiet)
    mine = found["models"]["mine"]
    assert list(found["baselines"]) == ["marginal", "markov", "note-markov"]
    for row in (mine, *found["baselines"].values()):
        assert row["nats_per_beat"] == pytest.approx(24 * row["nats_per_step"])
        assert row["se"] > 0
    marginal = found["baselines"]["marginal"]
    less = marginal["less"]["mine"]["nats_per_beat"]
    assert less == pytest.approx(marginal["nats_per_beat"] - mine["nats_per_beat"])
    assert mine["less"] == {}
    # an untrained network must lose against what was counted
    assert mine["nats_per_beat"] > found["baselines"]["markov"]["nats_per_beat"]
    assert "merged" not in found


def test_overwriting_gives_no_conditional_likelihood(
    tiny_generator: Generator, paper_generator: Generator, packed: Pack
) -> None:
    both = {"mine": tiny_generator, "paper": paper_generator}
    found = likelihood(both, packed, SMALL, quiet)
    assert "no likelihood" in found["models"]["paper"]["note"]
    assert found["models"]["mine"]["less"] == {}


def test_without_a_task_both_kinds_meet_on_merged_rolls(
    tiny_generator: Generator, paper_generator: Generator, packed: Pack
) -> None:
    both = {"mine": tiny_generator, "paper": paper_generator}
    found = likelihood(both, packed, replace(SMALL, task="generate"), quiet)
    assert "merged rolls" in found["models"]["paper"]["note"]
    mine, paper = (found["merged"]["models"][name] for name in both)
    # Alone, the resting lead is told: half as many cells to pay for.
    assert mine["nats_per_beat"] < found["models"]["mine"]["nats_per_beat"]
    less = paper["nats_per_beat"] - mine["nats_per_beat"]
    assert paper["less"]["mine"]["nats_per_beat"] == pytest.approx(less)
    assert mine["less"]["paper"]["nats_per_beat"] == pytest.approx(-less)
    assert list(found["merged"]["baselines"]) == ["marginal", "markov"]
    exact = found["merged"]["baselines"]["markov"]["nats_per_beat"]
    assert 0 < exact < found["baselines"]["markov"]["nats_per_beat"]  # less is said


def test_notes_outside_the_range_change_no_merged_roll(packed: Pack) -> None:
    packed.pitch[::3] = 25
    batch = draw_windows(packed, SMALL, 1, 6)
    inside = within(batch, PAPER)
    assert batch.target[:, :, :, 25 - PIANO.low].any()
    assert not inside.target[:, :, :, : PAPER.low - PIANO.low].any()
    assert inside.context is inside.target
    before, after = merged_batch(batch, PAPER).target, merged_batch(inside, PAPER).target
    assert (before == after).all()


def test_without_baselines(tiny_generator: Generator, packed: Pack) -> None:
    wanted = replace(SMALL, baselines=False)
    assert likelihood({"mine": tiny_generator}, packed, wanted, quiet)["baselines"] == {}
