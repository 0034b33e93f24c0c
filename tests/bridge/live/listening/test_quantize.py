"""Where played notes are heard."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.live.listening.quantize import (
    GRIDS,
    early_steps,
    quantize,
    quantize_end,
    quantize_in_bar,
    quantize_onset,
)
from bridge.settings.parameters import BY_NAME
from engine.music.grid import Meter, MeterMap

FOUR = MeterMap()
SEVEN = MeterMap(((0, Meter(7, 8)),))
CUT = MeterMap(((0, Meter(4, 4)), (50, Meter(4, 4))))

anywhere = st.floats(-2000, 2000, allow_nan=False)
grids = st.sampled_from(sorted(GRIDS))


def test_there_is_a_grid_for_every_choice_of_the_parameter() -> None:
    assert set(GRIDS) == set(BY_NAME["input_quantize"].choices)


@pytest.mark.parametrize(
    ("step", "grid", "line"),
    [
        (0.0, "16", 0), (2.9, "16", 0), (3.0, "16", 6), (3.1, "16", 6), (-2.9, "16", 0),
        (-3.1, "16", -6), (23.0, "16", 24), (47.4, "16", 48),
        (6.9, "16+triplet", 6), (7.0, "16+triplet", 6), (7.1, "16+triplet", 8),
        (15.0, "16+triplet", 16), (17.0, "16+triplet", 18), (16.9, "16+triplet", 16),
        (32.2, "16+triplet", 32), (-8.3, "16+triplet", -8), (4.0, "16+triplet", 6),
        (5.9, "8", 0), (6.0, "8", 12), (18.1, "8", 24),
        (7.4, "off", 7), (7.5, "off", 8), (-0.4, "off", 0), (23.6, "off", 24),
    ],
)  # fmt: skip
def test_nearest_line(step: float, grid: str, line: int) -> None:
    assert quantize(step, grid) == line


def test_an_unknown_grid_is_an_error() -> None:
    with pytest.raises(KeyError):
        quantize(0.0, "32")


@given(anywhere, grids)
def test_no_line_is_nearer_and_lines_stay(step: float, grid: str) -> None:
    line = quantize(step, grid)
    beat = 24 * math.floor(step / 24)
    every = [beat + k for k in (*GRIDS[grid], 24)]
    assert line in every
    assert abs(line - step) == min(abs(k - step) for k in every)
    assert quantize(float(line), grid) == line


def test_forty_five_milliseconds_in_steps() -> None:
    assert early_steps(120) == pytest.approx(2.16)
    assert early_steps(60) == pytest.approx(1.08)
    assert early_steps(400) == 5.0


@pytest.mark.parametrize(
    ("step", "grid", "bpm", "meters", "line"),
    [
        (94.96, "off", 120, FOUR, 96),  # Ardour's 21.7 ms at 120 bpm: more than one step
        (93.85, "off", 120, FOUR, 96),  # 44.8 ms
        (93.8, "off", 120, FOUR, 94),  # 45.8 ms
        (93.8, "16", 120, FOUR, 96),  # nearest anyway
        (92.9, "16", 120, FOUR, 90),
        (89.0, "8", 120, FOUR, 84),
        (191.0, "off", 60, FOUR, 192),
        (47.0, "off", 120, FOUR, 47),  # a beat is not a bar line
        (-1.0, "off", 120, FOUR, 0),
        (83.0, "off", 120, SEVEN, 84),
        (84.0, "8", 120, SEVEN, 84),  # the grid counts from the bar line
        (91.0, "16+triplet", 120, SEVEN, 90),
        (48.5, "off", 120, CUT, 50),  # a bar cut short ends where the next begins
        (57.0, "16", 120, CUT, 56),
        (90.0, "16", 400, FOUR, 90),  # the bar's last sixteenth, 37 ms before the line
    ],
)
def test_onset(step: float, grid: str, bpm: float, meters: MeterMap, line: int) -> None:
    assert quantize_onset(step, grid, meters, bpm) == line


@given(anywhere, grids, st.floats(20, 400), st.sampled_from([FOUR, SEVEN, CUT]))
def test_an_onset_moves_little_and_never_across_a_line_backwards(
    step: float, grid: str, bpm: float, meters: MeterMap
) -> None:
    line = quantize_onset(step, grid, meters, bpm)
    assert abs(line - step) <= 6
    assert line >= meters.bar_span(math.floor(step))[0], "never into the bar before"


@pytest.mark.parametrize(
    ("end", "onset", "grid", "following", "line"),
    [
        (23.0, 0, "16", None, 24),
        (20.2, 0, "16", None, 18),
        (2.0, 0, "16", None, 2),  # shorter than the grid: keeps its length
        (0.2, 0, "16", None, 1),
        (-3.0, 0, "16", None, 1),  # let go before the line it was moved to
        (27.5, 0, "16", 24, 24),  # legato: held a little into the next
        (20.0, 0, "8", 24, 24),
        (19.9, 0, "8", 24, 24),  # nearest line
        (14.0, 0, "8", 24, 12),
        (30.0, 0, "16", 24, 30),  # a real overlap stays
        (30.0, 24, "16", 24, 30),  # a chord: its other notes do not follow it
        (15.3, 0, "off", None, 15),
        (15.6, 0, "16+triplet", None, 16),
    ],
)
def test_end(end: float, onset: int, grid: str, following: int | None, line: int) -> None:
    assert quantize_end(end, onset, grid, FOUR, following) == line


@given(anywhere, st.integers(-500, 500), grids, st.none() | st.integers(-500, 500))
def test_every_note_has_a_length(end: float, onset: int, grid: str, following: int | None) -> None:
    assert quantize_end(end, onset, grid, FOUR, following) > onset


@given(anywhere, grids)
def test_in_a_bar_from_zero_both_agree(step: float, grid: str) -> None:
    assert quantize_in_bar(step, grid, FOUR) == quantize(step, grid)


def test_the_edges_of_what_is_early_short_or_in_a_tiny_bar() -> None:
    bars, tiny = MeterMap(), MeterMap(((0, Meter(3, 32)),))
    assert early_steps(300.0) == 5.0
    assert quantize_onset(91.0, "off", bars, 300.0) == 96
    assert quantize_onset(90.9, "off", bars, 300.0) == 91
    assert quantize_in_bar(8.5, "16", tiny) == 6, "a bar of nine steps"
    assert quantize_end(26.6, 24, "16", bars) == 27
    assert quantize_end(24.2, 24, "16", bars) == 25
