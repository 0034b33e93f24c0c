"""Beats counted by how they went."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest

from bridge.live.planning.beat_tally import KEPT_BEATS, BeatCounts, BeatTally, Origin


def test_every_beat_is_counted_as_exactly_one_thing() -> None:
    books = BeatTally()
    books.covered(0, Origin.PLAN, -96)
    books.covered(24, Origin.PLAN, -96)
    books.covered(48, Origin.MEMORY, 48)
    books.covered(72, Origin.NOTHING, 72)
    books.covered(96, Origin.PLAN, 90)
    books.covered(120, Origin.NOTHING, 120)
    books.covered(120, Origin.PLAN, 118)
    results = [books.close(0, True, 0), books.close(24, True, 0), books.close(48, True, 0)]
    assert results == ["fresh", "stale", "stale"]
    assert books.close(72, False, 0) == "rest"
    assert books.close(96, False, 0) == "silent"
    assert books.close(120, False, 0) == "rest", "the plan came when the beat had begun"
    assert books.close(144, True, 2) == "late"
    assert books.counts == BeatCounts(fresh=1, stale=2, rest=2, late=1, silent=1)
    assert books.counts.beats == 7


PARTS = [(origin, decided) for origin in Origin for decided in (-96, -97)]
"""Where a part of a beat may come from; a plan is fresh or not."""


@pytest.mark.parametrize("sounded", [True, False])
@pytest.mark.parametrize("missed", [0, 1])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_the_best_origin_of_a_beat_counts(count: int, sounded: bool, missed: int) -> None:
    """Every way in which a beat of so many parts can come about."""
    for parts in product(PARTS, repeat=count):
        assert_best(parts, sounded, missed)


def assert_best(parts: Sequence[tuple[Origin, int]], sounded: bool, missed: int) -> None:
    """By brute force: the first plan, else the last that was remembered, else nothing."""
    books = BeatTally()
    for origin, decided in parts:
        books.covered(0, origin, decided)
    plans = [decided for origin, decided in parts if origin is Origin.PLAN]
    remembered = any(origin is Origin.MEMORY for origin, _ in parts)
    begun_without = bool(parts) and parts[0][0] is Origin.NOTHING
    if missed:
        how = "late"
    elif not sounded:
        how = "rest" if begun_without or not (plans or remembered) else "silent"
    else:
        how = "fresh" if plans and -plans[0] <= 96 else "stale"
    assert books.close(0, sounded, missed) == how
    assert books.close(0, False, 0) == "rest", "counted once"


def test_so_many_beats_begun_are_remembered_and_no_more() -> None:
    for more, how in ((0, "fresh"), (1, "stale")):
        books = BeatTally()
        for beat in range(KEPT_BEATS + more):
            books.covered(24 * beat, Origin.PLAN, 24 * beat)
        assert books.close(0, True, 0) == how
        assert books.close(24, True, 0) == "fresh"


def test_after_a_jump_nothing_is_known_of_the_beats_begun() -> None:
    books = BeatTally()
    books.covered(0, Origin.PLAN, 0)
    books.covered(24, Origin.PLAN, 0)
    assert books.close(24, True, 0) == books.last == "fresh"
    books.forget()
    assert books.last == ""
    assert books.close(0, True, 0) == "stale"
