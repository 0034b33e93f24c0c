from __future__ import annotations

from dataclasses import replace

import pytest

from engine.requests.cohort import cohort_of
from engine.requests.request import PlanRequest, SampleSettings

ONE = PlanRequest(1, 0, 96, (), ())


@pytest.mark.parametrize(
    "settings", [SampleSettings(seed=5), SampleSettings(style="hymn", low=40, voices=2)]
)
def test_players_who_differ_in_seed_style_or_register_share_a_batch(
    settings: SampleSettings,
) -> None:
    other = PlanRequest(7, 240, 336, (), (), settings=settings)
    assert cohort_of(other) == cohort_of(ONE)


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, end_step=120),
        replace(ONE, ends=True),
        replace(ONE, settings=SampleSettings(steps=3)),
        replace(ONE, settings=SampleSettings(temperature=0.5)),
    ],
)
def test_another_length_or_loop_is_another_batch(other: PlanRequest) -> None:
    assert cohort_of(other) != cohort_of(ONE)
