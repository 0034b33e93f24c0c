"""Scores: ticks to steps and back, bar lines."""

from __future__ import annotations

import pytest

from engine.music.grid import ACCOMPANIMENT, LEAD, Meter
from engine.music.roll import Note
from engine.scores import midi_file
from tests.midi_bytes import Meta, midi, off, on


@pytest.mark.parametrize("ticks", [24, 96, 100, 480, 960, 1024])
def test_quantises_to_a_24th_of_a_beat_at_any_resolution(ticks: int) -> None:
    third = round(ticks / 3)
    score = midi_file.parse(midi([on(60, third), off(60, third)], ticks=ticks))
    assert score.notes_of(score.tracks[0]) == [Note(8, 60, 8, ACCOMPANIMENT, 90)]


def test_rounds_to_the_nearest_step_and_never_to_nothing() -> None:
    score = midi_file.parse(midi([on(60, 29), off(60, 1), on(62, 0), off(62, 21)]))
    assert score.notes_of(score.tracks[0], LEAD) == [
        Note(1, 60, 1, LEAD, 90),
        Note(2, 62, 1, LEAD, 90),
    ]


def test_a_repeated_meter_moves_bar_lines_only_when_it_says_something_new() -> None:
    four = {"type": "time_signature", "numerator": 4, "denominator": 4}
    score = midi_file.parse(
        midi(
            [
                Meta(**four),
                Meta(**four, time=4 * 480),  # on a bar line: says nothing
                Meta(**four, time=480),  # a beat later: a new count
                on(60),
                off(60, 480),
            ]
        )
    )
    assert score.meter_map().changes == ((0, Meter(4, 4)), (120, Meter(4, 4)))


def test_a_pickup_may_be_a_bar_of_its_own() -> None:
    pickup = Meta("time_signature", numerator=1, denominator=4)
    waltz = Meta("time_signature", numerator=3, denominator=4, time=480)
    score = midi_file.parse(midi([pickup, waltz], [on(60), off(60, 480 * 4)]))
    assert score.meter_map().bar_lines(0, score.end_step) == [0, 24, 96]
