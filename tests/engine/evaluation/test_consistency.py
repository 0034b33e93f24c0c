"""Overlapping areas of neighbouring frames, by hand."""

from __future__ import annotations

import math

import pytest

from engine.evaluation.consistency import consistency, overlaps
from engine.evaluation.metrics import Cells2
from engine.music.grid import ACCOMPANIMENT
from engine.music.roll import Note, notes_to_roll


def reply(*notes: tuple[int, int], length: int = 24, beats: int = 6) -> Cells2:
    """Notes (beat, pitch)."""
    made = [Note(24 * beat, pitch, length) for beat, pitch in notes]
    cells: Cells2 = notes_to_roll(made, 0, 24 * beats).cells[ACCOMPANIMENT]
    return cells


STEADY = reply(*((beat, pitch) for beat in range(6) for pitch in (60, 64)))
RISING = reply((0, 60), (2, 62), (4, 64))
# Frames {60, 62} and {62, 64}: means 2 apart, both deviations 1, so OA = erfc(2 / (2 sqrt 2)).
RISING_OVERLAP = math.erfc(1 / math.sqrt(2))


def found(cells: Cells2) -> list[float]:
    areas = overlaps(cells)
    assert areas is not None
    return [float(area) for area in areas]


def test_the_same_in_every_frame_overlaps_wholly() -> None:
    assert found(STEADY) == pytest.approx([1.0, 1.0])


def test_two_gaussians_by_hand() -> None:
    assert found(RISING) == pytest.approx([RISING_OVERLAP, 1.0], abs=1e-5)
    assert pytest.approx(0.3173, abs=1e-4) == RISING_OVERLAP


def test_durations_that_never_vary_and_differ_do_not_overlap() -> None:
    short = reply((0, 60), (1, 64), (2, 60), (3, 64), length=6, beats=8)
    long = reply((4, 60), (5, 64), (6, 60), (7, 64), length=24, beats=8)
    areas = found(short | long)
    # Frames: 4 short; 2 short and 2 long; 4 long. A spike overlaps hardly with a broad one.
    assert areas[1] < 0.001
    assert areas[0] == pytest.approx(1.0)


def test_an_empty_frame_is_left_out() -> None:
    # Frames of beats 0-3, 2-5, 4-7, 6-9, 8-11: of those only the first two have notes.
    assert found(reply((0, 60), (2, 62), (3, 60), beats=12)) is not None
    assert overlaps(reply((0, 60), beats=12)) is None
    assert overlaps(reply()) is None


def test_consistency_is_relative_to_the_truth() -> None:
    same = consistency([RISING, STEADY], [STEADY, RISING])
    assert list(same.values()) == pytest.approx([1.0] * 4)
    other = consistency([RISING], [STEADY])
    assert other["pitch_consistency"] == pytest.approx(RISING_OVERLAP, abs=1e-5)
    assert other["pitch_variance"] == 1.0  # one window each: no variance on either side
    # Mean overlap of the truth is .66, its variance .117; the replies' are 1 and 0.
    steady = consistency([STEADY, STEADY], [STEADY, RISING])
    mean = (1 + RISING_OVERLAP) / 2
    assert steady["pitch_consistency"] == pytest.approx(1 - (1 - mean) / mean, abs=1e-5)
    assert steady["pitch_variance"] == 0.0
    assert steady["duration_consistency"] == pytest.approx(1.0)


def test_no_frames_no_numbers() -> None:
    assert consistency([reply()], [STEADY]) == {}
