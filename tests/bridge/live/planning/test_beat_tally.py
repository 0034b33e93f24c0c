"""Beats counted by how they went."""

from __future__ import annotations

from bridge.live.planning.beat_tally import BeatCounts, BeatTally, Origin


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
