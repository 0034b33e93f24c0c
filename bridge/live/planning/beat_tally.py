"""Counting beats, so that silence cannot pass for success. Knows nothing of MIDI."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum

_FRESH_STEPS = 4 * 24
"""A plan decided at most four beats before a beat is fresh there."""


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


class BeatTally:
    """Books of the beats of the reply. Owner: the transport thread.

    last: how the last beat went, empty after a jump.
    """

    def __init__(self) -> None:
        self.counts = BeatCounts()
        self.last = ""
        self._origins: dict[int, tuple[Origin, int]] = {}
        self._begun_without: set[int] = set()

    def covered(self, beat_step: int, origin: Origin, decided_step: int) -> None:
        """Note that part of the beat at `beat_step` is from `origin`. The best one counts."""
        known = self._origins.get(beat_step)
        if known is None and origin is Origin.NOTHING:
            self._begun_without.add(beat_step)
        better = known is None or (known[0] is not Origin.PLAN and origin is not Origin.NOTHING)
        if better:
            self._origins[beat_step] = (origin, decided_step)
        while len(self._origins) > 256:
            del self._origins[next(iter(self._origins))]
        if len(self._begun_without) > 256:
            self._begun_without.clear()

    def close(self, beat_step: int, sounded: bool, missed: int) -> str:
        """Count a beat that is over, and say as what."""
        origin, decided = self._origins.pop(beat_step, (Origin.NOTHING, 0))
        without = beat_step in self._begun_without
        self._begun_without.discard(beat_step)
        if missed:
            how = "late"
        elif not sounded:
            how = "rest" if origin is Origin.NOTHING or without else "silent"
        elif origin is Origin.PLAN and beat_step - decided <= _FRESH_STEPS:
            how = "fresh"
        else:
            how = "stale"
        setattr(self.counts, how, getattr(self.counts, how) + 1)
        self.last = how
        return how

    def forget(self) -> None:
        """Forget the beat under way: after a jump or stop it is not counted."""
        self._origins.clear()
        self._begun_without.clear()
        self.last = ""
