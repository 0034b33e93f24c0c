"""Texts as players write them to texts as the table keeps them: the `read` column of its rows."""

from __future__ import annotations

from bridge.settings.pitch_locks import SCALES, chord_pitch_classes
from bridge.settings.rows import ParameterError
from engine.music.chord_names import MIXED, ChordError, pitch_class
from engine.music.grid import GridError, Meter


def tonic(text: str) -> str:
    """Return a key as the table writes it: `Db` is C#, `bb` is Bb; ParameterError for a scale."""
    word, *scale = text.replace("-", " ").split() or [text]
    found = pitch_class(word[:1].upper() + word[1:])
    if found is None:
        return text
    if scale:
        raise ParameterError(
            f"key wants a tonic, such as {MIXED[found]}; the scale is a parameter of its own: "
            f"key {MIXED[found]} and scale {_scale_of(scale[0])}"
        )
    return MIXED[found]


def _scale_of(word: str) -> str:
    """Return the scale that a word stands for, or the usual one."""
    short = {"m": "minor", "min": "minor", "moll": "minor", "dur": "major", "maj": "major"}
    wished = short.get(word.lower(), word.lower())
    return wished if wished in SCALES else "major"


def meter(text: str) -> str:
    """Return a time signature as the table writes it; ParameterError where it is none."""
    try:
        return str(Meter.parse(text))
    except GridError as err:
        raise ParameterError(str(err)) from None


def chord(text: str) -> str:
    """Return a chord's name, empty for `off` and `none`; ParameterError where it is none."""
    text = "" if text.lower() in ("off", "none") else text
    try:
        chord_pitch_classes(text)
    except ChordError as err:
        raise ParameterError(str(err)) from None
    return text
