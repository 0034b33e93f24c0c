"""Where the song is: playing or not, the line of position over time, and the bar lines.

Knows nothing of what moves it; that is `bridge.live.clock.transport`.
"""

from __future__ import annotations

import math
from enum import Enum

from bridge.live.clock.bar_lines import BarLines
from bridge.live.clock.time_map import TimeMap
from bridge.timebase import NS_PER_S
from engine.music.grid import STEPS_PER_BEAT, Meter, MeterMap


class TransportState(Enum):
    """STOPPED; WAITING: a MIDI clock runs but no Start came; PLAYING."""

    STOPPED = "stopped"
    WAITING = "waiting"
    PLAYING = "playing"


class TransportEvent(Enum):
    """What a call changed.

    STARTED comes with the first clock after Start or Continue, since that clock is the position:
    `start` itself returns nothing, `clock_pulse` does. REANCHORED: bar lines moved, time did not.
    TWO_CLOCKS: two MIDI clocks seem to come in.
    """

    STARTED = "started"
    STOPPED = "stopped"
    JUMPED = "jumped"
    FREEWHEEL = "freewheel"
    CLOCK_BACK = "clock-back"
    WAITING = "waiting"
    REANCHORED = "reanchored"
    TWO_CLOCKS = "two-clocks"


def steps_per_ns(bpm: float) -> float:
    """Tempo as a rate. Raises ValueError unless `bpm` is a finite number above 0."""
    if not (math.isfinite(bpm) and bpm > 0):
        raise ValueError(f"tempo {bpm!r}: want more than 0 bpm")
    return bpm * STEPS_PER_BEAT / 60 / NS_PER_S


class Playhead:
    """State, position, bar lines. Owner: the transport thread.

    Positions handed out earlier stop being true at a start, a stop, a jump or a seek.
    new_song: whether the last start or jump began a new song, rather than going on in this one.
    """

    def __init__(self, tempo_bpm: float, meter: Meter) -> None:
        self.state = TransportState.STOPPED
        self.new_song = False
        self._bars = BarLines(meter)
        self._map = TimeMap(steps_per_ns(tempo_bpm))
        self._held_ns: int | None = None  # since when it stands still
        self._held_step = 0.0

    @property
    def meters(self) -> MeterMap:
        """Bar lines, in absolute steps."""
        return self._bars.meters

    @property
    def playing(self) -> bool:
        """True in the state PLAYING."""
        return self.state is TransportState.PLAYING

    def position_steps(self, now_ns: int) -> float:
        """Absolute steps at `now_ns`. Rises while playing, stands still while not.

        Instants before the last start or jump are counted back from it, so that notes which came
        just ahead of Start have a place.
        """
        if self.playing or (self._held_ns is not None and now_ns < self._held_ns):
            return self._map.position(now_ns)
        return self._held_step

    def ns_at(self, step: float) -> int:
        """Return when `step` was or will be reached at the tempo of now: inverse of
        `position_steps` while playing."""
        return self._map.ns_at(step)

    def _play_from(self, now_ns: int, step: float, rate: float, new_song: bool) -> TransportEvent:
        """Play on the line through (`now_ns`, `step`): STARTED, or JUMPED if it played before."""
        self.new_song = new_song
        event = TransportEvent.JUMPED if self.playing else TransportEvent.STARTED
        self.state = TransportState.PLAYING
        self._map.reset(now_ns, step, rate)
        return event

    def _hold(self, now_ns: int, step: float) -> None:
        """Stand still at `step`."""
        self._held_ns, self._held_step = now_ns, step
