"""What a knob takes, and what it says to what it does not."""

from __future__ import annotations

import pytest

from bridge.settings.rows import ParameterError
from bridge.settings.values import check_value


@pytest.mark.parametrize(
    ("given", "key"),
    [
        *(("Db", "C#"), ("A#", "Bb"), ("D#", "Eb"), ("G#", "Ab"), ("Gb", "F#"), ("bb", "Bb")),
        *(("F♯", "F#"), ("B♭", "Bb"), ("Cb", "B"), ("E#", "F"), ("c", "C"), ("off", "off")),
    ],
)
def test_keys_as_musicians_write_them(given: str, key: str) -> None:
    assert check_value("key", given) == key


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("bb minor", "key Bb and scale minor"),
        ("C#m", "did you mean 'C#'"),
        ("Db dorian", "key C# and scale dorian"),
        ("H", "key wants off, C, C#"),
        ("", "key wants off, C, C#"),
    ],
)
def test_the_hint_is_right(given: str, hint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_value("key", given)
    assert hint in str(caught.value)


@pytest.mark.parametrize("text", ["C/Q", "Am7/foo", "Xm", "C13x"])
def test_chords_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="want a chord such as"):
        check_value("chord", text)


@pytest.mark.parametrize(
    "text", ["C6/9", "C7sus4", "CM7", "C-7", "C13", "C7b9", "Cø", "Cm7b5", "Bbmaj7/D"]
)
def test_chords_as_musicians_write_them(text: str) -> None:
    assert check_value("chord", text) == text
