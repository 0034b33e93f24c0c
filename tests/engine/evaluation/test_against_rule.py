"""Players beside the rule, on windows where it is known who must win."""

from __future__ import annotations

import numpy as np

from engine.evaluation.against_rule import against_rule
from engine.evaluation.by_ear import BY_EAR
from engine.evaluation.halves import Partition
from engine.evaluation.metrics import NINE, Pair
from engine.evaluation.rule_baseline import RULE
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note, notes_to_roll


def window(seed: int, length: int) -> Pair:
    """Two bars of triads under their roots, each beat another, notes of this length."""
    rng, notes = np.random.default_rng(seed), []
    for beat in range(8):
        root = 48 + int(rng.integers(0, 12))
        notes.append(Note(24 * beat, root + 24, 24, LEAD))
        notes += [Note(24 * beat, root + tone, length, ACCOMPANIMENT) for tone in (0, 4, 7)]
    cells = notes_to_roll(notes, 0, 192).cells
    return cells[LEAD], cells[ACCOMPANIMENT]


HUMAN = [window(seed, 24) for seed in range(8)]
SHORT = [window(seed, 6) for seed in range(8)]
BARS = [(0, 96, 192)] * 8


def test_the_composers_own_notes_are_nearer_than_the_rules() -> None:
    replies = {"me": HUMAN, RULE: SHORT}
    found = against_rule(replies, HUMAN, BARS, Partition.by_windows(8), PIANO.low)
    assert list(found) == ["me"]
    assert list(found["me"]) == ["note_f1", *NINE, *BY_EAR]
    assert found["me"]["lengths"] == {"nearer": 1.0, "difference": -1.0}
    # the same onsets and chords: nobody is nearer, and all notes are found by both
    for name in ("note_f1", "onsets_per_beat", "rhythm_likeness", "chord_kept"):
        assert found["me"][name] == {"nearer": 0.5, "difference": 0.0}


def test_a_rule_that_plays_the_composers_notes_is_nearer() -> None:
    silence = [(lead, reply & False) for lead, reply in HUMAN]
    replies = {"me": silence, RULE: HUMAN}
    found = against_rule(replies, HUMAN, BARS, Partition.by_windows(8), PIANO.low)["me"]
    assert found["note_f1"] == {"nearer": 0.0, "difference": -1.0}
    assert found["note_in_chord"]["nearer"] == 0.0
