"""Descriptions of replies, on music small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine import metrics
from engine.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.roll import Note, notes_to_roll

LOW = PIANO.low
C_MAJOR = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))


def pair(*notes: Note, steps: int = 48) -> metrics.Pair:
    cells = notes_to_roll(notes, 0, steps).cells
    return cells[LEAD], cells[ACCOMPANIMENT]


TRIAD = [Note(0, pitch, 24, ACCOMPANIMENT) for pitch in (48, 52, 55)]


def test_a_profile_counted_by_hand() -> None:
    found = metrics.profile([pair(Note(0, 72, 48, LEAD), *TRIAD)], [C_MAJOR], LOW)
    assert found.pitch_classes[[0, 4, 7]].tolist() == pytest.approx([1 / 3] * 3)
    assert found.notes_per_frame[[0, 3]].tolist() == [0.5, 0.5]
    assert found.lengths.tolist() == [0, 0, 0, 0, 1, 0, 0, 0]  # 24 steps: more than 12, to 24
    assert found.onsets_per_beat == 1.5
    assert (found.dissonant, found.out_of_scale, found.silent) == (0.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("pitch", "bad"),
    [(61, 1), (62, 1), (63, 0), (64, 0), (65, 0), (66, 1), (67, 0), (70, 1), (71, 1), (72, 0),
     (59, 1), (54, 1), (73, 1)],
)  # fmt: skip
def test_seconds_and_tritones_are_dissonant(pitch: int, bad: int) -> None:
    lead, reply = pair(Note(0, 60, 1, LEAD), Note(0, pitch, 1, ACCOMPANIMENT))
    assert metrics.dissonance(np.asarray(lead.any(axis=0)), np.asarray(reply.any(axis=0))) == (
        bad,
        1,
    )


def test_pairs_within_the_reply_count_once_and_pairs_of_the_lead_do_not() -> None:
    lead, reply = pair(Note(0, 84, 2, LEAD), Note(0, 85, 2, LEAD), *TRIAD)
    assert (
        metrics.dissonance(np.asarray(lead.any(axis=0)), np.asarray(reply.any(axis=0)))[1]
        == 2 * 6 + 24 * 3
    )


def test_a_wrong_key_is_out_of_scale() -> None:
    sharps = [Note(0, pitch, 24, ACCOMPANIMENT) for pitch in (54, 58, 61)]
    assert metrics.profile([pair(*sharps)], [C_MAJOR], LOW).out_of_scale == 1.0


def test_the_scale_is_found() -> None:
    counts = np.zeros(12)
    counts[[7, 9, 11, 0, 2, 4, 6]] = 1  # G major
    assert np.flatnonzero(metrics.scale_of(counts)).tolist() == [0, 2, 4, 6, 7, 9, 11]


def test_f1_matches_pitch_and_onset_once() -> None:
    truth = [Note(0, 60, 6), Note(12, 60, 6), Note(24, 64, 6)]
    reply = [Note(3, 60, 6), Note(20, 60, 6), Note(24, 65, 6), Note(26, 64, 1)]
    found = metrics.note_f1(pair(*reply)[1], pair(*truth)[1])
    assert found == (2, 4, 3)  # 3 steps late counts, 8 do not, another pitch does not


def test_f1_of_the_same_and_of_nothing() -> None:
    same = pair(*TRIAD)[1]
    assert metrics.note_f1(same, same) == (3, 3, 3)
    assert metrics.note_f1(same & False, same) == (0, 0, 3)


def test_distances() -> None:
    near = metrics.profile([pair(*TRIAD)], [C_MAJOR], LOW)
    far = metrics.profile([pair(Note(0, 54, 1, ACCOMPANIMENT))], [C_MAJOR], LOW)
    assert set(metrics.distances(near, near).values()) == {0.0}
    found = metrics.distances(near, far)
    assert found["pitch_classes_tv"] == pytest.approx(1.0)
    assert found["lengths_tv"] == 1.0
    assert found["onsets_per_beat"] == pytest.approx(1.0)


def test_silence_can_be_described() -> None:
    found = metrics.profile([pair()], [C_MAJOR], LOW)
    assert found.silent == 1.0
    assert found.numbers() == {"onsets_per_beat": 0.0, "notes_per_frame": 0.0, "dissonant": 0.0,
                               "out_of_scale": 0.0, "silent": 1.0}  # fmt: skip


def test_lengths_at_the_end_and_across_repeats() -> None:
    lead, reply = pair(Note(0, 60, 6), Note(6, 60, 6), Note(40, 60, 60))
    counts = metrics.profile([(lead, reply)], [C_MAJOR], LOW).lengths * 3
    assert counts.tolist() == pytest.approx([0, 0, 2, 1, 0, 0, 0, 0])  # 6, 6, and 8 to the edge
