from __future__ import annotations

from itertools import pairwise

import numpy as np

from engine.evaluation.note_chain import NoteChain
from engine.music.roll import Note

PIECE = [Note(12 * i, 60 + i % 2, 6) for i in range(8)]


def test_what_follows_is_what_followed() -> None:
    chain = NoteChain.fit([PIECE])
    notes = chain.sample(100, 196, np.random.default_rng(0))
    assert [n.onset_step for n in notes] == [100 + 12 * i for i in range(1, 8)]
    assert {n.length_steps for n in notes} == {6}
    assert all({a.pitch, b.pitch} == {60, 61} for a, b in pairwise(notes))


def test_the_seed_decides_and_nothing_begins_after_the_end() -> None:
    chain = NoteChain.fit([PIECE, [Note(0, 72, 24), Note(0, 76, 24), Note(24, 74, 24)]])
    first, second = (chain.sample(0, 96, np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert all(n.onset_step < 96 and n.end_step <= 96 for n in first)
