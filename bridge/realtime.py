"""Waking on time: a thread's priority and a precise wait. Knows nothing of MIDI."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time

from bridge.inbox import Wake
from bridge.timebase import NS_PER_S

REALTIME_PRIORITY = 20
"""Above everything ordinary, below JACK's own threads (60 to 80 where they are real-time)."""
HELPER_PRIORITY = 10
"""For the threads that share Python's lock with the transport. Were they ordinary, another program
could take the processor from the one that holds the lock, and the transport would wait for both:
22 ms were seen with every core busy."""
_NICE = -10
_RTKIT_S = 1.0
_RTTIME_US = 200_000
"""What rtkit allows at most, by default."""
_FINE_NS = 300_000
"""The last part of a wait, in which a wake is not looked for."""
_AWAKE_NS = 120_000
"""The very last part of a wait, in which the thread stays awake, without Python's lock."""
_LONGEST_WAIT_NS = NS_PER_S

_PR_SET_TIMERSLACK = 29
_RESET_ON_FORK = getattr(os, "SCHED_RESET_ON_FORK", 0)
_NAME = "org.freedesktop.RealtimeKit1"
_RTKIT = ("call", _NAME, "/org/freedesktop/RealtimeKit1", _NAME)


def raise_priority(priority: int = REALTIME_PRIORITY) -> str:
    """Give the calling thread the best priority it may have, and say in words which that is.

    Tried in this order: SCHED_RR by right, SCHED_RR by leave of rtkit (as desktops' audio servers
    get theirs), a lower nice value. What the thread starts has normal priority again.
    """
    if sys.platform.startswith("linux"):
        # Linux lets ordinary threads' timers run up to 50 us late unless asked not to.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    if hasattr(os, "sched_setscheduler"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | _RESET_ON_FORK, os.sched_param(priority))
            return f"real-time (SCHED_RR {priority})"
    if sys.platform.startswith("linux"):
        if _ask_rtkit(priority):
            return f"real-time (SCHED_RR {priority}, by rtkit)"
        with contextlib.suppress(OSError):  # "process" means one thread here
            os.sched_setscheduler(0, os.SCHED_OTHER | _RESET_ON_FORK, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
            return f"raised (nice {_NICE})"
    return "normal"


def _ask_rtkit(priority: int) -> bool:
    """Have the RealtimeKit service make the calling thread real-time, where there is one.

    It wants RLIMIT_RTTIME set: a real-time thread that does not wait for so long ends the process.
    """
    import resource

    busctl = shutil.which("busctl")
    if busctl is None:
        return False
    _, most_us = resource.getrlimit(resource.RLIMIT_RTTIME)
    limit_us = _RTTIME_US if most_us == resource.RLIM_INFINITY else min(_RTTIME_US, most_us)
    ids = (str(os.getpid()), str(threading.get_native_id()), str(priority))
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, (limit_us, limit_us))
        done = subprocess.run(
            [busctl, "--system", *_RTKIT, "MakeThreadRealtimeWithPID", "ttu", *ids],
            capture_output=True,
            timeout=_RTKIT_S,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def wait_until(due_ns: int | None, wake: Wake) -> None:
    """Return when `due_ns` has come, `wake` was set, or a second has passed.

    Measured over 400 waits beside two busy processes (2 cores, SCHED_RR): late by 0.01 ms at the
    median and 0.03 ms at p99; `select` alone 0.03 and 0.08. Never spins with Python's lock held.
    """
    now_ns = time.perf_counter_ns()
    end_ns = now_ns + _LONGEST_WAIT_NS if due_ns is None else min(due_ns, now_ns + _LONGEST_WAIT_NS)
    # With little time left this only looks whether the wake is set.
    if wake.wait(max(0, end_ns - _FINE_NS - now_ns) / NS_PER_S):
        return
    sleep_until(end_ns)


def sleep_until(end_ns: int) -> None:
    """Return when `end_ns` has come: a short wait, by ever shorter sleeps.

    At the end it only lets go of Python's lock and looks again: a thread that slept wakes late.
    """
    while (left_ns := end_ns - time.perf_counter_ns()) > 0:
        time.sleep(left_ns / 2 / NS_PER_S if left_ns > _AWAKE_NS else 0)
