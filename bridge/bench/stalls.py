"""Did the machine itself stand still? A look at each processor from outside the daemon.

A process for each core, bound to it, sleeps again and again with the best priority it may have,
and tells when it woke much too late. What it saw, no program on that core could have helped: a
virtual machine's host took the processor away. A figure of lateness means little without it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from types import TracebackType

from bridge.realtime import raise_priority
from bridge.timebase import NS_PER_MS, NS_PER_S

WATCH_EVERY_NS = 4 * NS_PER_MS
"""How often a core is looked at; it costs a fiftieth of its time."""
LEAST_STALL_NS = 5 * NS_PER_MS
"""Shorter ones are not counted."""
_NOTED_NS = NS_PER_MS
"""Nor, shorter than this, noted: of those of 1 to 4 ms the watch sees some."""


class StallMeter:
    """Watches every core while it is open: `with StallMeter() as meter`."""

    def __init__(self) -> None:
        # By reader threads; append only.
        self._found: list[tuple[int, int]] = []
        self._watches: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> StallMeter:
        for core in sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [-1]:
            command = [sys.executable, "-m", "bridge.bench.stalls", str(core)]
            watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self._watches.append(watch)
            assert watch.stdout is not None
            watch.stdout.readline()  # it is up
            reader = threading.Thread(target=self._read, args=(watch,), daemon=True)
            reader.start()
            self._readers.append(reader)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        for watch in self._watches:
            watch.kill()
            watch.wait()
        for reader in self._readers:
            reader.join(timeout=2)

    @property
    def pids(self) -> list[int]:
        """The processes that watch."""
        return [watch.pid for watch in self._watches]

    def take(self, line: str) -> None:
        """Remember what a watch printed: `<when, monotonic ns> <how long, ns>`."""
        at_ns, length_ns = map(int, line.split())
        self._found.append((at_ns, length_ns))

    def longer_than(self, least_ms: float, since_ns: int = 0) -> list[float]:
        """Lengths in ms of the stalls of at least `least_ms` since `since_ns`, on any core."""
        found = [
            length_ns / NS_PER_MS for at_ns, length_ns in list(self._found) if at_ns >= since_ns
        ]
        return [length_ms for length_ms in found if length_ms >= least_ms]

    def stood_still(self, from_ns: int, to_ns: int) -> bool:
        """Say whether one was noted, on any core, that overlaps [from_ns, to_ns]."""
        return any(
            at_ns <= to_ns and from_ns <= at_ns + length_ns
            for at_ns, length_ns in list(self._found)
        )

    def figures(self, since_ns: int = 0) -> dict[str, float]:
        """Return how many there were, and the longest, in ms."""
        found = self.longer_than(LEAST_STALL_NS / NS_PER_MS, since_ns)
        return {"count": len(found), "longest": round(max(found, default=0.0), 1)}

    def _read(self, watch: subprocess.Popen[str]) -> None:
        assert watch.stdout is not None
        with contextlib.suppress(ValueError), watch.stdout:
            for line in watch.stdout:
                self.take(line)


def _watch_core(core: int) -> None:
    """Tell of each stall of `core` as `StallMeter.take` wants it, until killed."""
    if core >= 0:
        os.sched_setaffinity(0, {core})
    raise_priority()
    print("up", flush=True)
    due_ns = time.perf_counter_ns()
    while True:
        due_ns += WATCH_EVERY_NS
        time.sleep(max(0, due_ns - time.perf_counter_ns()) / NS_PER_S)
        now_ns = time.perf_counter_ns()
        if now_ns - due_ns >= _NOTED_NS:
            print(due_ns, now_ns - due_ns, flush=True)
            due_ns = now_ns


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _watch_core(int(sys.argv[1]))
