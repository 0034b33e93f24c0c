"""Replies of several players beside the composer's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.evaluation.compare import (
    WRONG_PIECE,
    compare,
    compare_by_ear,
    overall_note_f1,
    wrong_piece,
)
from engine.evaluation.halves import Partition
from engine.evaluation.metrics import NINE, Pair
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note, notes_to_roll

LOW = PIANO.low
HALVES = Partition.by_windows(12)


def window(seed: int) -> Pair:
    """Eight beats: a melody over major triads, mostly their root."""
    rng = np.random.default_rng(seed)
    notes = []
    for beat in range(8):
        root = 48 + int(rng.integers(0, 12))
        notes.append(Note(24 * beat, root + 24 + int(rng.choice([0, 0, 0, 1])), 24, LEAD))
        length = int(rng.choice([12, 24]))
        notes += [Note(24 * beat, root + tone, length, ACCOMPANIMENT) for tone in (0, 4, 7)]
    cells = notes_to_roll(notes, 0, 192).cells
    return cells[LEAD], cells[ACCOMPANIMENT]


@pytest.fixture(scope="module")
def human() -> list[Pair]:
    return [window(seed) for seed in range(12)]


def test_playing_the_composers_notes(human: list[Pair]) -> None:
    found = json.loads(json.dumps(compare({"me": human}, human, HALVES, LOW)))
    mine = found["replies"]["me"]
    assert mine["note_f1"] == 1.0
    assert mine["profile"] == found["human"]["profile"]
    assert mine["distance"] == found["human"]["half_split"]
    assert set(mine["ratio"].values()) == {1.0}
    assert (mine["within_1x"], mine["within_2x"]) == (9, 9)
    assert mine["whole_distance"] == dict.fromkeys(NINE, 0.0)
    assert set(mine["consistency"].values()) == {1.0}


def test_the_wrong_piece_is_right_in_all_but_the_lead(human: list[Pair]) -> None:
    wrong = compare({}, human, HALVES, LOW)["replies"][WRONG_PIECE]
    for name in ("pitch_classes", "notes_per_frame", "onsets_per_beat", "lengths"):
        assert wrong["ratio"][name] == 1.0
        assert wrong["whole_distance"][name] == 0.0
    for name in ("dissonant", "ctnctr", "pcs", "mctd"):
        assert wrong["ratio"][name] > 2
    assert wrong["note_f1"] < 0.5


BARS = [(0, 96, 192)] * 12


def test_by_ear_the_composers_notes_are_as_far_as_halves_are(human: list[Pair]) -> None:
    found = json.loads(json.dumps(compare_by_ear({"me": human}, human, BARS, HALVES, LOW)))
    mine = found["replies"]["me"]
    assert list(found["replies"]) == ["me", WRONG_PIECE]
    assert mine["profile"] == found["human"]["profile"]
    assert mine["distance"] == found["human"]["half_split"]
    assert (set(mine["ratio"].values()), mine["mean_ratio"]) == ({1.0}, 1.0)


def test_by_ear_the_wrong_piece_leaves_the_melody_outside_its_chords(human: list[Pair]) -> None:
    found = compare_by_ear({}, human, BARS, HALVES, LOW)
    wrong = found["replies"][WRONG_PIECE]
    assert wrong["ratio"]["rhythm_likeness"] == 1.0
    assert wrong["ratio"]["note_in_chord"] > 2
    assert wrong["profile"]["note_in_chord"] < found["human"]["profile"]["note_in_chord"] / 2


def test_by_ear_a_measure_without_a_ratio_stays_out_of_the_mean(human: list[Pair]) -> None:
    """Where all composers do the same there is no half-split distance."""
    held = [
        (lead, reply if i % 2 else np.roll(reply, 30, -1)) for i, (lead, reply) in enumerate(human)
    ]
    flat = [(lead, human[0][1]) for lead, _ in human]
    found = compare_by_ear({"me": held}, flat, BARS, HALVES, LOW)["replies"]["me"]
    assert None in found["ratio"].values()
    known = [value for value in found["ratio"].values() if value is not None]
    assert found["mean_ratio"] == pytest.approx(sum(known) / len(known))


def test_silence_is_far_from_everything(human: list[Pair]) -> None:
    silence = [(lead, reply & False) for lead, reply in human]
    found = compare({"silent": silence}, human, HALVES, LOW)["replies"]["silent"]
    assert (found["note_f1"], found["consistency"]) == (0.0, {})
    assert found["profile"]["silent"] == 1.0
    assert found["whole_distance"]["notes_per_frame"] >= 0.5


def test_neighbours_swap_and_the_odd_last_takes_the_first(human: list[Pair]) -> None:
    swapped = wrong_piece(human[:5], Partition.by_windows(5))
    of = [next(i for i, (_, r) in enumerate(human) if r is reply) for _, reply in swapped]
    assert of == [1, 0, 3, 2, 0]
    assert all(lead is human[i][0] for i, (lead, _) in enumerate(swapped))


def test_f1_is_of_all_notes_together(human: list[Pair]) -> None:
    half = [(lead, reply if i % 2 else reply & False) for i, (lead, reply) in enumerate(human)]
    assert overall_note_f1(half, human) == pytest.approx(2 * 144 / (144 + 288))
