"""Keys, scales and chords as pitch classes 0..11: what a reply may be held to."""

from __future__ import annotations

KEYS = ("off", "C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
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


class ChordError(ValueError):
    """A text that names no chord; the message says what would."""


_ROOTS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_CHORDS: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7), "maj": (0, 4, 7), "m": (0, 3, 7), "min": (0, 3, 7), "dim": (0, 3, 6),
    "aug": (0, 4, 8), "+": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7), "5": (0, 7),
    "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10), "dim7": (0, 3, 6, 9), "m7b5": (0, 3, 6, 10), "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11), "m9": (0, 2, 3, 7, 10), "add9": (0, 2, 4, 7),
}  # fmt: skip


def _root(text: str) -> tuple[int, str] | None:
    if not text or text[0] not in _ROOTS:
        return None
    shift = {"#": 1, "b": -1}.get(text[1:2], 0)
    return (_ROOTS[text[0]] + shift) % 12, text[2 if shift else 1 :]


def chord_pitch_classes(text: str) -> frozenset[int]:
    """Pitch classes of `Am7`, `F#`, `C/E` or note names `C E G`; empty text gives none."""
    words = text.replace(",", " ").split()
    if not words:
        return frozenset()
    if len(words) > 1:
        roots = [_root(word) for word in words]
        if all(found and not found[1] for found in roots):
            return frozenset(found[0] for found in roots if found)
    elif found := _root(words[0].partition("/")[0]):
        bass = _root(words[0].partition("/")[2])
        if found[1] in _CHORDS and (bass is None or not bass[1]):
            tones = {(found[0] + tone) % 12 for tone in _CHORDS[found[1]]}
            return frozenset(tones | ({bass[0]} if bass else set()))
    raise ChordError(
        f"chord {text!r}: want a chord such as Am7, F#, Bbmaj7 or C/E, or notes such as C E G"
    )


def allowed_pitch_classes(key: str, scale: str, chord: str) -> frozenset[int]:
    """Pitch classes the reply may use; empty means all. A chord wins over a scale."""
    if chord:
        return chord_pitch_classes(chord)
    if key == "off":
        return frozenset()
    tonic = KEYS.index(key) - 1
    return frozenset((tonic + tone) % 12 for tone in SCALES[scale])
