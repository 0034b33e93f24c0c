"""A thread that hangs is named once each time; one that has ended is the end."""

from __future__ import annotations

import pytest

from bridge.runtime.thread_watch import HUNG_S, ThreadEndedError, ThreadWatch
from bridge.service_thread import Health
from bridge.timebase import NS_PER_S as S


def test_what_hangs_is_named_once_until_it_moves_again() -> None:
    watch = ThreadWatch()
    still = Health("osc", alive=True, turned_ns=0, faults=0)
    assert list(watch.hanging([still], HUNG_S * S)) == []
    assert list(watch.hanging([still], HUNG_S * S + 1)) == ["osc"]
    assert list(watch.hanging([still], 99 * S)) == []
    moved = Health("osc", alive=True, turned_ns=100 * S, faults=0)
    assert list(watch.hanging([moved], 101 * S)) == []
    assert list(watch.hanging([moved], 200 * S)) == ["osc"]


def test_a_thread_that_has_ended_is_an_error() -> None:
    ended = Health("outbox", alive=False, turned_ns=0, faults=3)
    with pytest.raises(ThreadEndedError, match="the outbox thread has ended"):
        list(ThreadWatch().hanging([ended], 0))
