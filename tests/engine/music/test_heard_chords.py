"""Chords read off notes, beat by beat."""

from __future__ import annotations

from engine.music.chord_names import Chord
from engine.music.heard_chords import changes, heard_chords
from engine.music.roll import Note


def test_a_chord_a_beat_with_its_bass() -> None:
    notes = [Note(0, 48, 48), Note(0, 64, 24), Note(0, 67, 24), Note(24, 57, 24)]
    assert heard_chords(notes, 0, 72) == [
        (0, Chord(frozenset({0, 4, 7}), 0)),
        (24, Chord(frozenset({0, 9}), 0)),
        (48, Chord(frozenset())),
    ]


def test_what_sounds_for_less_than_a_quarter_of_a_beat_does_not_count() -> None:
    notes = [Note(0, 36, 5), Note(0, 60, 6), Note(6, 72, 3), Note(12, 74, 3), Note(18, 74, 3)]
    # C5 joins C4; the two short Ds add up, but neither of them is a bass.
    assert heard_chords(notes, 0, 24) == [(0, Chord(frozenset({0, 2}), 0))]


def test_whole_beats_only_also_before_zero() -> None:
    notes = [Note(-30, 60, 60)]
    chord = Chord(frozenset({0}), 0)
    assert heard_chords(notes, -30, 30) == [(-24, chord), (0, chord)]


def test_changes() -> None:
    a, b = Chord(frozenset({0})), Chord(frozenset({1}))
    assert changes([(0, a), (24, a), (48, b), (72, a)]) == [(0, a), (48, b), (72, a)]
