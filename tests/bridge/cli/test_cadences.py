"""`bench cadences`: known melodies, players whose last chords are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.cli import cadences
from bridge.cli.main import main
from bridge.files.tasks import SourcePiece
from engine.evaluation.rule_baseline import by_rule
from engine.evaluation.rule_players import under_lead
from engine.music.grid import LEAD, PIANO
from engine.music.roll import Note, PianoRoll, roll_to_notes
from engine.requests.request import FillRequest
from engine.scores.midi_file import read

MELODIES = ["amazing-grace", "auld-lang-syne", "greensleeves", "ode-to-joy", "silent-night"]


class RulePlayer:
    """Harmonizes by rule, with odd seeds a tone too high."""

    pitches = PIANO

    def __init__(self) -> None:
        self.asked: list[FillRequest] = []

    def fill_many(self, requests: Sequence[FillRequest]) -> list[PianoRoll]:
        self.asked += requests
        return [self._fill(request) for request in requests]

    def _fill(self, request: FillRequest) -> PianoRoll:
        roll = request.roll
        assert request.ends
        lead = [note for note in roll_to_notes(roll) if note.voice == LEAD]
        played = by_rule(lead, request.meters, (roll.first_step, roll.end_step), ends=True)
        up = 2 * (request.settings.seed % 2)
        moved = [Note(n.onset_step, n.pitch + up, n.length_steps) for n in played]
        assert roll.first_step == 0
        return PianoRoll(under_lead(roll.cells, moved), roll.pitches)


@pytest.fixture(scope="module")
def pieces() -> dict[str, SourcePiece]:
    return {path.stem: SourcePiece.of(read(path)) for path in cadences.melodies()}


def test_the_melodies_and_their_keys(pieces: dict[str, SourcePiece]) -> None:
    assert {name: str(cadences.key_of(piece)) for name, piece in pieces.items()} == {
        "amazing-grace": "G major",
        "auld-lang-syne": "F major",
        "greensleeves": "A minor",
        "ode-to-joy": "D major",
        "silent-night": "C major",
    }


def test_each_seed_of_each_melody_counts(pieces: dict[str, SourcePiece]) -> None:
    player: Any = RulePlayer()
    rule = cadences.rule_row(pieces)
    found = cadences.row("hymn", None, player, pieces, 4)
    assert found["closed"] == {name: 2 * count for name, count in rule["closed"].items()}
    assert (found["player"], found["style"], found["of"]) == ("hymn", "hymn", 20)
    assert found["total"] == 2 * rule["total"] > 0
    assert [request.settings.seed for request in player.asked[:4]] == [1, 2, 3, 4]
    assert {request.settings.style for request in player.asked} == {"hymn"}
    assert cadences.row("hymn", "song", player, pieces, 1)["style"] == "song"


def test_as_a_user_types_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cadences, "load_generator", lambda path, device: RulePlayer())
    words = ["bench", "cadences", "--preset", "hymn", "--style", "song", "--style", "hymn"]
    result = CliRunner().invoke(main, [*words, "--seeds", "2", "--json"])
    found = json.loads(result.output)
    assert (found["seeds"], list(found["melodies"])) == (2, MELODIES)
    rows = [(row["player"], row["style"], row["of"]) for row in found["rows"]]
    assert rows == [("hymn", "song", 10), ("hymn", "hymn", 10), ("rule", "any", 5)]
    assert found["composers"] == {}
    told = CliRunner().invoke(main, [*words, "--seeds", "2"]).output
    assert "hymn (song)" in told
    assert "of 10" in told
    refused = CliRunner().invoke(main, ["bench", "cadences", "--style", "hymns"])
    assert "did you mean 'hymn'" in refused.output


def test_composers_stand_below() -> None:
    closed = dict.fromkeys(MELODIES, 3)
    found = {
        "melodies": dict.fromkeys(MELODIES, "C major"),
        "rows": [{"player": "hymn", "style": "hymn", "closed": closed, "total": 15, "of": 50}],
        "composers": {"hymn": {"openhymnal": {"closed": 9, "pieces": 15}}},
    }
    lines = [" ".join(line.split()) for line in cadences.table(found).splitlines()]
    assert "hymn (hymn) 3 3 3 3 3 15 of 50" in lines
    assert "composers, hymn openhymnal 9 of 15" in lines
