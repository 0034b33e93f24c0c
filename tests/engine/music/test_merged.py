"""Two voices to the paper's single plane and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, PAPER
from engine.music.merged import merge, merge_known, split
from engine.music.roll import Note, notes_to_roll, roll_to_notes

CHORD = [Note(0, 72, 24, LEAD), Note(0, 60, 48, ACCOMPANIMENT), Note(24, 64, 24, ACCOMPANIMENT)]


def cells_of(notes: list[Note], steps: int = 96) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return notes_to_roll(notes, 0, steps, PAPER).cells


def test_merged_is_on_from_onset_to_end() -> None:
    merged = merge(cells_of(CHORD))
    assert merged.shape == (1, 1, 56, 96)
    for note in CHORD:
        row = np.zeros(96, np.bool_)
        row[note.onset_step : note.end_step] = True
        assert (merged[0, 0, note.pitch - PAPER.low] == row).all()


def test_harmonize_knows_the_lead_where_it_sounds_and_nothing_else() -> None:
    cells = cells_of(CHORD)
    known = np.zeros_like(cells)
    known[LEAD] = True
    told = merge_known(cells, known)
    assert (told[0, 0] == cells[LEAD].any(axis=0)).all()


def test_where_every_voice_is_known_silence_is_known_too() -> None:
    cells = cells_of(CHORD)
    known = np.zeros_like(cells)
    known[..., :48] = True
    told = merge_known(cells, known)
    assert told[..., :48].all()
    assert not told[..., 48:].any()


def test_a_reply_is_what_is_filled_less_the_lead() -> None:
    lead = [note for note in CHORD if note.voice == LEAD]
    known = np.zeros_like(cells_of(lead))
    known[LEAD] = True
    found = split(merge(cells_of(CHORD)), cells_of(lead), known)
    notes = roll_to_notes(notes_to_roll([], 0, 96, PAPER).__class__(found, PAPER))
    assert notes == sorted(CHORD)


def test_a_known_note_is_held_on_without_a_new_onset() -> None:
    start = [Note(0, 60, 24, ACCOMPANIMENT)]
    cells = cells_of(start)
    known = np.zeros_like(cells)
    known[..., :24] = True
    found = split(merge(cells_of([Note(0, 60, 60, ACCOMPANIMENT)])), cells, known)
    assert found[ACCOMPANIMENT, ONSET].sum() == 1
    assert found[ACCOMPANIMENT].sum() == 60


def test_new_cells_go_to_the_lead_where_the_accompaniment_is_known() -> None:
    cells = cells_of(CHORD[1:])
    known = np.zeros_like(cells)
    known[ACCOMPANIMENT] = True
    found = split(merge(cells_of(CHORD)), cells, known)
    assert (found == cells_of(CHORD)).all()


@given(seed=st.integers(0, 10_000))
def test_known_cells_are_bit_exact_and_planes_disjoint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    notes = [
        Note(int(rng.integers(0, 40)), int(rng.integers(33, 89)), int(rng.integers(1, 30)), voice)
        for voice in (0, 1, 0, 1, 1)
    ]
    cells = cells_of(notes, 48)
    known = np.broadcast_to(rng.random((2, 1, 1, 48)) < 0.5, cells.shape)
    found = split(rng.random((1, 1, 56, 48)) < 0.1, cells, known)
    assert (found == cells)[known].all()
    assert not (found[:, 0] & found[:, 1]).any()
