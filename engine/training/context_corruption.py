"""What may be wrong with the known past: a model that plays live hears itself, and hands.

Each takes notes int64[note, (onset, end, pitch, voice)] in steps from the window's start, and
gives new ones; nothing it is given changes. Only the *context* of a training window is corrupted:
the truth stays as composed, so the way out is learned. Needs numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT

_Notes = NDArray[np.int64]
Corruption = Callable[[_Notes, int, np.random.Generator], _Notes]


def dropped(notes: _Notes, steps: int, rng: np.random.Generator) -> _Notes:
    """Return a few accompaniment notes missing or a little off in pitch."""
    accompaniment = notes[:, 3] == ACCOMPANIMENT
    shifted = accompaniment & (rng.random(len(notes)) < 0.06)
    changed = notes.copy()
    changed[shifted, 2] += rng.integers(-2, 3, int(shifted.sum()))
    kept: _Notes = changed[~(accompaniment & (rng.random(len(notes)) < 0.08))]
    return kept


def silent_at_first(notes: _Notes, steps: int, rng: np.random.Generator) -> _Notes:
    """No accompaniment that begins before some beat: a daemon that has just begun to answer."""
    place = int(rng.uniform(0, 0.8) * steps) // STEPS_PER_BEAT * STEPS_PER_BEAT
    kept: _Notes = notes[(notes[:, 3] != ACCOMPANIMENT) | (notes[:, 0] >= place)]
    return kept


def stuck(notes: _Notes, steps: int, rng: np.random.Generator) -> _Notes:
    """Return one chord struck over and over instead of the accompaniment: the rut that hearing only
    itself leads a model into. Unchanged where nothing sounds at the place that is drawn.
    """
    ours = notes[:, 3] == ACCOMPANIMENT
    place = int(rng.integers(0, steps))
    chord = np.unique(notes[ours & (notes[:, 0] <= place) & (notes[:, 1] > place), 2])
    every = STEPS_PER_BEAT * int(rng.choice((1, 2, 4)))
    if not len(chord):
        return notes
    onset = np.repeat(np.arange(0, steps, every), len(chord))
    pitch = np.tile(chord, -(-steps // every))
    voice = np.full(len(pitch), ACCOMPANIMENT)
    return np.concatenate([notes[~ours], np.column_stack([onset, onset + every, pitch, voice])])


def played_by_hand(notes: _Notes, steps: int, rng: np.random.Generator) -> _Notes:
    """Return the lead a step early or late, note by note, as quantized playing still is."""
    lead = notes[:, 3] == LEAD
    changed = notes.copy()
    changed[lead, :2] += rng.integers(-1, 2, (int(lead.sum()), 1))
    return changed


CORRUPTIONS: tuple[tuple[float, Corruption], ...] = (
    (0.30, dropped),
    (0.08, silent_at_first),
    (0.10, stuck),
    (0.20, played_by_hand),
)
"""How often each one comes, independently of the others, and in this order."""


def corrupted(notes: _Notes, steps: int, rng: np.random.Generator) -> _Notes:
    """Return the notes as a live context of `steps` steps may hold them."""
    changed = notes.copy()
    for chance, corruption in CORRUPTIONS:
        if rng.random() < chance:
            changed = corruption(changed, steps, rng)
    return changed
