"""Sequences that `savkin` learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.music.grid import STEPS_PER_BEAT
from engine.systems.savkin.codec import SHIFT, SHIFTS_PER_STEP, from_numbers
from engine.systems.savkin.network import Unet1dConfig
from engine.systems.savkin.training import Sequences
from engine.training.dataset import load_pack

LENGTH = 4096
"""Longer than the pieces of the pack, so that each sequence comes to the end of one."""


def test_a_piece_that_ends_begins_anew(made_pack: Path) -> None:
    pack = load_pack(made_pack)
    sequences = Sequences(pack, 1, Unet1dConfig(width=16, length=LENGTH))
    longest_rest = 0
    for seed in range(20):
        numbers = sequences.numbers(np.random.default_rng(seed))
        assert len(numbers) == LENGTH
        events = np.flatnonzero(np.append(numbers, 0) < SHIFT)
        longest_rest = max(longest_rest, int(np.diff(events).max()) - 1)
    assert longest_rest <= 4 * STEPS_PER_BEAT * SHIFTS_PER_STEP


def test_the_second_time_is_the_whole_piece(made_pack: Path) -> None:
    pack = load_pack(made_pack)
    sequences = Sequences(pack, 1, Unet1dConfig(width=16, length=LENGTH))
    piece = sequences.pieces.any(np.random.default_rng(3))
    notes, faults = from_numbers(sequences.numbers(np.random.default_rng(3)))
    pitches = [note.pitch for note in notes]
    whole = [int(pitch) for pitch in piece.pitch]
    assert any(pitches[i : i + len(whole)] == whole for i in range(len(pitches)))
    assert faults.nearest == faults.offs == faults.ons == 0
