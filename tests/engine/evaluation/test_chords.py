"""The chord rule, and how a melody sits on chords, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation import chords
from engine.evaluation.metrics import Cells2
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note, notes_to_roll

LOW = PIANO.low
C_MAJOR, C_MINOR = np.array([0]), np.array([12])


def beats(*pitches: tuple[int, ...]) -> list[Note]:
    """One chord a beat."""
    return [Note(24 * i, p, 24, ACCOMPANIMENT) for i, beat in enumerate(pitches) for p in beat]


def named(chord: int) -> str:
    """`Am`, `G7`, or `-` where there is none."""
    if chord == chords.NO_CHORD:
        return "-"
    roots = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    return roots[chord % 12] + list(chords.QUALITIES)[chord // 12]


def names(notes: list[Note]) -> list[str]:
    steps = max((note.end_step for note in notes), default=24)
    sounding = notes_to_roll(notes, 0, steps).cells[ACCOMPANIMENT].any(axis=0)
    return [named(int(chord)) for chord in chords.chords_of(sounding, LOW)]


def melody(*pitches: int, steps: int = 24) -> Cells2:
    """Equal notes that fill `steps`, bool[2, 88, steps]."""
    each = steps // len(pitches)
    notes = [Note(i * each, pitch, each, LEAD) for i, pitch in enumerate(pitches)]
    lead: Cells2 = notes_to_roll(notes, 0, steps).cells[LEAD]
    return lead


@pytest.mark.parametrize(
    ("pitches", "name"),
    [
        ((48, 52, 55), "C"),
        ((45, 60, 64), "Am"),
        ((47, 50, 53), "Bdim"),
        ((43, 59, 62, 65), "G7"),
        ((52, 55, 60), "C"),
        ((48, 52, 56), "Caug"),
        ((48, 60, 64, 67, 72), "C"),
        ((48, 55), "C"),
        ((52, 60), "C"),
        ((57, 60), "Am"),
        ((48, 57), "Am"),
        ((47, 53), "Bdim"),
    ],
)
def test_chords_have_their_names(pitches: tuple[int, ...], name: str) -> None:
    assert names(beats(pitches)) == [name]


def test_sixty_templates() -> None:
    assert chords.TEMPLATES.shape == (60, 12)
    assert sorted(set(chords.TEMPLATES.sum(axis=1))) == [3, 4]


def test_what_sounds_longer_weighs_more() -> None:
    passing = [*beats((48, 52, 55)), Note(16, 58, 8)]  # C E G, and B flat for a third of the beat
    assert names(passing) == ["C"]  # (72)^2 / 3 against (80)^2 / 4
    assert names([*beats((48, 52, 55)), Note(0, 58, 24)]) == ["C7"]


def test_an_octave_adds_nothing() -> None:
    # As counted once each, C E G A C: a tie of C and Am goes to the bass.
    assert names(beats((48, 52, 55, 57, 60, 72))) == ["C"]
    assert names(beats((45, 48, 52, 55, 60, 72))) == ["Am"]


def test_of_equals_the_chord_before_stays() -> None:
    assert names(beats((45, 48, 52), (48, 52))) == ["Am", "Am"]
    assert names(beats((48, 52, 55), (48, 52))) == ["C", "C"]


@pytest.mark.parametrize(("up", "name"), [(0, "E"), (3, "G")])
def test_of_equals_over_a_foreign_bass_the_nearest_root_above_it(up: int, name: str) -> None:
    # D flat, E and B over a short C: as much of E major as of A major, in any key.
    notes = [Note(0, 48 + up, 1), *(Note(0, pitch + up, 2) for pitch in (61, 64, 71))]
    assert names([*notes, Note(24, 48 + up, 1)])[0] == name


def test_a_lone_note_keeps_a_chord_that_holds_it_and_makes_none() -> None:
    assert names(beats((48, 52, 55), (43,), (45,), (48,))) == ["C", "C", "-", "-"]


def test_no_chord_where_nothing_sounds() -> None:
    assert names([*beats((48, 52, 55)), Note(48, 48, 24), Note(48, 52, 24)]) == ["C", "-", "C"]


def test_the_melody_is_the_top_of_the_lead() -> None:
    notes = [Note(0, 60, 4, LEAD), Note(2, 72, 1, LEAD)]
    sounding = notes_to_roll(notes, 0, 6).cells[LEAD].any(axis=0)
    assert chords.melody_of(sounding, LOW).tolist() == [60, 60, 72, 60, -1, -1]


@pytest.mark.parametrize(
    ("pitches", "found"),
    [
        ((72, 74, 76, 79), (4, 4)),  # C (D) E G: D goes on to E
        ((72, 74, 77, 79), (3, 4)),  # D leaps to F, no chord tone; F goes on to G
        ((74, 67), (1, 2)),  # leaps to a chord tone, too far
        ((72, 74), (1, 2)),  # nothing after it
        ((74, 74, 76), (2, 3)),  # repeated, then resolved
        ((73, 72), (2, 2)),  # by a semitone, from above
    ],
)
def test_ctnctr_over_c_major(pitches: tuple[int, ...], found: tuple[int, int]) -> None:
    assert tuple(chords.ctnctr(melody(*pitches), C_MAJOR, LOW)) == found


def test_ctnctr_looks_at_the_chord_of_each_note() -> None:
    # D over C, then D over G: an anticipation is proper. The third beat has no chord.
    three = melody(74, 74, 73, steps=72)
    assert tuple(chords.ctnctr(three, np.array([0, 7, chords.NO_CHORD]), LOW)) == (2, 2)


@pytest.mark.parametrize(
    ("pitch", "score"),
    [
        (72, 1 + 1 + 0),  # C over C, E (8 up), G (5 up)
        (74, -1 - 1 + 1),  # D: 2, 10, 7
        (76, 1 + 1 + 1),  # E: 4, 0, 9
        (77, 0 - 1 - 1),  # F: 5, 1, 10
        (79, 1 + 1 + 1),  # G: 7, 3, 0
        (66, -1 - 1 - 1),  # F sharp: 6, 2, 11
    ],
)
def test_pcs_over_c_major(pitch: int, score: int) -> None:
    assert tuple(chords.pcs(melody(pitch), C_MAJOR, LOW)) == (24 * score, 24 * 3)


def test_pcs_of_a_melody_is_weighted_by_time() -> None:
    found = chords.pcs(melody(72, 74, 76, 79), C_MAJOR, LOW)
    assert found[0] / found[1] == pytest.approx((2 - 1 + 3 + 3) / 12)
    # A chord of four notes makes four pairs a step.
    assert chords.pcs(melody(72), np.array([4 * 12]), LOW)[1] == 24 * 4


def test_a_centroid_by_hand() -> None:
    c = chords.tonal_centroid(np.eye(12)[0])
    assert c.tolist() == pytest.approx([0, 1, 0, 1, 0, 0.5])
    g = chords.tonal_centroid(np.eye(12)[7])  # 49/6, 21/2 and 14/3 pi
    root3 = math.sqrt(3)
    assert g.tolist() == pytest.approx([1 / 2, root3 / 2, 1, 0, root3 / 4, -1 / 4])


def test_mctd_of_c_over_c_major_by_hand() -> None:
    # Of the chord: fifths (.45534, .45534), minor thirds (1/3, 2/3), major thirds (.28868, 0).
    apart = (0.45534, 0.54466, 1 / 3, 1 / 3, 0.28868, 0.5)
    total, steps = chords.mctd(melody(72), C_MAJOR, LOW)
    assert steps == 24
    assert total / steps == pytest.approx(math.sqrt(sum(x * x for x in apart)), abs=1e-4)
    assert total / steps == pytest.approx(1.02934, abs=1e-4)


def test_mctd_of_a_foreign_note_is_larger() -> None:
    inside, outside = (chords.mctd(melody(p), C_MAJOR, LOW)[0] / 24 for p in (76, 78))
    assert inside < 1.2 < 1.5 < outside


def test_only_steps_with_melody_and_chord_count() -> None:
    half = melody(72, steps=24)
    half[:, :, 12:] = False
    assert chords.mctd(half, C_MAJOR, LOW)[1] == 12
    assert chords.pcs(half, np.array([chords.NO_CHORD]), LOW).tolist() == [0, 0]


NOTES = st.builds(
    Note,
    st.integers(0, 60),
    st.integers(45, 80),
    st.integers(1, 48),
    st.sampled_from((LEAD, ACCOMPANIMENT)),
)


@settings(max_examples=40)
@given(notes=st.lists(NOTES, max_size=14), up=st.integers(-12, 12))
def test_every_measure_moves_with_the_key(notes: list[Note], up: int) -> None:
    moved = [Note(n.onset_step, n.pitch + up, n.length_steps, n.voice) for n in notes]
    here, there = (notes_to_roll(each, 0, 72).cells for each in (notes, moved))
    theirs, ours = (chords.chords_of(c[ACCOMPANIMENT].any(axis=0), LOW) for c in (here, there))
    assert [(c + up) % 12 + c // 12 * 12 if c >= 0 else c for c in theirs] == ours.tolist()
    for measure in (chords.ctnctr, chords.pcs, chords.mctd):
        before, after = measure(here[LEAD], theirs, LOW), measure(there[LEAD], ours, LOW)
        assert before.tolist() == pytest.approx(after.tolist())


@settings(max_examples=40)
@given(notes=st.lists(NOTES, max_size=14))
def test_bounds(notes: list[Note]) -> None:
    cells = notes_to_roll(notes, 0, 72).cells
    found = chords.chords_of(cells[ACCOMPANIMENT].any(axis=0), LOW)
    part, whole = chords.ctnctr(cells[LEAD], found, LOW)
    assert 0 <= part <= whole
    part, whole = chords.pcs(cells[LEAD], found, LOW)
    assert -whole <= part <= whole
    part, whole = chords.mctd(cells[LEAD], found, LOW)
    assert 0 <= part <= whole * 3.0
