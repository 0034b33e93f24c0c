"""What a reply may play, on notes whose right answer is known."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, PIANO, SUSTAIN, MeterMap, PitchRange
from engine.music.roll import Note, PianoRoll, drop_orphans, notes_to_roll, roll_to_notes
from engine.requests.constraints import (
    LEAST_STEPS,
    allowed_cells,
    allowed_pitches,
    same_rhythm,
    whole_notes,
)
from engine.requests.request import FillRequest, SampleSettings

STEPS = 96
_notes = st.lists(
    st.builds(
        Note,
        onset_step=st.integers(0, STEPS - 1),
        pitch=st.integers(40, 70),
        length_steps=st.integers(1, 40),
        voice=st.integers(0, 1),
    ),
    max_size=14,
)
quick = settings(max_examples=40, deadline=None)


def noise(share: float, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.random.default_rng(seed).random((2, 2, 88, STEPS)) < share


def known_until(step: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    known = np.zeros((2, 2, 88, STEPS), np.bool_)
    known[..., :step] = True
    return known


def test_specks_go_but_what_was_told_or_is_cut_off_stays() -> None:
    told, cut = Note(0, 60, 2, ACCOMPANIMENT), Note(STEPS - 2, 62, 2, ACCOMPANIMENT)
    kept = [Note(12, 64, LEAST_STEPS, ACCOMPANIMENT), Note(24, 64, 24, ACCOMPANIMENT)]
    specks = [Note(20 + i, 50 + i, 1 + i % 2, i % 2) for i in range(4)]
    cells = notes_to_roll([told, cut, *kept, *specks], 0, STEPS).cells
    known = known_until(6)
    request = FillRequest(PianoRoll(cells & known, PIANO), known, MeterMap(), SampleSettings())
    found = roll_to_notes(PianoRoll(whole_notes(request, cells), PIANO))
    assert [(n.onset_step, n.pitch) for n in found] == [
        (n.onset_step, n.pitch) for n in (told, *kept, cut)
    ]


def test_register_and_lock_bind_the_accompaniment_only() -> None:
    wanted = SampleSettings(low=62, high=72, pitch_classes=frozenset({0, 4, 7}))
    allowed = allowed_pitches(wanted, PitchRange(60, 73))
    assert allowed[LEAD].all()
    assert (np.flatnonzero(allowed[ACCOMPANIMENT]) + 60).tolist() == [64, 67, 72]


def test_the_known_leads_pitch_is_not_allowed_while_it_sounds() -> None:
    notes = [Note(10, 60, 5, LEAD), Note(20, 61, 5, LEAD), Note(30, 62, 5, ACCOMPANIMENT)]
    cells, known = notes_to_roll(notes, 0, STEPS).cells, known_until(22)
    allowed = allowed_cells(cells, known, SampleSettings(), PIANO)
    assert allowed[LEAD].all()
    for plane in (ONSET, SUSTAIN):
        rows, steps = np.nonzero(~allowed[ACCOMPANIMENT, plane])
        assert list(zip((rows + 21).tolist(), steps.tolist(), strict=True)) == [
            *((60, step) for step in range(10, 15)),
            (61, 20),
            (61, 21),
        ]
    assert allowed_cells(cells, known, SampleSettings(doubling="allow"), PIANO).all()


def test_a_kept_rhythm_allows_each_voice_the_sources_steps() -> None:
    notes = [Note(10, 60, 3, LEAD), Note(40, 50, 2, ACCOMPANIMENT), Note(40, 55, 4, ACCOMPANIMENT)]
    cells = notes_to_roll(notes, 0, STEPS).cells
    allowed = allowed_cells(cells, known_until(0), SampleSettings(rhythm="keep"), PIANO)
    steps = [np.flatnonzero(plane.any(axis=0)).tolist() for voice in allowed for plane in voice]
    assert steps == [[10], [11, 12], [40], [41, 42, 43]]


def test_a_note_ends_where_the_lead_takes_its_pitch() -> None:
    lead = Note(24, 60, 24, LEAD)
    drawn = [lead, Note(0, 60, 72), Note(30, 60, 30), Note(0, 64, 72)]
    roll = notes_to_roll([lead], 0, STEPS)
    known = np.zeros_like(roll.cells)
    known[LEAD] = True
    # two onsets inside one note, as a network may draw them
    cells = notes_to_roll(drawn, 0, STEPS).cells
    for doubling, lengths in (("avoid", {60: [24], 64: [72]}), ("allow", {60: [30, 30], 64: [72]})):
        request = FillRequest(roll, known, settings=SampleSettings(doubling=doubling))
        found = roll_to_notes(PianoRoll(whole_notes(request, cells)))
        reply = [n for n in found if n.voice == ACCOMPANIMENT]
        assert {p: [n.length_steps for n in reply if n.pitch == p] for p in (60, 64)} == lengths


@quick
@given(_notes, st.integers(0, STEPS), st.integers(0, 999))
def test_whole_notes_beside_any_lead(notes: list[Note], known_to: int, seed: int) -> None:
    roll, known = notes_to_roll(notes, 0, STEPS), known_until(known_to)
    known[LEAD] |= seed % 2 == 0
    request = FillRequest(roll, known, settings=SampleSettings(voices=88))
    cells = whole_notes(request, np.where(known, roll.cells, noise(0.1, seed)))
    assert (cells == roll.cells)[known].all()
    lead, reply = np.asarray(cells.any(axis=1))
    assert not (lead & reply & ~known[ACCOMPANIMENT].all(axis=0)).any()
    assert (drop_orphans(cells) == cells).all()


# -- The same rhythm -------------------------------------------------------------------------------


def rhythm(notes: list[Note]) -> list[tuple[int, int, int]]:
    return sorted((n.voice, n.onset_step, n.length_steps) for n in notes)


@quick
@given(_notes, st.integers(0, 999), st.sampled_from(["avoid", "allow"]))
def test_the_rhythm_is_exact(notes: list[Note], seed: int, doubling: str) -> None:
    roll = notes_to_roll(notes, 0, STEPS)
    wanted = SampleSettings(rhythm="keep", doubling=doubling, low=30, high=90, voices=1)
    scores = np.random.default_rng(seed).random((2, 88, STEPS), np.float32)
    request = FillRequest(roll, known_until(0), settings=wanted)
    cells = same_rhythm(request, scores)
    found = roll_to_notes(PianoRoll(cells))
    assert rhythm(found) == rhythm(roll_to_notes(roll))
    assert all(30 <= n.pitch <= 90 for n in found if n.voice == ACCOMPANIMENT)
    if doubling == "avoid":
        assert not (cells[LEAD].any(axis=0) & cells[ACCOMPANIMENT].any(axis=0)).any()


@quick
@given(_notes, st.integers(0, STEPS), st.integers(0, STEPS), st.integers(0, 999))
def test_what_is_known_stays_and_so_does_what_reaches_into_it(
    notes: list[Note], start: int, length: int, seed: int
) -> None:
    roll = notes_to_roll(notes, 0, STEPS)
    known = known_until(STEPS)
    known[..., start : start + length] = False
    scores = np.random.default_rng(seed).random((2, 88, STEPS), np.float32)
    cells = same_rhythm(FillRequest(roll, known, settings=SampleSettings(rhythm="keep")), scores)
    assert (cells == roll.cells)[known].all()
    before, after = roll_to_notes(roll), roll_to_notes(PianoRoll(cells))
    assert rhythm(after) == rhythm(before)
    for note in before:
        if note.onset_step < start or note.end_step > start + length:
            assert note in after


def test_the_best_pitches_are_taken_lowest_by_the_lowest() -> None:
    notes = [Note(10, 50, 30), Note(10, 60, 5), Note(20, 70, 5)]
    roll, scores = notes_to_roll(notes, 0, STEPS), np.zeros((2, 88, STEPS), np.float32)
    scores[ACCOMPANIMENT, 80 - 21, 10], scores[ACCOMPANIMENT, 45 - 21, 10] = 0.5, 0.9
    scores[ACCOMPANIMENT, 45 - 21, 20], scores[ACCOMPANIMENT, 46 - 21, 20] = 0.9, 0.3
    request = FillRequest(roll, known_until(0), settings=SampleSettings(rhythm="keep"))
    # 45 still sounds at 20, so the second best it is
    assert roll_to_notes(PianoRoll(same_rhythm(request, scores))) == [
        Note(10, 45, 30),
        Note(10, 80, 5),
        Note(20, 46, 5),
    ]


def test_a_note_without_room_is_left_out() -> None:
    notes = [Note(0, 50, 24), Note(0, 55, 12), Note(12, 60, 12), Note(24, 60, 12)]
    lock = SampleSettings(rhythm="keep", low=48, high=48)
    request = FillRequest(notes_to_roll(notes, 0, STEPS), known_until(0), settings=lock)
    cells = same_rhythm(request, np.zeros((2, 88, STEPS), np.float32))
    assert roll_to_notes(PianoRoll(cells)) == [Note(0, 48, 24), Note(24, 48, 12)]
