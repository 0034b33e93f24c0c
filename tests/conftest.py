"""Tests that depend on the wall clock are played again where the machine itself stood still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from bridge.bench.stalls import StallMeter
from tests.steady import Watch

TRIES = 4
"""How often a test is played at most while the machine stands still."""
LIVE = Path(__file__).parent / "live"
WATCH = Watch()

# By default an input that takes 200 ms fails its test: on a machine that stands still, any.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Play a test again that failed while the machine stood still; pytest counts it as a rerun.

    All of tests/live, and what is marked `real_time`. Not those of `make stage`, which are too
    long for that and tell how long it stood still.
    """
    again = pytest.mark.flaky(reruns=TRIES - 1, condition=WATCH.stood_still)
    for item in items:
        in_time = LIVE in item.path.parents or "real_time" in item.keywords
        if in_time and "stage" not in item.keywords:
            item.add_marker(again)


@pytest.fixture(scope="session")
def meter() -> Iterator[StallMeter]:
    """Tells when the machine itself stood still."""
    with StallMeter() as watching:
        yield watching


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest) -> None:
    """What stands still from now on counts for the test under way."""
    if request.node.get_closest_marker("flaky"):
        WATCH.begin(request.getfixturevalue("meter"))
