from __future__ import annotations

from bridge.engine_link.probation import (
    FEW,
    FIRST_PAUSE_NS,
    LONGEST_PAUSE_NS,
    MANY,
    STEADY_NS,
    Probation,
)


def passes(probation: Probation, now_ns: int) -> int:
    """How many probes it takes until it is well."""
    count = 0
    while not probation.well:
        count += 1
        probation.passed(count, now_ns)
    return count


def test_a_server_is_well_after_a_few_answers_in_a_row() -> None:
    probation = Probation()
    probation.passed(5, 0)
    probation.passed(5, 0)
    probation.failed(0)  # so it begins anew
    assert passes(probation, 0) == FEW
    assert probation.middle_ns == 2


def test_one_that_fails_again_and_again_must_show_more_each_time() -> None:
    probation, needed = Probation(), []
    for now_ns in range(6):
        needed.append(passes(probation, now_ns))
        probation.failed(now_ns)
    assert needed == [3, 6, 12, MANY, MANY, MANY]


def test_one_that_was_well_for_long_is_trusted_as_at_first() -> None:
    probation = Probation()
    passes(probation, 0)
    probation.failed(1)
    assert passes(probation, 2) == 2 * FEW
    probation.failed(2 + STEADY_NS + 1)
    assert passes(probation, 0) == FEW


def test_a_server_that_goes_on_failing_is_asked_less_and_less() -> None:
    probation, pauses = Probation(), []
    passes(probation, 0)
    for _ in range(6):
        probation.failed(0)
        pauses.append(probation.pause_ns)
    assert pauses == [min(FIRST_PAUSE_NS << i, LONGEST_PAUSE_NS) for i in range(6)]
    probation.passed(5, 0)
    assert probation.pause_ns == FIRST_PAUSE_NS


def test_failing_while_unwell_asks_for_no_more_answers() -> None:
    probation = Probation()
    for _ in range(5):
        probation.failed(0)
    assert passes(probation, 0) == FEW
    assert Probation().middle_ns == 0
