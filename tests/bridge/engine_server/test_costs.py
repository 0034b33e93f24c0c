from __future__ import annotations

from bridge.engine_server.costs import BELIEVED_NS, BatchCosts


def test_nothing_is_known_at_first() -> None:
    assert BatchCosts().likely_ns("a", 1, 0) == 0


def test_a_size_that_was_measured_takes_as_long_again() -> None:
    costs = BatchCosts()
    costs.took("a", 2, 100, 5)
    assert costs.likely_ns("a", 2, 5) == 100
    assert costs.likely_ns("b", 2, 5) == 0


def test_more_take_no_less_than_fewer_and_fewer_no_less_than_their_share() -> None:
    costs = BatchCosts()
    costs.took("a", 4, 100, 5)
    assert [costs.likely_ns("a", size, 5) for size in (1, 2, 8)] == [25, 50, 100]
    costs.took("a", 1, 40, 6)
    assert [costs.likely_ns("a", size, 6) for size in (1, 2, 8)] == [40, 50, 100]


def test_one_hiccup_says_nothing_and_several_do() -> None:
    costs = BatchCosts()
    costs.took("a", 1, 40, 0)
    costs.took("a", 1, 900, 1)
    assert costs.likely_ns("a", 1, 1) == 40
    for now_ns in range(2, 5):
        costs.took("a", 1, 900, now_ns)
    assert costs.likely_ns("a", 1, 5) == 900


def test_an_old_time_is_not_believed_nor_mixed_with_new_ones() -> None:
    costs = BatchCosts()
    costs.took("a", 1, 40, 0)
    assert costs.likely_ns("a", 1, BELIEVED_NS) == 40
    assert costs.likely_ns("a", 1, BELIEVED_NS + 1) == 0
    costs.took("a", 1, 900, BELIEVED_NS + 2)
    assert costs.likely_ns("a", 1, BELIEVED_NS + 2) == 900


def test_of_many_cohorts_the_latest_are_kept() -> None:
    costs = BatchCosts()
    for cohort in range(1000):
        costs.took(cohort, 1, 40, 0)
        costs.took("regular", 1, 40, 0)
    assert costs.likely_ns("regular", 1, 0) == 40
    assert sum(costs.likely_ns(cohort, 1, 0) > 0 for cohort in range(1000)) == 63
