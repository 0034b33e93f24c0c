"""What was played and answered in some bars, to be kept."""

from __future__ import annotations

from dataclasses import dataclass

from engine.music.grid import MeterMap
from engine.music.roll import Note


@dataclass(frozen=True, slots=True)
class BarsTake:
    """Bars `bars` (first and last number) of a song, as notes in steps from their first line.

    lead, other: of the musician, melody and the rest. reply: ours. label: seed, preset and mode,
    in words.
    """

    bars: tuple[int, int]
    lead: tuple[Note, ...]
    other: tuple[Note, ...]
    reply: tuple[Note, ...]
    meters: MeterMap
    bpm: float
    label: str = ""
