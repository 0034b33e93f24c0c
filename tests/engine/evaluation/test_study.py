"""The sampler study, with a player whose every way of sampling is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.held_out import EvaluateSettings, draw_windows
from engine.evaluation.metrics import note_lengths
from engine.evaluation.study import SamplerChoice, StudySettings, study
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, ONSET, PIANO, SUSTAIN
from engine.music.roll import Cells, PianoRoll
from engine.requests.request import FillRequest
from engine.training.dataset import Pack, load_pack

PLAYED = SamplerChoice("renoise", 4, 0.7)
SMALL = StudySettings(
    default=PLAYED,
    samplers=("renoise", "ddim", "ancestral"),
    calls=(2, 4),
    temperatures=(0.7, 1.0),
    windows=6,
    beats=4,
    batch=4,
    seed=5,
)


WAYS = 14
"""Six of samplers by calls, one more temperature, four more spacings, three with correctors."""


def batched(asked: list[Sequence[FillRequest]]) -> list[tuple[Sequence[FillRequest], ...]]:
    """By twos: what was asked one way."""
    return list(zip(asked[::2], asked[1::2], strict=True))


@pytest.fixture
def packed(made_pack: Path) -> Pack:
    return load_pack(made_pack)


def chopped(cells: Cells) -> Cells:
    """Every note of the accompaniment one step long."""
    short = cells.copy()
    short[ACCOMPANIMENT, SUSTAIN] = False
    return short


class Knowing:
    """`renoise` plays what the composer wrote, `ddim` its onsets alone, `ancestral` nothing."""

    def __init__(self, pack: Pack) -> None:
        self.pitches = PIANO
        wanted = EvaluateSettings(windows=SMALL.windows, beats=SMALL.beats, seed=SMALL.seed)
        self.truth = draw_windows(pack, wanted, 1, SMALL.windows).target
        self.paces: list[tuple[float, int]] = []
        self.alone: list[FillRequest] = []
        self.together: list[Sequence[FillRequest]] = []

    def paced(self, spacing: float, corrections: int) -> Knowing:
        self.paces.append((spacing, corrections))
        return self

    def fill(self, request: FillRequest) -> PianoRoll:
        self.alone.append(request)
        return self._answer(request)

    def fill_many(self, requests: Sequence[FillRequest]) -> list[PianoRoll]:
        self.together.append(requests)
        return [self._answer(request) for request in requests]

    def _answer(self, request: FillRequest) -> PianoRoll:
        truth = self.truth[request.settings.seed - SMALL.seed]
        answers = {
            "renoise": truth,
            "ddim": chopped(truth),
            "ancestral": truth & request.known,
        }
        return PianoRoll(answers[request.settings.sampler], PIANO)


def test_rows_are_samplers_by_calls_and_temperatures() -> None:
    tables = SMALL.tables()
    assert tables["calls"] == [
        SamplerChoice(name, calls, 0.7)
        for name in ("renoise", "ddim", "ancestral")
        for calls in (2, 4)
    ]
    assert tables["temperature"] == [PLAYED, SamplerChoice("renoise", 4, 1.0)]
    assert tables["spacing"] == [
        SamplerChoice("renoise", 4, 0.7, power) for power in (0.5, 0.75, 1, 1.5, 2)
    ]
    assert tables["corrections"] == [
        SamplerChoice(name, 4, 0.7, 1.0, count)
        for name in ("renoise", "ddim", "ancestral")
        for count in (0, 2)
    ]


def test_known_replies_have_known_scores(packed: Pack) -> None:
    player = Knowing(packed)
    found = json.loads(json.dumps(study(player, packed, SMALL)))
    rows = {(row["sampler"], row["steps"]): row for row in found["tables"]["calls"]}
    perfect, short, silent = (rows[name, 2] for name in ("renoise", "ddim", "ancestral"))
    assert (perfect["note_f1"], short["note_f1"], silent["note_f1"]) == (1.0, 1.0, 0.0)
    # the composer's own notes lie exactly as far from them as halves of them do
    assert set(perfect["ratio"].values()) == {1.0}
    assert (perfect["mean_ratio"], perfect["length_ratio"]) == (1.0, 1.0)
    assert perfect["profile"] == found["human"]["profile"]
    lengths = np.concatenate([note_lengths(cells[ACCOMPANIMENT]) for cells in player.truth])
    assert short["short"] == 1.0
    assert short["length_ratio"] == pytest.approx(1 / lengths.mean())
    assert (silent["profile"]["silent"], silent["short"], silent["length_ratio"]) == (1.0, 0.0, 0.0)
    assert found["human"]["mean_length"] == pytest.approx(lengths.mean())
    assert found["wrong piece"]["length_ratio"] == 1.0
    assert found["wrong piece"]["note_f1"] < 1.0


def test_the_order_goes_by_mean_ratio(packed: Pack) -> None:
    found = study(Knowing(packed), packed, SMALL)
    rows = {
        tuple(row[field.name] for field in fields(SamplerChoice)): row
        for table in found["tables"].values()
        for row in table
    }
    assert sorted(row["order"] for row in rows.values()) == list(range(1, WAYS + 1))
    composers = [row["order"] for way, row in rows.items() if way[0] == "renoise"]
    assert sorted(composers) == list(range(1, 1 + len(composers)))
    # one row in several tables is one measurement
    assert found["tables"]["temperature"][0] is found["tables"]["calls"][1]
    assert found["tables"]["spacing"][2] is found["tables"]["calls"][1]


def test_every_way_answers_the_same_questions(packed: Pack) -> None:
    player = Knowing(packed)
    study(player, packed, SMALL)
    asked = player.together[1:]  # the first warms up
    assert [len(requests) for requests in asked] == [4, 2] * WAYS
    assert len(player.alone) == 3 * WAYS
    for four, two in batched(asked):
        settings = [request.settings for request in (*four, *two)]
        assert [each.seed for each in settings] == list(range(5, 11))
        assert len({(each.sampler, each.steps, each.temperature) for each in settings}) == 1
    for request in (request for requests in asked for request in requests):
        assert not request.roll.cells[ACCOMPANIMENT, ONSET].any()  # the answer is not shown
    # the noise falls as it is played, except where that is what is asked
    assert player.paces == [(0.5, 0), (0.75, 0), (1.5, 0), (2.0, 0), (1, 2), (1, 2), (1, 2)]


def test_a_real_generator_plays(tiny_generator: Generator, packed: Pack) -> None:
    lines: list[str] = []
    wanted = StudySettings(PLAYED, ("ddim",), (1, 2), (0.9,), windows=4, beats=4, batch=3)
    found = study(tiny_generator, packed, wanted, lines.append)
    assert lines[-1] == "ancestral, 4 calls: way 13 of 13"
    assert all(row["ms_per_reply"] > 0 for row in found["tables"]["calls"])
    assert found["default"] == asdict(PLAYED)
