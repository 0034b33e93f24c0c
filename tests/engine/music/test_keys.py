"""Keys read from notes."""

from __future__ import annotations

import numpy as np
import pytest

from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import Note


def weights(*pitches: int) -> np.ndarray:
    return class_weights(Note(24 * i, pitch, 24) for i, pitch in enumerate(pitches))


@pytest.mark.parametrize(
    ("pitches", "key"),
    [
        ((60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60), "C major"),
        ((57, 59, 60, 62, 64, 65, 68, 69, 64, 60, 57), "A minor"),
        ((63, 65, 67, 68, 70, 72, 74, 75, 70, 67, 63), "Eb major"),
        ((66, 68, 69, 71, 73, 74, 77, 78, 73, 69, 66), "F# minor"),
    ],
)
def test_scales_with_their_triad(pitches: tuple[int, ...], key: str) -> None:
    assert str(read_key(weights(*pitches))) == key


def test_two_notes_say_nothing() -> None:
    assert read_key(weights(60, 67)) is None
    assert read_key(weights(60, 67), Key(2)) == Key(2)
    assert read_key(np.ones(12)) is None


def test_a_key_is_kept_that_fits_nearly_as_well() -> None:
    # C major with as much A minor in it.
    notes = weights(60, 64, 67, 69, 72, 64, 69, 60)
    best = read_key(notes)
    other = Key(9, True) if best == Key(0) else Key(0)
    assert read_key(notes, other, 0.5) == other
    assert read_key(notes, Key(6), 0.5) == best


def test_spelling_and_scale() -> None:
    assert Key(10).names[3] == "Eb"
    assert Key(4).names[8] == "G#"
    assert Key(2, True).names[10] == "Bb"
    assert Key(9, True).pitch_classes == {9, 11, 0, 2, 4, 5, 7, 8}
    assert Key(7).pitch_classes == {7, 9, 11, 0, 2, 4, 6}
