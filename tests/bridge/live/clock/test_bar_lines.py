"""Where bars lie after a new meter, a downbeat by hand, or a jump."""

from __future__ import annotations

import pytest

from bridge.live.clock.bar_lines import BarLines
from engine.music.grid import Meter

FOUR, THREE = Meter(4, 4), Meter(3, 4)


def lines(bars: BarLines) -> list[tuple[int, Meter]]:
    return list(bars.meters.changes)


def changed() -> BarLines:
    """4/4, then 3/4 from step 192 on."""
    bars = BarLines(FOUR)
    bars.change(THREE, 100)
    assert lines(bars) == [(0, FOUR), (192, THREE)]
    return bars


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        (192, ((0, FOUR), (192, THREE))),
        (500, ((0, FOUR), (192, THREE))),
        (191, ((0, THREE),)),  # back: the meter asked for last is what is wanted
        (0, ((0, THREE),)),
        (-5, ((0, THREE),)),
    ],
)
def test_a_jump_keeps_what_lies_behind_it(
    step: int, changes: tuple[tuple[int, Meter], ...]
) -> None:
    bars = changed()
    bars.jump(step)
    assert lines(bars) == list(changes)


def test_a_start_from_the_top_forgets_lines_that_were_moved() -> None:
    bars = BarLines(FOUR)
    bars.anchor(-10)
    bars.jump(0)
    assert lines(bars) == [(0, FOUR)]


def test_a_meter_asked_for_twice_changes_once() -> None:
    bars = changed()
    bars.change(THREE, 300)
    assert lines(bars) == [(0, FOUR), (192, THREE)]
    bars.change(FOUR, 192)
    assert lines(bars) == [(0, FOUR), (192, THREE), (264, FOUR)]
    bars.change(FOUR, 150)
    assert lines(bars) == [(0, FOUR)], "what was to come is forgotten"


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        (264, ((0, FOUR), (192, THREE))),  # on a line already
        (192, ((0, FOUR), (192, THREE))),
        (270, ((0, FOUR), (192, THREE), (270, THREE))),
        (96, ((0, FOUR), (96, THREE))),  # a line of another meter
    ],
)
def test_a_downbeat_begins_a_bar_of_the_meter_asked_for_last(
    step: int, changes: tuple[tuple[int, Meter], ...]
) -> None:
    bars = changed()
    bars.anchor(step)
    assert lines(bars) == list(changes)
