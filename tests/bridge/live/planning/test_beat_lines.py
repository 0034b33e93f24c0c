"""Beats and bars, looked up fast."""

from __future__ import annotations

import pytest

from bridge.live.planning.beat_lines import BeatLines
from engine.music.grid import Meter, MeterMap


def test_beat_lines_of_a_song_with_changing_meters() -> None:
    bars = BeatLines(MeterMap(((0, Meter(4, 4)), (96, Meter(7, 8)), (264, Meter(3, 4)))))
    lines, step = [0], 0
    while step < 340:
        step = bars.next_beat(step)
        lines.append(step)
    assert lines == [0, 24, 48, 72, 96, 120, 144, 168, 180, 204, 228, 252, 264, 288, 312, 336, 360]
    assert [bars.number(s) for s in (0, 95, 96, 180, 264)] == [1, 1, 2, 3, 4]
    assert (bars.start_of(3), bars.plus(200, -1), bars.plus(200, 2)) == (180, 96, 336)
    assert (bars.bar_line(180), bars.bar_line(181)) == (180, 264)
    assert bars.beat(263) == 252
    assert bars.shifted(96).changes[0][0] == -96


@pytest.mark.parametrize(
    ("left", "step", "place"),
    [
        (288.0, 96, 288),  # a bar line for a bar line
        (286.4, 96, 288),
        (294.0, 96, 288),
        (295.0, 96, None),
        (330.0, 138, 330),
        (330.0, 150, None),
        (400.0, 96, None),  # 3/4 there
    ],
)
def test_the_same_place_of_another_bar_as_long(left: float, step: int, place: int | None) -> None:
    bars = BeatLines(MeterMap(((0, Meter(4, 4)), (384, Meter(3, 4)))))
    assert bars.same_place(left, step) == place


def test_bars_are_looked_up_anew_where_the_lines_moved() -> None:
    bars = BeatLines(MeterMap())
    assert bars.bar(10) == (0, 96)
    bars.use(MeterMap(((0, Meter(3, 4)),)))
    assert bars.bar(10) == (0, 72)


def test_beats_are_counted_from_bar_lines_that_lie_off_them() -> None:
    bars = BeatLines(MeterMap(((0, Meter(3, 16)),)))
    assert [bars.beat(step) for step in (17, 18, 35, 36)] == [0, 18, 18, 36]
    assert [bars.next_beat(step) for step in (17, 18, 35)] == [18, 36, 36]


@pytest.mark.parametrize(
    ("left", "step", "place"),
    [(0.0, 96, 0), (-5.0, 96, 0), (191.0, 96, 192), (100.0, 288, 96), (103.0, 288, None)],
)
def test_the_same_place_may_lie_on_either_side(left: float, step: int, place: int | None) -> None:
    assert BeatLines(MeterMap()).same_place(left, step) == place


@pytest.mark.parametrize(
    ("onset", "bar"),
    [(0, 0), (47, 0), (48, 96), (96, 96), (143, 96), (144, 192), (420, 384), (421, 384)],
)
def test_a_pickup_of_half_a_bar_belongs_to_the_next(onset: int, bar: int) -> None:
    bars = BeatLines(MeterMap(((0, Meter(4, 4)), (384, Meter(7, 8)))))
    assert bars.first_bar_of(onset) == bar
