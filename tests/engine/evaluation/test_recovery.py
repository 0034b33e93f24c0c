"""Recovery, on players of whom it is known when they follow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.evaluation.evaluate import Candidate
from engine.evaluation.held_out import EvaluateSettings
from engine.evaluation.recovery import (
    beats_until_back,
    in_chord_by_beat,
    recovery,
    turned_away,
)
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest, SampleSettings
from engine.training.dataset import PackError, load_pack

WANTED = EvaluateSettings(windows=6, beats=20)


def test_the_melody_turns_away_by_a_tritone() -> None:
    lead = [Note(0, 60, 36, LEAD), Note(36, 62, 12, LEAD)]
    assert turned_away(lead, 24) == (Note(0, 60, 24, LEAD), Note(36, 68, 12, LEAD))
    high = [Note(0, 60, 24, LEAD), Note(24, 105, 24, LEAD)]
    assert turned_away(high, 24) == (Note(0, 60, 24, LEAD), Note(24, 99, 24, LEAD))


def test_note_in_chord_of_each_beat() -> None:
    lead = [Note(0, 72, 24, LEAD), Note(24, 74, 12, LEAD), Note(36, 76, 12, LEAD)]
    chord = [Note(0, pitch, 48, ACCOMPANIMENT) for pitch in (48, 52, 55)]
    found = in_chord_by_beat(lead, chord, 72)
    assert found.tolist() == [[24, 24], [12, 24], [0, 0]]


def test_four_beats_together_are_back() -> None:
    def sums(*in_chord: int) -> Any:
        return np.array([[each, 10.0] for each in in_chord], np.float64)

    assert beats_until_back(0.8, sums(0, 0, 8, 8, 8, 8)) == 2
    assert beats_until_back(0.8, sums(0, 8, 8, 8, 8, 8)) == 1
    assert beats_until_back(0.8, sums(8, 7, 7, 7)) == 0  # .725 is more than .72
    assert beats_until_back(0.8, sums(7, 7, 7, 7)) is None
    assert beats_until_back(0.8, sums(9, 9)) is None


class Following:
    """Plays the triad on the melody's last note that it has been given, all the time."""

    def __init__(self) -> None:
        self.pitches, self.merged, self.metadata = PIANO, False, {"name": "following"}

    def plan(self, request: PlanRequest) -> Plan:
        lead = [note for note in request.notes if note.voice == LEAD]
        root = max(lead).pitch % 12 + 48 if lead else 48
        first = request.first_step
        notes = [
            Note(step, root + tone, 24, ACCOMPANIMENT)
            for step in range(first, request.end_step, 24)
            for tone in (0, 4, 7)
        ]
        return Plan(0, first, request.end_step, tuple(notes), 0, 1)


def test_who_follows_recovers_and_numbers_are_json(made_pack: Path) -> None:
    following: Any = Following()
    players = {"it": Candidate(following, SampleSettings())}
    pack = load_pack(made_pack)
    found = json.loads(json.dumps(recovery(players, pack, WANTED, horizons_beats=(0.0,))))
    assert (found["turn_beat"], found["windows"], found["task"]) == (14, 6, "recovery")
    assert list(found["players"]) == ["rule", "it +0"]
    for each in found["players"].values():
        assert 0 <= each["before"] <= 1
        assert len(each["after"]) == 6
    it = found["players"]["it +0"]
    assert it["after"][0] <= it["before"]


def test_short_windows_are_refused(made_pack: Path) -> None:
    following: Any = Following()
    players = {"it": Candidate(following, SampleSettings())}
    with pytest.raises(PackError, match="16 beats or more, not 12"):
        recovery(players, load_pack(made_pack), replace(WANTED, beats=12))
