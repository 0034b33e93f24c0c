from __future__ import annotations

import subprocess
import sys
import time

import pytest

from bridge.bench.stalls import LEAST_STALL_NS, WATCH_EVERY_NS, StallMeter
from bridge.client.rig import wait_for


def test_a_watch_tells_how_long_it_was_stopped_and_since_when() -> None:
    meter = StallMeter()
    for line in ("1000 6000000", "2000 25000000", "3000 19999999"):
        meter.take(line)
    assert meter.longer_than(20) == [25.0]
    assert meter.longer_than(5, since_ns=2000) == [25.0, 19.999999]
    assert meter.figures() == {"count": 3, "longest": 25.0}
    assert meter.figures(3001) == {"count": 0, "longest": 0.0}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")
def test_a_core_that_stands_still_is_seen() -> None:
    """A real watch, stopped for a fifth of a second: what a host does to a virtual machine."""
    with StallMeter() as meter:
        assert meter.pids
        since_ns = time.perf_counter_ns()
        for signal in ("-STOP", "-CONT"):
            subprocess.run(["kill", signal, str(meter.pids[0])], check=True)
            time.sleep(0.2)
        wait_for(lambda: bool(meter.longer_than(150, since_ns - WATCH_EVERY_NS)), 5, "the stall")
    (length_ms,) = meter.longer_than(150, since_ns - WATCH_EVERY_NS)
    assert length_ms < 5000
    assert LEAST_STALL_NS > WATCH_EVERY_NS


def test_it_ends_its_watches() -> None:
    with StallMeter() as meter:
        pids = meter.pids
    for pid in pids:
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.run(["kill", "-0", str(pid)], check=True, capture_output=True)
