"""A thread of the daemon that nothing ends but its owner: every turn of work is guarded.

Knows nothing of the work. The main thread watches the threads by their `Health`.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from bridge.realtime import HELPER_PRIORITY, raise_priority

TURN_S = 1.0
"""A turn without work returns after so long, so that a thread that hangs shows."""
_FAULT_PAUSE_S = 0.02
"""Pause after a turn that failed, so that a fault that repeats does not spin."""
MOST_LOGGED = 5
"""Tracebacks logged of one thread; beyond it faults are only counted."""

_log = logging.getLogger("midi-diffuse")


@dataclass(frozen=True, slots=True)
class Health:
    """How a thread does. `turned_ns`: when its last turn began (monotonic); 0 before the first."""

    name: str
    alive: bool
    faults: int
    turned_ns: int


class ServiceThread:
    """Repeats `turn` from `start` until `halt`; what a turn raises is counted, and the next comes.

    A turn takes TURN_S at most where there is nothing to do. `begin` and `end` run once, before
    the first turn and after the last, on the thread, and are guarded too.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], object],
        *,
        begin: Callable[[], object] = lambda: None,
        end: Callable[[], object] = lambda: None,
        priority: int = HELPER_PRIORITY,
    ) -> None:
        self.halted = threading.Event()
        self.priority = ""
        self._name = name
        self._turn, self._begin, self._end = turn, begin, end
        self._wanted_priority = priority
        self._faults = 0
        self._turned_ns = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def health(self) -> Health:
        """How it does; safe from any thread."""
        return Health(self._name, self._thread.is_alive(), self._faults, self._turned_ns)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def halt(self) -> None:
        """Ask it to end after the turn under way; its owner wakes it from there."""
        self.halted.set()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for its end; False when that did not come in time. At once if never started."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def tick(self) -> None:
        """Note that the turn under way, which may take as long as it likes, goes on."""
        self._turned_ns = time.perf_counter_ns()

    def _run(self) -> None:
        self.priority = raise_priority(self._wanted_priority)
        self.guarded(self._begin)
        while not self.halted.is_set():
            self.tick()
            if not self.guarded(self._turn):
                self.halted.wait(_FAULT_PAUSE_S)
        self.guarded(self._end)

    def guarded(self, work: Callable[[], object]) -> bool:
        """Do it; False where it failed, which is counted. For the thread itself."""
        try:
            work()
        except Exception:  # whatever it is, it must not end the thread
            self._faults += 1
            if self._faults <= MOST_LOGGED:
                _log.error("fault in the %s thread:\n%s", self._name, traceback.format_exc())
            return False
        return True
