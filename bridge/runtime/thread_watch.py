"""Do the daemon's threads still move? What nothing should end, and what hangs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from bridge.service_thread import Health
from bridge.timebase import NS_PER_S

HUNG_S = 10
"""A thread whose turn takes so long hangs; that is said, once."""


class WatchedThread(Protocol):
    """A part of the daemon with a thread of its own; None while that is not to be there."""

    @property
    def health(self) -> Health | None:
        """How its thread does."""
        ...


class ThreadEndedError(Exception):
    """A thread of the daemon has ended by itself; the message is one line."""


class ThreadWatch:
    """Remembers which threads hang, so that each time is told once."""

    def __init__(self) -> None:
        self._hung: set[str] = set()

    @property
    def all_move(self) -> bool:
        """Did every thread make a turn lately, by the last look?"""
        return not self._hung

    def hanging(self, healths: Iterable[Health], now_ns: int) -> Iterator[str]:
        """Yield names of threads that hang since the last look. Raises ThreadEndedError."""
        for health in healths:
            if not health.alive:
                raise ThreadEndedError(f"the {health.name} thread has ended; leaving")
            hangs = now_ns - health.turned_ns > HUNG_S * NS_PER_S
            if hangs and health.name not in self._hung:
                self._hung.add(health.name)
                yield health.name
            elif not hangs:
                self._hung.discard(health.name)
