"""Scoring a model: the numbers that must come out are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.dataset import Pack, PackError, load_pack
from engine.evaluate import EvaluateSettings, draw_windows, evaluate, meters_of, task_mask
from engine.generator import Generator
from engine.grid import ACCOMPANIMENT, LEAD, ONSET, Meter, MeterMap
from engine.request import FillRequest, SampleSettings
from engine.roll import PianoRoll

SMALL = EvaluateSettings(
    windows=6, beats=4, draws=1, levels=10, fit_windows=32, settings=SampleSettings(steps=2)
)


@pytest.fixture
def packed(made_pack: Path) -> Pack:
    return load_pack(made_pack)


def test_masks() -> None:
    assert task_mask("harmonize", 96).any(axis=1).tolist() == [True, False]
    assert task_mask("live", 96).sum(axis=1).tolist() == [48, 72]
    assert task_mask("continue", 96).sum(axis=1).tolist() == [48, 48]
    assert task_mask("infill", 96).sum(axis=1).tolist() == [48, 48]
    assert task_mask("infill", 96)[:, 0].all()
    assert not task_mask("generate", 96).any()


def test_windows_have_both_voices_and_no_hints(packed: Pack) -> None:
    batch = draw_windows(packed, SMALL, 1, 20)
    assert batch.target.shape == (20, 2, 2, 88, 96)
    assert batch.target[:, :, ONSET].any(axis=(2, 3)).all()
    assert not batch.style.any()
    assert not batch.density.any()
    assert (batch.target == batch.context).all()
    assert batch.mask[:, LEAD].all()


def test_the_result_is_json_with_a_table(tiny_generator: Generator, packed: Pack) -> None:
    found = json.loads(json.dumps(evaluate(tiny_generator, packed, SMALL)))
    nll = found["nll"]
    for name in ("model", "marginal", "markov", "note-markov"):
        assert nll[name]["nats_per_beat"] == pytest.approx(24 * nll[name]["nats_per_step"])
        assert nll[name]["se"] > 0
    less = nll["marginal"]["model_less"]["nats_per_beat"]
    assert less == pytest.approx(nll["marginal"]["nats_per_beat"] - nll["model"]["nats_per_beat"])
    # an untrained network must lose against what was counted
    assert nll["model"]["nats_per_beat"] > nll["markov"]["nats_per_beat"]
    assert 0 <= found["harmony"]["note_f1"] <= 1
    assert found["harmony"]["wrong piece to human"]["pitch_classes_tv"] == 0


class Cheat:
    """Knows the answers: stands in for a perfect model."""

    def __init__(self, real: Generator, answers: list[np.ndarray[Any, Any]]) -> None:
        self.pitches, self.merged, self.device = real.pitches, False, real.device
        self.metadata = {"name": "cheat"}
        self.sampler = real.sampler
        self.answers = iter(answers)

    def fill(self, request: FillRequest) -> PianoRoll:
        assert not request.roll.cells[ACCOMPANIMENT].any()  # it was not shown them
        return PianoRoll(next(self.answers), self.pitches)


def test_perfect_replies_score_perfectly(tiny_generator: Generator, packed: Pack) -> None:
    answers = list(draw_windows(packed, SMALL, 1, SMALL.windows).target)
    cheat: Any = Cheat(tiny_generator, answers)
    harmony = evaluate(cheat, packed, SMALL)["harmony"]
    assert harmony["note_f1"] == 1.0
    assert set(harmony["model to human"].values()) == {0.0}
    assert harmony["model"] == harmony["human"]


def test_the_papers_model_has_a_likelihood_without_a_task_only(
    paper_generator: Generator, packed: Pack
) -> None:
    assert "note" in evaluate(paper_generator, packed, SMALL)["nll"]
    free = EvaluateSettings(task="generate", windows=4, beats=4, draws=1, levels=10, fit_windows=16)
    found = evaluate(paper_generator, packed, free)
    assert found["nll"]["model"]["nats_per_beat"] > 0
    assert "note-markov" not in found["nll"]
    assert "harmony" not in found


def test_the_same_seed_gives_the_same_scores(tiny_generator: Generator, packed: Pack) -> None:
    first, again = (evaluate(tiny_generator, packed, SMALL) for _ in range(2))
    assert first == again


def test_meters_are_read_back_from_tokens() -> None:
    truth = MeterMap(((-30, Meter(3, 4)), (186, Meter(7, 8))))
    tokens = np.arange(0, 384, 6)
    found = meters_of(*truth.phase(tokens))
    for wanted, got in zip(truth.phase(tokens), found.phase(tokens), strict=True):
        assert wanted.tolist() == got.tolist()


def test_an_empty_split_is_told(tiny_generator: Generator, packed: Pack) -> None:
    packed.piece_split[:] = 0
    with pytest.raises(PackError, match="no piece in this split"):
        evaluate(tiny_generator, packed, SMALL)
