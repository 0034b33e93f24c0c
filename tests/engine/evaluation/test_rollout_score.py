"""Scores of causal rollout: an engine that knows the composer is perfect, and numbers are JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.evaluation.evaluate import Candidate
from engine.evaluation.held_out import EvaluateSettings, draw_windows
from engine.evaluation.rollout_score import rollout_scores, towards_wrong
from engine.evaluation.rollout_stage import notes_begun_inside
from engine.model.generator import Generator
from engine.music.grid import PIANO
from engine.music.roll import PianoRoll, roll_to_notes
from engine.requests.request import FillRequest, Plan, PlanRequest, SampleSettings
from engine.training.dataset import PackError, load_pack
from scripts import plots

SMALL = EvaluateSettings(windows=6, beats=12)


class Knowing:
    """Gives the composer's own notes of each window, told apart by the seed."""

    def __init__(self, targets: list[np.ndarray[Any, Any]]) -> None:
        self.pitches, self.merged, self.metadata = PIANO, False, {"name": "knowing"}
        self.targets = targets

    def fill(self, request: FillRequest) -> PianoRoll:
        return PianoRoll(self.targets[request.settings.seed], PIANO)

    def fill_many(self, requests: list[FillRequest]) -> list[PianoRoll]:
        return [self.fill(request) for request in requests]

    def plan(self, request: PlanRequest) -> Plan:
        notes = roll_to_notes(PianoRoll(self.targets[request.settings.seed], PIANO))
        inside = [n for n in notes if request.first_step <= n.onset_step < request.end_step]
        return Plan(0, request.first_step, request.end_step, tuple(inside), 0, 1)


def test_a_perfect_engine_scores_perfectly(made_pack: Path) -> None:
    pack = load_pack(made_pack)
    batch = draw_windows(pack, SMALL, 1, SMALL.windows)
    targets = [notes_begun_inside(cells) for cells in batch.target]
    knowing: Any = Knowing(targets)
    found = rollout_scores({"it": Candidate(knowing, SampleSettings())}, pack, SMALL)
    found = json.loads(json.dumps(found))
    for row, beats in zip(found["horizons"], (0, 1, 4), strict=True):
        assert row["player"] == f"it +{beats}"
        assert (row["horizon_beats"], row["flicker"]) == (beats, 0.0)
        assert row["towards_wrong"]["note_f1"] == 0.0
        reply = found["harmony"]["replies"][row["player"]]
        assert reply["note_f1"] == 1.0
        assert reply["profile"] == found["harmony"]["human"]["profile"]
    assert (found["windows"], found["lead_in_beats"]) == (6, 8)
    assert found["harmony"]["replies"]["wrong piece"]["note_f1"] < 0.5
    assert len(plots.replay(found).axes) == 2  # what is told can be drawn


def test_every_player_is_scored_and_the_same_seed_gives_the_same(
    tiny_generator: Generator, made_pack: Path
) -> None:
    pack = load_pack(made_pack)
    candidates = {"tiny": Candidate(tiny_generator, SampleSettings(steps=1))}
    wanted = replace(SMALL, windows=4, beats=9)
    first, again = (rollout_scores(candidates, pack, wanted, horizons_beats=(1.0,)) for _ in "12")
    assert first == again
    players = ["rule", "rule all", "tiny +1", "tiny all", "wrong piece"]
    assert sorted(first["harmony"]["replies"]) == players
    assert list(first["harmony"]["against_rule"]) == ["tiny all", "tiny +1", "rule all"]
    assert 0 <= first["horizons"][0]["flicker"] <= 1


def test_windows_too_short_for_an_answer_are_told(
    tiny_generator: Generator, made_pack: Path
) -> None:
    candidates = {"tiny": Candidate(tiny_generator, SampleSettings(steps=1))}
    with pytest.raises(PackError, match="longer windows"):
        rollout_scores(candidates, load_pack(made_pack), replace(SMALL, beats=8))


def test_how_far_from_all_known_to_the_wrong_piece() -> None:
    def reply(f1: float, dissonant: float) -> dict[str, Any]:
        return {"note_f1": f1, "profile": {"dissonant": dissonant}}

    replies = {
        "it all": reply(0.5, 0.1),
        "wrong piece": reply(0.1, 0.1),
        "it +1": reply(0.4, 0.2),
    }
    found = towards_wrong(replies, "it +1", "it")
    assert found == {"note_f1": pytest.approx(0.25), "dissonant": None}
