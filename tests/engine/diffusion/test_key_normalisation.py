"""Music of which no note is known, in C: moved for training and scoring, moved back in playing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.diffusion import key_normalisation as moving
from engine.diffusion.batch import Batch
from engine.diffusion.key_normalisation import (
    key_normalised,
    nothing_known,
    playing_shift,
    shift_of,
    some_alone,
)
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, MeterMap
from engine.music.merged import alone, merge
from engine.music.roll import Note, PianoRoll, notes_to_roll, shifted
from engine.requests.request import FillRequest, SampleSettings
from engine.training.dataset import load_pack

D_MAJOR = [62, 64, 66, 67, 69, 71, 73, 74, 69, 66, 62]


def scale(pitches: list[int], voice: int = LEAD) -> np.ndarray[Any, np.dtype[np.bool_]]:
    notes = [Note(24 * index, pitch, 24, voice) for index, pitch in enumerate(pitches)]
    return notes_to_roll(notes, 0, 24 * 16, PIANO).cells


def batch(mask: np.ndarray[Any, np.dtype[np.bool_]], made_pack: Path) -> Batch:
    """Windows of D major, known where `mask` bool[voice, step] says."""
    from engine.training.feed import make_windows

    one = make_windows(load_pack(made_pack), 0, 0).batch(3, 16, augment=0.0)
    cells = np.stack([scale(D_MAJOR)] * 3)
    return replace(one, target=cells, context=cells, mask=np.stack([mask] * 3))


def test_a_shift_moves_notes_and_loses_what_leaves() -> None:
    cells = scale([21, 60, 108])
    up = shifted(cells, 2)
    assert up[:, :, 23 - 21].any()
    assert up[:, :, 62 - 21].any()
    assert not up[:, :, 0].any()
    assert up.sum() < cells.sum()  # 110 is beyond the piano
    assert (shifted(cells, 0) == cells).all()
    assert (shifted(scale([60, 64]), -5) == scale([55, 59])).all()


def test_d_major_lies_two_semitones_above_c() -> None:
    assert shift_of(scale(D_MAJOR), PIANO.low) == -2


def test_only_where_no_note_is_known_is_music_moved(made_pack: Path) -> None:
    nothing = np.zeros((2, 384), np.bool_)
    lead, resting = nothing.copy(), nothing.copy()
    lead[LEAD] = True
    resting[ACCOMPANIMENT] = True  # known, and nothing plays there
    assert nothing_known(batch(nothing, made_pack)).all()
    assert nothing_known(batch(resting, made_pack)).all()
    assert not nothing_known(batch(lead, made_pack)).any()
    in_c_major = shifted(scale(D_MAJOR), -2)
    assert (key_normalised(batch(nothing, made_pack)).target == in_c_major).all()
    assert (key_normalised(batch(lead, made_pack)).target == scale(D_MAJOR)).all()


def test_alone_all_music_is_the_accompaniment(made_pack: Path) -> None:
    harmonize = np.zeros((2, 384), np.bool_)
    harmonize[LEAD] = True
    found = some_alone(batch(harmonize, made_pack), 1.0, np.random.default_rng(0))
    assert not found.target[:, LEAD].any()
    assert (merge(found.target[0]) == merge(scale(D_MAJOR))).all()
    assert nothing_known(found).all()
    other = some_alone(batch(~harmonize, made_pack), 1.0, np.random.default_rng(0))
    assert other.target[:, LEAD].any()


def test_alone_is_what_one_plane_can_tell() -> None:
    """Two rolls that merge alike are the same alone; a note struck again goes on."""
    again = notes_to_roll([Note(0, 60, 24, LEAD), Note(24, 60, 24, ACCOMPANIMENT)], 0, 96, PIANO)
    held = notes_to_roll([Note(0, 60, 48, ACCOMPANIMENT)], 0, 96, PIANO)
    assert (alone(again.cells) == held.cells).all()
    assert (alone(held.cells) == held.cells).all()


def test_a_request_is_in_its_own_key_or_its_locks_or_its_seeds() -> None:
    silent = np.zeros_like(scale(D_MAJOR))
    everything = np.ones_like(silent)
    source = scale(D_MAJOR)
    assert playing_shift(source, everything, everything, 0, PIANO.low) == 0  # told
    assert playing_shift(source, silent, everything, 0, PIANO.low) == -2
    locked = np.zeros_like(silent)
    locked[:, :, [row for row in range(88) if (row + 21) % 12 in {2, 4, 6, 7, 9, 11, 1}]] = True
    assert playing_shift(silent, silent, locked, 5, PIANO.low) == -2
    free = {playing_shift(silent, silent, everything, seed, PIANO.low) for seed in range(12)}
    assert free == set(range(-6, 6))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_generated_keeps_its_locks_when_moved(tiny_generator: Generator, seed: int) -> None:
    settings = SampleSettings(steps=2, seed=seed, low=40, high=80, pitch_classes=frozenset({2, 9}))
    roll = PianoRoll(np.zeros((2, 2, 88, 96), np.bool_), PIANO)
    request = FillRequest(roll, np.zeros_like(roll.cells), MeterMap(), settings)
    filled = tiny_generator.fill(request)
    rows = np.flatnonzero(filled.cells[ACCOMPANIMENT].any(axis=(0, 2))) + PIANO.low
    assert set(rows % 12) <= {2, 9}
    assert all(40 <= row <= 80 for row in rows)
    assert tiny_generator.key_normalised


def test_which_of_twelve_keys_takes_log_12() -> None:
    assert math.exp(moving.KEY_NATS) == pytest.approx(12)


def locked(
    classes: set[int], low_pitch: int, rows: int = 40
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Cells that a scale lock allows; in the first step none, as where a register says so."""
    allowed = np.zeros((2, 2, rows, 24), np.bool_)
    for row in range(rows):
        allowed[:, :, row, 1:] = (row + low_pitch) % 12 in classes
    return allowed


@pytest.mark.parametrize("low_pitch", [21, 36, 40])
def test_a_scale_lock_says_the_key_whatever_the_lowest_row_is(low_pitch: int) -> None:
    nothing = np.zeros((2, 2, 40, 24), np.bool_)
    for tonic in (0, 2, 5):
        scale_of = {(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)}
        found = playing_shift(nothing, nothing, locked(scale_of, low_pitch), 3, low_pitch)
        assert found == -tonic


def test_given_chords_say_the_key_where_some_beats_have_none() -> None:
    nothing = np.zeros((2, 2, 40, 24), np.bool_)
    chords = np.zeros((24, 4), np.bool_)
    chords[[2, 6, 9], 0] = chords[[7, 11, 2], 1] = chords[[9, 1, 4], 2] = True
    assert playing_shift(nothing, nothing, ~nothing, 3, 40, chords) == -2
    without = playing_shift(nothing, nothing, ~nothing, 3, 40, np.zeros((24, 4), np.bool_))
    assert without == 3 * 7 % 12 - 6


def test_only_windows_to_harmonize_from_nothing_are_made_alone(made_pack: Path) -> None:
    """The lead known throughout and the accompaniment nowhere; not one of the two."""
    steps = 24 * 16
    for known in ((True, False), (True, True), (False, False), (False, True)):
        mask = np.repeat(np.array(known)[:, None], steps, axis=1)
        music = batch(mask, made_pack)
        found = some_alone(music, 1.0, np.random.default_rng(0))
        moved = not np.array_equal(found.target, music.target)
        assert moved == (known == (True, False))
    mask = np.repeat(np.array((True, False))[:, None], steps, axis=1)
    never = some_alone(batch(mask, made_pack), 0.0, np.random.default_rng(0))
    assert np.array_equal(never.target, batch(mask, made_pack).target)
