"""Chords read off notes, beat by beat."""

from __future__ import annotations

from engine.music.chord_names import MIXED, Chord
from engine.music.heard_chords import heard_chords, named, with_lead
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


def test_names_of_changes() -> None:
    c, g = Chord(frozenset({0, 4, 7}), 0), Chord(frozenset({7, 11, 2}), 7)
    assert named([(0, c), (24, c), (48, g), (72, c)], MIXED) == [(0, "C"), (48, "G"), (72, "C")]


def test_the_melody_completes_a_bare_chord_only() -> None:
    bare, full = Chord(frozenset({0, 7}), 0), Chord(frozenset({0, 4, 7}), 0)
    lead = [Note(0, 76, 24), Note(24, 74, 24)]
    assert with_lead([(0, bare), (24, full)], lead) == [(0, full), (24, full)]
    assert with_lead([], lead) == []
