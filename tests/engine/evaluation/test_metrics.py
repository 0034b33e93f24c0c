"""Counts of replies, on music small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation import metrics
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note, notes_to_roll

LOW = PIANO.low
C_MAJOR = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))
TRIAD = [Note(0, pitch, 24, ACCOMPANIMENT) for pitch in (48, 52, 55)]


def pair(*notes: Note, steps: int = 48) -> metrics.Pair:
    cells = notes_to_roll(notes, 0, steps).cells
    return cells[LEAD], cells[ACCOMPANIMENT]


def counted(*notes: Note, steps: int = 48) -> dict[str, list[float]]:
    """Every measure's sums of one window."""
    found = metrics.count([pair(*notes, steps=steps)], [C_MAJOR], LOW)
    return {name: rows[0].tolist() for name, rows in found.items()}


def told(*notes: Note, steps: int = 48) -> dict[str, float]:
    return metrics.profile(metrics.count([pair(*notes, steps=steps)], [C_MAJOR], LOW))


def test_there_are_nine() -> None:
    assert len(set(metrics.NINE)) == 9
    assert not set(metrics.NINE) & set(metrics.DESCRIBED)


def test_histograms_counted_by_hand() -> None:
    found = counted(Note(0, 72, 48, LEAD), *TRIAD)
    assert found["pitch_classes"] == [24, 0, 0, 0, 24, 0, 0, 24, 0, 0, 0, 0]
    assert found["notes_per_frame"] == [24, 0, 0, 24, 0, 0, 0, 0, 0]
    assert found["onsets_per_beat"] == [1, 0, 0, 1, *[0] * 9]
    assert found["lengths"] == [0, 0, 0, 0, 3, 0, 0, 0]  # 24 steps: more than 12, to 24


def test_rates_counted_by_hand() -> None:
    found = counted(Note(0, 72, 48, LEAD), Note(24, 54, 12), *TRIAD)
    assert found["dissonant"] == [12, 24 * 6 + 12]  # C and F sharp
    assert found["out_of_scale"] == [12, 24 * 3 + 12]
    assert found["silent"] == [12, 48]
    assert found["mean_onsets_per_beat"] == [4, 2]
    assert found["mean_notes_per_frame"] == [84, 48]
    assert found["one_beat"] == [3, 4]
    assert told(*TRIAD)["mean_onsets_per_beat"] == 1.5


def test_the_chord_measures_are_those_of_chords() -> None:
    melody = [Note(6 * i, pitch, 6, LEAD) for i, pitch in enumerate((72, 74, 76, 79))]
    found = told(*melody, *TRIAD, steps=24)
    assert found["ctnctr"] == 1.0
    assert found["pcs"] == pytest.approx(7 / 12)


@pytest.mark.parametrize(
    ("pitch", "bad"),
    [
        (61, 1),
        (62, 1),
        (63, 0),
        (64, 0),
        (65, 0),
        (66, 1),
        (67, 0),
        (70, 1),
        (71, 1),
        (72, 0),
        (59, 1),
        (54, 1),
        (73, 1),
    ],
)
def test_seconds_and_tritones_are_dissonant(pitch: int, bad: int) -> None:
    assert counted(Note(0, 60, 1, LEAD), Note(0, pitch, 1))["dissonant"] == [bad, 1]


def test_pairs_within_the_reply_count_once_and_pairs_of_the_lead_do_not() -> None:
    found = counted(Note(0, 84, 2, LEAD), Note(0, 85, 2, LEAD), *TRIAD)
    assert found["dissonant"][1] == 2 * 6 + 24 * 3


@settings(max_examples=30)
@given(
    notes=st.lists(
        st.builds(
            Note,
            st.integers(0, 40),
            st.integers(45, 80),
            st.integers(1, 24),
            st.sampled_from((LEAD, ACCOMPANIMENT)),
        ),
        max_size=8,
    ),
    up=st.integers(-12, 12),
)
def test_dissonance_does_not_change_with_the_key(notes: list[Note], up: int) -> None:
    moved = [Note(n.onset_step, n.pitch + up, n.length_steps, n.voice) for n in notes]
    assert counted(*notes)["dissonant"] == counted(*moved)["dissonant"]
    assert counted(*notes)["repeats"] == counted(*moved)["repeats"]


def test_a_wrong_key_is_out_of_scale() -> None:
    sharps = [Note(0, pitch, 24) for pitch in (54, 58, 61)]
    assert told(*sharps)["out_of_scale"] == 1.0


def test_the_scale_is_found() -> None:
    counts = np.zeros(12)
    counts[[7, 9, 11, 0, 2, 4, 6]] = 1  # G major
    assert np.flatnonzero(metrics.scale_of(counts)).tolist() == [0, 2, 4, 6, 7, 9, 11]


def test_a_beat_repeats_with_the_same_pitch_classes_in_any_octave() -> None:
    struck_again = [Note(24, pitch, 24) for pitch in (36, 52, 67)]  # C E G once more
    other = [Note(48, 53, 24), Note(72, 53, 12)]  # F, and F
    # Of beats 2 to 5 three sound, and two of them repeat; rests are no repeats.
    assert counted(*TRIAD, *struck_again, *other, steps=144)["repeats"] == [2, 3]


def test_a_pedal_note_repeats_throughout() -> None:
    assert told(Note(0, 43, 96), steps=96)["repeats"] == 1.0


def test_f1_matches_pitch_and_onset_once() -> None:
    truth = [Note(0, 60, 6), Note(12, 60, 6), Note(24, 64, 6)]
    reply = [Note(3, 60, 6), Note(20, 60, 6), Note(24, 65, 6), Note(26, 64, 1)]
    found = metrics.note_f1(pair(*reply)[1], pair(*truth)[1])
    assert found == (2, 4, 3)  # 3 steps late counts, 8 do not, another pitch does not


def test_f1_of_the_same_and_of_nothing() -> None:
    same = pair(*TRIAD)[1]
    assert metrics.note_f1(same, same) == (3, 3, 3)
    assert metrics.note_f1(same & False, same) == (0, 0, 3)


def test_silence_can_be_described() -> None:
    found = told()
    assert found.pop("silent") == 1.0
    assert set(found.values()) == {0.0}


def test_lengths_at_the_end_and_across_repeats() -> None:
    notes = [Note(0, 60, 6), Note(6, 60, 6), Note(40, 60, 60), Note(47, 62, 3)]
    assert metrics.note_lengths(pair(*notes)[1]).tolist() == [6, 6, 8, 1]  # cut at the edge
    assert counted(*notes)["lengths"] == [1, 0, 2, 1, 0, 0, 0, 0]


def test_a_beat_cut_short_counts_as_one() -> None:
    assert sum(counted(*TRIAD, steps=36)["onsets_per_beat"]) == 2
