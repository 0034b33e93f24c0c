"""The harmony plan read off hand-made bars, and what a planner is told of a lead."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.denoisers.harmony import known_beats, known_sixteenths, lead_features, plan_of
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, STEPS_PER_BEAT
from engine.music.roll import Note, notes_to_roll

BEAT = STEPS_PER_BEAT


def voice(notes: list[Note], beats: int, which: int = ACCOMPANIMENT) -> Tensor:
    cells = notes_to_roll(notes, 0, beats * BEAT, PIANO).cells
    return torch.from_numpy(cells[which][None]).float()


def note(beat: float, pitch: int, beats: float, voice: int = ACCOMPANIMENT) -> Note:
    return Note(round(beat * BEAT), pitch, round(beats * BEAT), voice)


def chords(plan: Tensor) -> list[tuple[list[int], list[int]]]:
    """Classes and basses of each beat."""
    return [
        (column[:12].nonzero()[:, 0].tolist(), column[12:].nonzero()[:, 0].tolist())
        for column in plan[0].T
    ]


def test_a_triad_and_its_inversion() -> None:
    bar = [note(0, p, 1) for p in (48, 64, 67)] + [note(1, p, 1) for p in (52, 60, 67)]
    assert chords(plan_of(voice(bar, 3), PIANO.low)) == [
        ([0, 4, 7], [0]),
        ([0, 4, 7], [4]),
        ([], []),
    ]


def test_a_sixteenth_counts_and_what_is_shorter_does_not() -> None:
    bar = [note(0, 60, 1), note(0.25, 62, 0.25), Note(12, 64, 5, ACCOMPANIMENT)]
    assert chords(plan_of(voice(bar, 1), PIANO.low)) == [([0, 2], [0])]


def test_octaves_count_together_but_the_bass_lasts_by_itself() -> None:
    # Three steps of C2 and three of C4 make a C; the lowest pitch that lasts is the G.
    bar = [Note(0, 36, 3, ACCOMPANIMENT), Note(3, 60, 3, ACCOMPANIMENT), note(0, 55, 1)]
    assert chords(plan_of(voice(bar, 1), PIANO.low)) == [([0, 7], [7])]


def test_what_is_held_counts_in_each_beat_and_the_last_may_be_cut_short() -> None:
    cells = voice([note(0, 43, 2)], 2)[..., : BEAT + 5]
    assert chords(plan_of(cells, PIANO.low)) == [([7], [7]), ([], [])]
    assert chords(plan_of(voice([note(0, 43, 2)], 2)[..., : BEAT + 6], PIANO.low))[1] == ([7], [7])


def test_the_lead_by_sixteenth_plane_and_class() -> None:
    lead = voice([note(0, 60, 0.5, LEAD), note(0.75, 74, 0.25, LEAD)], 2, LEAD)
    features = lead_features(lead, PIANO.low)
    assert features.shape == (1, 2, 96)
    found = features[0, 0].view(4, 2, 12).nonzero().tolist()
    # sixteenth, onset or sustain, class
    assert found == [[0, 0, 0], [0, 1, 0], [1, 1, 0], [3, 0, 2], [3, 1, 2]]
    assert not features[0, 1].any()


@pytest.mark.parametrize("until", [0, 23, 24, 30, 48])
def test_known_beats_and_sixteenths_are_known_throughout(until: int) -> None:
    mask = torch.zeros(1, 48)
    mask[:, :until] = 1.0
    assert known_beats(mask).tolist() == [[float(until >= 24), float(until >= 48)]]
    assert known_sixteenths(mask).sum() == until // 6
