"""Keys, scales and chords as pitch classes 0..11: what a reply may be held to."""

from __future__ import annotations

from engine.music.chord_names import MIXED, Chord
from engine.music.keys import Key

_AUTO = "auto"
KEYS = ("off", *MIXED, _AUTO)
SCALES: dict[str, tuple[int, ...]] = {
    "chromatic": tuple(range(12)),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 6, 7, 10),
}


def chord_pitch_classes(text: str) -> frozenset[int]:
    """Return pitch classes of `Am7`, `F#`, `C/E` or note names `C E G`; empty text gives none.

    Raises ChordError.
    """
    return Chord.parse(text).classes if text.strip() else frozenset()


def allowed_pitch_classes(
    key: str, scale: str, chord: str, read: Key | None = None
) -> frozenset[int]:
    """Return pitch classes the reply may use; empty means all. A chord wins over a scale.

    read: the key that was read from the music, for key `auto`, which has a scale of its own.
    """
    if chord:
        return chord_pitch_classes(chord)
    if key == _AUTO:
        return read.pitch_classes if read else frozenset()
    if key == "off":
        return frozenset()
    tonic = MIXED.index(key)
    return frozenset((tonic + tone) % 12 for tone in SCALES[scale])
