"""Chords given for places of the song, as cells of a request."""

from __future__ import annotations

from bridge.live.listening.note_memory import LoopRegion
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.given_chords import MOST_GIVEN, GivenChords
from engine.music.chord_names import Chord
from engine.music.grid import MeterMap
from engine.requests.request import ChordCell

BARS = BeatLines(MeterMap())
C, F = Chord.parse("C"), Chord.parse("F/A")


def test_a_chord_holds_to_the_next_one_of_its_bar_or_to_the_bars_end() -> None:
    given = GivenChords()
    given.give(2, 48, F)
    given.give(2, 0, C)
    assert given.cells(0, 96, BARS, None) == []
    assert given.cells(100, 300, BARS, None) == [
        ChordCell(96, 120, C.classes, 0),
        ChordCell(120, 144, C.classes),
        ChordCell(144, 168, F.classes, 9),
        ChordCell(168, 192, F.classes, 9),
    ]
    assert given.take_back(2, 0)
    assert not given.take_back(2, 0)
    assert [cell.first_step for cell in given.cells(0, 192, BARS, None)] == [144, 168]
    given.clear()
    assert len(given) == 0


def test_a_loop_repeats_the_chords_of_its_first_pass() -> None:
    given = GivenChords()
    given.give(1, 0, C)
    cells = given.cells(192, 384, BARS, LoopRegion(0, 192))
    assert [cell.first_step for cell in cells] == [192, 216]
    assert given.cells(192, 384, BARS, None) == []


def test_a_place_beyond_a_shorter_bar_is_left_out() -> None:
    given = GivenChords()
    given.give(1, 120, C)
    assert given.cells(0, 96, BARS, None) == []


def test_they_are_bounded() -> None:
    given = GivenChords()
    assert all(given.give(bar, 0, C) for bar in range(MOST_GIVEN))
    assert not given.give(-1, 0, C)
    assert given.give(0, 0, F)
