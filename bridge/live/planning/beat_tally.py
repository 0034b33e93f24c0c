"""Counting beats, so that silence cannot pass for success. Knows nothing of MIDI."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import NamedTuple

FRESH_STEPS = 4 * 24
"""A plan decided at most four beats before a beat is fresh there."""
KEPT_BEATS = 256
"""Beats begun and not closed that are remembered: after jumps some never are."""


class Origin(Enum):
    """Where the notes of a beat come from. MEMORY: what we played here on an earlier pass."""

    PLAN = "plan"
    MEMORY = "memory"
    NOTHING = "nothing"


@dataclass(slots=True)
class BeatCounts:
    """Beats by how they went; every beat of a reply is exactly one of these.

    fresh: from a plan at most 4 beats old. stale: from an older one, or from memory. rest: no plan
    covered it, nothing to play. late: notes missed their moment. silent: the plan chose silence.
    """

    fresh: int = 0
    stale: int = 0
    rest: int = 0
    late: int = 0
    silent: int = 0

    @property
    def beats(self) -> int:
        """All beats counted."""
        return sum(getattr(self, row.name) for row in fields(self))


class _Source(NamedTuple):
    """Where a beat's notes come from. begun_without: its first part came from nothing."""

    origin: Origin
    decided_step: int
    begun_without: bool


_UNKNOWN = _Source(Origin.NOTHING, 0, True)


class BeatTally:
    """Books of the beats of the reply. Owner: the transport thread.

    last: how the last beat went, empty after a jump.
    """

    def __init__(self) -> None:
        self.counts = BeatCounts()
        self.last = ""
        self._sources: dict[int, _Source] = {}

    def covered(self, beat_step: int, origin: Origin, decided_step: int) -> None:
        """Note that part of the beat at `beat_step` is from `origin`. The best one counts."""
        known = self._sources.get(beat_step)
        if known is None:
            self._sources[beat_step] = _Source(origin, decided_step, origin is Origin.NOTHING)
        elif known.origin is not Origin.PLAN and origin is not Origin.NOTHING:
            self._sources[beat_step] = _Source(origin, decided_step, known.begun_without)
        if len(self._sources) > KEPT_BEATS:
            del self._sources[next(iter(self._sources))]

    def close(self, beat_step: int, sounded: bool, missed: int) -> str:
        """Count a beat that is over, and say as what."""
        source = self._sources.pop(beat_step, _UNKNOWN)
        if missed:
            how = "late"
        elif not sounded:
            how = "rest" if source.begun_without else "silent"
        elif source.origin is Origin.PLAN and beat_step - source.decided_step <= FRESH_STEPS:
            how = "fresh"
        else:
            how = "stale"
        setattr(self.counts, how, getattr(self.counts, how) + 1)
        self.last = how
        return how

    def forget(self) -> None:
        """Forget the beat under way: after a jump or stop it is not counted."""
        self._sources.clear()
        self.last = ""
