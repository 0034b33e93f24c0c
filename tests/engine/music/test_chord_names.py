"""Chord symbols to pitch classes and back, as musicians write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.music.chord_names import FLATS, SHARPS, Chord, ChordError, pitch_class

CLASSES = st.frozensets(st.integers(0, 11), min_size=1)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("C", {0, 4, 7}),
        ("Am7", {9, 0, 4, 7}),
        ("F#", {6, 10, 1}),
        ("F♯", {6, 10, 1}),
        ("Bbmaj7", {10, 2, 5, 9}),
        ("B♭M7", {10, 2, 5, 9}),
        ("CM7", {0, 4, 7, 11}),
        ("Cma7", {0, 4, 7, 11}),
        ("CΔ", {0, 4, 7, 11}),
        ("C-7", {0, 3, 7, 10}),
        ("Cmin7", {0, 3, 7, 10}),
        ("Cm7b5", {0, 3, 6, 10}),
        ("Cø", {0, 3, 6, 10}),
        ("Cø7", {0, 3, 6, 10}),
        ("C°", {0, 3, 6}),
        ("Co7", {0, 3, 6, 9}),
        ("Cdim7", {0, 3, 6, 9}),
        ("C+", {0, 4, 8}),
        ("Caug7", {0, 4, 8, 10}),
        ("C5", {0, 7}),
        ("C6", {0, 4, 7, 9}),
        ("C6/9", {0, 2, 4, 7, 9}),
        ("C69", {0, 2, 4, 7, 9}),
        ("C6/9/E", {0, 2, 4, 7, 9}),
        ("Csus", {0, 5, 7}),
        ("C7sus4", {0, 5, 7, 10}),
        ("C9", {0, 2, 4, 7, 10}),
        ("C11", {0, 2, 5, 7, 10}),
        ("Cm11", {0, 2, 3, 5, 7, 10}),
        ("C13", {0, 2, 4, 7, 9, 10}),
        ("C7b9", {0, 1, 4, 7, 10}),
        ("C7(#9)", {0, 3, 4, 7, 10}),
        ("C7alt", {0, 1, 3, 4, 6, 8, 10}),
        ("Cmaj9", {0, 2, 4, 7, 11}),
        ("Cm(maj7)", {0, 3, 7, 11}),
        ("Cadd9", {0, 2, 4, 7}),
        ("C/E", {0, 4, 7}),
        ("C/D", {0, 2, 4, 7}),
        ("(C)", {0}),
        ("C E G", {0, 4, 7}),
        ("c".upper(), {0, 4, 7}),
        ("N.C.", set()),
        ("NC", set()),
    ],
)
def test_symbols(text: str, classes: set[int]) -> None:
    assert Chord.parse(text).classes == classes


def test_the_bass_is_the_root_or_what_is_said() -> None:
    assert Chord.parse("Am7") == Chord(frozenset({9, 0, 4, 7}), 9, 9)
    assert Chord.parse("C/E") == Chord(frozenset({0, 4, 7}), 4, 0)
    assert Chord.parse("C E G") == Chord(frozenset({0, 4, 7}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "H",
        "c",
        "C/Q",
        "C/",
        "Am7/foo",
        "C E X",
        "Cfoo",
        "C7b7",
        "Cm5",
        "C##",
        "²",
        "Cdim9b",
    ],
)
def test_what_names_no_chord_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ChordError, match="want a chord such as Am7") as err:
        Chord.parse(text)
    assert "\n" not in str(err.value)


@pytest.mark.parametrize(
    ("classes", "bass", "name"),
    [
        ({0, 4, 7}, 0, "C"),
        ({0, 4, 7}, 4, "C/E"),
        ({0, 4, 7}, None, "C"),
        ({9, 0, 4}, 9, "Am"),
        ({9, 0, 4, 7}, 9, "Am7"),
        ({9, 0, 4, 7}, 0, "C6"),
        ({7, 11, 2, 5}, 7, "G7"),
        ({7, 11, 2, 5}, 11, "G7/B"),
        ({0, 7}, 0, "C5"),
        ({0, 4}, 0, "C"),
        ({9, 0}, 9, "Am"),
        ({11, 2, 5, 9}, 11, "Bm7b5"),
        ({0}, 0, "(C)"),
        (set(), None, "N.C."),
    ],
)
def test_names(classes: set[int], bass: int | None, name: str) -> None:
    assert Chord(frozenset(classes), bass).name() == name


def test_names_as_the_key_writes_them() -> None:
    chord = Chord(frozenset({10, 2, 5}), 2)
    assert (chord.name(FLATS), chord.name(SHARPS)) == ("Bb/D", "A#/D")
    assert (chord.bass_name(FLATS), Chord(frozenset({1})).bass_name()) == ("D", "")


@given(CLASSES, st.data())
def test_every_name_can_be_read_and_keeps_its_bass(
    classes: frozenset[int], data: st.DataObject
) -> None:
    bass = data.draw(st.sampled_from(sorted(classes)))
    name = Chord(classes, bass).name()
    assert Chord.parse(name).bass == bass
    assert Chord.parse(name).root in classes


@given(st.text(max_size=8))
def test_no_text_does_harm(text: str) -> None:
    try:
        chord = Chord.parse(text)
    except ChordError:
        return
    assert all(0 <= each < 12 for each in chord.classes)


def test_note_names() -> None:
    assert [pitch_class(text) for text in ("C", "Cb", "B#", "F♯", "b", "")] == [
        0,
        11,
        0,
        6,
        None,
        None,
    ]
