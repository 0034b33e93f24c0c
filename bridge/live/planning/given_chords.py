"""Chords that the musician gave for places of the song: known cells of the harmony plan.

Knows nothing of the engine's answers. Owner: the transport thread.
"""

from __future__ import annotations

from bridge.live.listening.note_memory import LoopRegion
from bridge.live.planning.beat_lines import BeatLines
from engine.music.chord_names import Chord
from engine.requests.lead_sheet import cells_of_chord
from engine.requests.request import ChordCell

MOST_GIVEN = 4096


class GivenChords:
    """Each holds from its place to the next in its bar, or to the bar's end."""

    def __init__(self) -> None:
        self._bars: dict[int, dict[int, Chord]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._bars.values()))

    def give(self, bar: int, offset_steps: int, chord: Chord) -> bool:
        """Return a chord for bar number `bar`; False where there are MOST_GIVEN already."""
        here = self._bars.setdefault(bar, {})
        if offset_steps not in here and len(self) >= MOST_GIVEN:
            return False
        here[offset_steps] = chord
        return True

    def take_back(self, bar: int, offset_steps: int) -> bool:
        """Forget the chord given for that place; False where there was none."""
        return self._bars.get(bar, {}).pop(offset_steps, None) is not None

    def clear(self) -> None:
        """Forget them all."""
        self._bars.clear()

    def cells(
        self, first_step: int, end_step: int, bars: BeatLines, region: LoopRegion | None
    ) -> list[ChordCell]:
        """Return what was given for the bars in [first_step, end_step), in song steps.

        In a loop the bars of every pass are those of the first.
        """
        found: list[ChordCell] = []
        if not self._bars:
            return found
        line, end = bars.bar(first_step)
        while line < end_step:
            number = bars.number(region(line) if region else line)
            given = sorted(self._bars.get(number, {}).items())
            stops = [*(line + offset for offset, _ in given[1:]), end]
            for (offset, chord), stop in zip(given, stops, strict=False):
                found += cells_of_chord(chord, line + offset, min(stop, end))
            line, end = bars.bar(end)
        return [cell for cell in found if cell.first_step < cell.end_step]
