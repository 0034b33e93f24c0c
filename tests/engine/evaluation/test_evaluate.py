"""Scoring models side by side: the numbers that must come out are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.evaluation.evaluate import (
    REPLIERS,
    SCORED_TASKS,
    Candidate,
    EvaluateSettings,
    draw_windows,
    evaluate,
    fill_replies,
)
from engine.evaluation.given_chords import composers_chords
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import PianoRoll
from engine.requests.request import FillRequest, SampleSettings
from engine.training.dataset import Pack, PackError, load_pack

SMALL = EvaluateSettings(windows=6, beats=4, draws=1, levels=10, fit_windows=32)
FAST = SampleSettings(steps=2)


@pytest.fixture
def packed(made_pack: Path) -> Pack:
    return load_pack(made_pack)


def alone(generator: Any) -> dict[str, Candidate]:
    return {"mine": Candidate(generator, FAST)}


def test_the_result_is_json(tiny_generator: Generator, packed: Pack) -> None:
    found = json.loads(json.dumps(evaluate(alone(tiny_generator), packed, SMALL)))
    assert (found["models"], found["task"], found["windows"]) == (["mine"], "harmonize", 6)
    assert found["nll"]["models"]["mine"]["nats_per_beat"] > 0
    harmony = found["harmony"]
    assert harmony["sampling"]["mine"]["steps"] == 2
    assert harmony["pitches"] == [PIANO.low, PIANO.high]
    assert list(harmony["replies"]) == ["mine", "rule", "wrong piece"]
    assert list(harmony["against_rule"]) == ["mine"]
    assert 0 <= harmony["replies"]["mine"]["note_f1"] <= 1
    assert harmony["replies"]["wrong piece"]["whole_distance"]["pitch_classes"] == 0


class Cheat:
    """Knows the answers: stands in for a perfect model."""

    def __init__(self, real: Generator, answers: list[np.ndarray[Any, Any]]) -> None:
        self.pitches, self.merged, self.device = real.pitches, False, real.device
        self.key_normalised = False
        self.sampler = real.sampler
        self.answers = iter(answers)

    def fill(self, request: FillRequest) -> PianoRoll:
        free = ~request.known[ACCOMPANIMENT]
        assert not (request.roll.cells[ACCOMPANIMENT] & free).any()  # it was not shown them
        return PianoRoll(next(self.answers), self.pitches)

    def fill_many(self, requests: list[FillRequest]) -> list[PianoRoll]:
        return [self.fill(request) for request in requests]


@pytest.mark.parametrize("task", ["harmonize", "live", "continue", "infill"])
def test_perfect_replies_score_perfectly(
    task: str, tiny_generator: Generator, packed: Pack
) -> None:
    wanted = replace(SMALL, task=task, baselines=False)
    answers = list(draw_windows(packed, SMALL, 1, SMALL.windows).target)
    harmony = evaluate(alone(Cheat(tiny_generator, answers)), packed, wanted)["harmony"]
    mine = harmony["replies"]["mine"]
    assert mine["note_f1"] == 1.0
    assert mine["profile"] == harmony["human"]["profile"]
    assert set(mine["whole_distance"].values()) == {0.0}
    assert mine["within_1x"] == 9
    if task == "harmonize":
        versus = harmony["against_rule"]["mine"]
        assert versus["note_f1"] == {"nearer": 1.0, "difference": versus["note_f1"]["difference"]}
        assert 0.5 < versus["note_f1"]["difference"] <= 1.0


class Listener(Cheat):
    """Remembers which chords it was told."""

    def fill(self, request: FillRequest) -> PianoRoll:
        self.told = [*getattr(self, "told", []), request.chords]
        return super().fill(request)


@pytest.mark.parametrize("chords", ["drawn", "composers"])
def test_the_composers_chords_are_told_where_that_is_asked(
    chords: str, tiny_generator: Generator, packed: Pack
) -> None:
    wanted = replace(SMALL, baselines=False, chords=chords)
    answers = list(draw_windows(packed, SMALL, 1, SMALL.windows).target)
    player = Listener(tiny_generator, answers)
    assert evaluate(alone(player), packed, wanted)["chords"] == chords
    theirs = [composers_chords(cells, PIANO) for cells in answers]
    assert player.told == (theirs if chords == "composers" else [()] * SMALL.windows)


def test_only_what_was_free_is_compared(tiny_generator: Generator, packed: Pack) -> None:
    """Silence in the second half: what was known before it must not count as a reply."""
    wanted = replace(SMALL, task="continue", baselines=False)
    windows = draw_windows(packed, wanted, 1, SMALL.windows)
    answers = list(windows.target & windows.mask[:, :, None, None])
    found = evaluate(alone(Cheat(tiny_generator, answers)), packed, wanted)
    assert found["harmony"]["replies"]["mine"]["profile"]["silent"] == 1.0
    assert found["harmony"]["replies"]["mine"]["note_f1"] == 0.0
    assert found["harmony"]["against_rule"] == {}  # the rule only answers what it is given whole


def test_two_kinds_of_model_on_the_same_windows(
    tiny_generator: Generator, paper_generator: Generator, packed: Pack
) -> None:
    both = {
        "mine": Candidate(tiny_generator, replace(FAST, low=30)),
        "paper": Candidate(paper_generator, SampleSettings(1, sampler="algorithm1-threshold")),
    }
    harmony = evaluate(both, packed, SMALL)["harmony"]
    assert harmony["pitches"] == [33, 88]  # what both have
    assert list(harmony["replies"]) == ["mine", "paper", "rule", "wrong piece"]
    assert [each["sampler"] for each in harmony["sampling"].values()] == [
        "renoise-joint",
        "algorithm1-threshold",
    ]


def test_replies_are_whole_rolls_with_the_known_cells(
    paper_generator: Generator, packed: Pack
) -> None:
    batch = draw_windows(packed, SMALL, 1, 4)
    replies = fill_replies(paper_generator, batch, SampleSettings(steps=1), lambda text: None)
    assert [reply.shape for reply in replies] == [(2, 2, 88, 96)] * 4
    for reply, target in zip(replies, batch.target, strict=True):
        assert (reply[LEAD] == target[LEAD]).all()  # all of it lies within 33 to 88
        assert not reply[:, :, :12].any()


def test_each_window_has_its_own_seed(tiny_generator: Generator, packed: Pack) -> None:
    batch = draw_windows(packed, SMALL, 1, 2)
    batch.target[1] = batch.target[0]
    often = replace(FAST, steps=4)
    first, second = fill_replies(tiny_generator, batch, often, lambda text: None)
    assert (first != second).any()


def test_generate_has_no_composer_to_compare_with(tiny_generator: Generator, packed: Pack) -> None:
    assert set(SCORED_TASKS) - set(REPLIERS) == {"generate"}
    wanted = replace(SMALL, task="generate")
    assert "harmony" not in evaluate(alone(tiny_generator), packed, wanted)


def test_replies_can_be_left_out(tiny_generator: Generator, packed: Pack) -> None:
    assert "harmony" not in evaluate(alone(tiny_generator), packed, SMALL, replies=False)


def test_the_same_seed_gives_the_same_scores(tiny_generator: Generator, packed: Pack) -> None:
    first, again = (evaluate(alone(tiny_generator), packed, SMALL) for _ in range(2))
    assert first == again


def test_a_style_splits_by_piece_and_wants_two(tiny_generator: Generator, packed: Pack) -> None:
    pack = replace(packed, corpora=("openhymnal",))
    wanted = replace(SMALL, style="hymn", baselines=False)
    found = evaluate(alone(tiny_generator), pack, wanted)
    assert found["style"] == "hymn"
    assert set(found["harmony"]["by_ear"]["replies"]) == {"mine", "rule", "wrong piece"}
    pack.piece_split[np.flatnonzero(pack.piece_split == 1)[1:]] = 0
    with pytest.raises(PackError, match="one piece; halves want two pieces or more; want more"):
        evaluate(alone(tiny_generator), pack, wanted)


def test_an_empty_split_is_told(tiny_generator: Generator, packed: Pack) -> None:
    packed.piece_split[:] = 0
    with pytest.raises(PackError, match="no piece in this split"):
        evaluate(alone(tiny_generator), packed, SMALL)
