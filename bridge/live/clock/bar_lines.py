"""How a new meter or a downbeat by hand moves the bar lines."""

from __future__ import annotations

from engine.music.grid import Meter, MeterMap


class BarLines:
    """The meter asked for last, and the MeterMap it and its forerunners make.

    MIDI clock carries no meter, so bars behind stay where they were only while the song runs on.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.meters = MeterMap(((0, meter),))

    def reset(self) -> None:
        """One meter throughout, counted from song position 0."""
        self.meters = MeterMap(((0, self.meter),))

    def jump(self, step: int) -> None:
        """Go on at `step`. Back before the last change, the meter asked for last is
        what the player wants."""
        if step <= 0 or step < self.meters.changes[-1][0]:
            self.reset()

    def change(self, meter: Meter, step: int) -> None:
        """`meter` from the first bar line after `step` on; what was to come there is forgotten."""
        self.meter = meter
        begun = tuple(change for change in self.meters.changes if change[0] <= step)
        self.meters = MeterMap(begun or self.meters.changes[:1])
        if self._in_force() != meter:
            _, end = self.meters.bar_span(step)
            self._add(end)

    def anchor(self, step: int) -> None:
        """Begin a bar of the meter asked for last at `step`, whatever was there."""
        on_line = self.meters.bar_span(step)[0] == step
        if not (on_line and step >= self.meters.changes[-1][0] and self._in_force() == self.meter):
            self._add(step)

    def _in_force(self) -> Meter:
        return self.meters.changes[-1][1]

    def _add(self, step: int) -> None:
        behind = (change for change in self.meters.changes if change[0] < step)
        self.meters = MeterMap((*behind, (step, self.meter)))
