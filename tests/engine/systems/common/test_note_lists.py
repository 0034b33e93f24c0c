from __future__ import annotations

from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note
from engine.requests.request import SampleSettings
from engine.systems.common.mending import fitting, on_grid, snapped
from engine.systems.common.note_lists import ordered_notes, voiced


def test_one_pitch_sounds_once_at_a_time() -> None:
    notes = [Note(0, 60, 48, LEAD), Note(24, 60, 24), Note(24, 60, 12, LEAD), Note(24, 64, 24)]
    kept, left_out = ordered_notes(notes)
    assert kept == [Note(0, 60, 24, LEAD), Note(24, 60, 12, LEAD), Note(24, 64, 24)]
    assert left_out == 1


def test_the_top_line_leads() -> None:
    chord = [Note(0, 60, 24), Note(0, 67, 48), Note(24, 62, 24), Note(48, 65, 24)]
    assert [(n.pitch, n.voice) for n in voiced(chord)] == [
        (67, LEAD),
        (60, ACCOMPANIMENT),
        (62, ACCOMPANIMENT),
        (65, LEAD),
    ]


def test_the_grid_is_sixteenths_and_triplets() -> None:
    assert [on_grid(step) for step in (0, 1, 5, 7, 9, 11, 13, 15, 17)] == [
        0,
        0,
        6,
        6,
        8,
        12,
        12,
        16,
        18,
    ]
    assert snapped(Note(5, 60, 1)) == Note(6, 60, 3)


def test_notes_beyond_the_register_come_in_by_octaves_and_are_counted() -> None:
    settings = SampleSettings(low=48, high=72)
    notes = [Note(0, 36, 24), Note(0, 50, 24), Note(0, 90, 24, LEAD)]
    assert fitting(notes, settings, PIANO) == (
        [Note(0, 48, 24), Note(0, 50, 24), Note(0, 90, 24, LEAD)],
        1,
    )


def test_a_lock_moves_to_the_nearest_pitch_it_allows() -> None:
    settings = SampleSettings(pitch_classes=frozenset({0, 4, 7}))
    found, moved = fitting([Note(0, 61, 24), Note(0, 64, 24)], settings, PIANO)
    assert [n.pitch for n in found] == [60, 64]
    assert moved == 1
