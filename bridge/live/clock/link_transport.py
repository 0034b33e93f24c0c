"""Following an Ableton Link session: its tempo, its beats and bar lines, its start and stop.

A session has a tempo, a phase within the bar, and, where its peers share it, start and stop. It
has no song position: a song begins on the session's bar line. Fed with what a Link peer saw; time
is an argument. Knows nothing of networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bridge.commands import LinkHeard
from bridge.live.clock.midi_transport import SIXTEENTH
from bridge.live.clock.playhead import TransportEvent, TransportState, steps_per_ns
from bridge.live.clock.transport import Transport
from bridge.timebase import NS_PER_MS
from engine.music.grid import STEPS_PER_BEAT, Meter

_GRACE_NS = 50 * NS_PER_MS
"""A Start that comes so soon after a bar line was meant for it: messages take their time."""


class LinkTransport(Transport):
    """A Transport that, while its clock is `link`, goes with a Link session and never leads it.

    The clock alone does not start the song: the session's Start does, or one by hand. Owner: the
    transport thread.
    """

    _seen: LinkHeard | None = None  # the session, while it is there
    _quantum_beats = 4.0  # its bar
    _origin_beats = 0.0  # its beat at song position 0

    def link(self, seen: LinkHeard) -> list[TransportEvent]:
        """Follow the session as it was at `seen.at_ns`; ignored unless the clock is `link`."""
        if self._clock != "link":
            return []
        if not seen.peers:
            self._seen = self._pulse_ns = None
            return self.tick(seen.at_ns)
        events = self.tick(seen.at_ns)
        before, self._seen, self._pulse_ns = self._seen, seen, seen.at_ns
        stopped = before is not None and before.rolling and not seen.rolling
        if stopped:
            return events + (self._halt(seen.at_ns) if self.playing else self._wait())
        if self.playing:
            return events + self._go_with(seen)
        if before is None and seen.rolling:  # its bar is under way
            return [*events, self._roll(seen, 0, math.floor)]
        if seen.rolling and before is not None and not before.rolling:
            return [*events, self._roll(seen, _GRACE_NS, math.ceil)]
        return events + self._wait()

    # -- By hand -----------------------------------------------------------------------------------

    def start_internal(self, now_ns: int, pickup_beats: float = 0.0) -> list[TransportEvent]:
        """Join a session at once, in the bar that is under way, and tell it nothing."""
        if self._clock != "link":
            return super().start_internal(now_ns, pickup_beats)
        self._hear(now_ns)
        if self._seen is None:
            return []
        return [self._roll(self._seen, 0, math.floor)]

    def downbeat(self, now_ns: int) -> list[TransportEvent]:
        """Do as without a session; waiting for its Start, this starts."""
        if self._clock == "link" and self.state is TransportState.WAITING:
            return self.start_internal(now_ns)
        return super().downbeat(now_ns)

    def set_meter(self, meter: Meter, now_ns: int) -> list[TransportEvent]:
        """Set it; a session's bar lines move when it is counted in the new bars, which is soon."""
        if not (self._clock == "link" and self.playing and not self.freewheeling):
            return super().set_meter(meter, now_ns)
        self._bars.meter = meter
        return []

    def set_clock(self, kind: str, now_ns: int | None = None) -> list[TransportEvent]:
        """Set the clock, to and from `link` too.

        To `link`: what plays stops, and waits for a session's Start. From it: plays on at the
        internal tempo, or to `midi` stops. Raises ValueError.
        """
        now_ns = self._latest_ns if now_ns is None else now_ns
        if (kind == "link") == (self._clock == "link"):
            return super().set_clock(kind, now_ns)
        events = super().set_clock("internal", now_ns)
        self._seen = self._pulse_ns = None
        if kind == "link":
            events += self._halt(now_ns)
            self.source, self._stay_stopped = kind, False
        return events + super().set_clock(kind, now_ns)

    # -- Reading -----------------------------------------------------------------------------------

    @property
    def bpm(self) -> float:
        """The session's tempo while it is followed or waited for."""
        return super().bpm if self._seen is None or self._runs_free else self._seen.bpm

    # -- Inside ------------------------------------------------------------------------------------

    def _wait(self) -> list[TransportEvent]:
        if self.state is not TransportState.STOPPED or self._stay_stopped:
            return []
        self.state = TransportState.WAITING
        return [TransportEvent.WAITING]

    def _roll(self, seen: LinkHeard, late_ns: int, snap: Callable[[float], int]) -> TransportEvent:
        """Play; `snap` says from which of the session's bar lines near now the song is counted."""
        rate, at_ns = steps_per_ns(seen.bpm), self._latest_ns
        beat = seen.beat + (at_ns - seen.at_ns) * rate / STEPS_PER_BEAT
        early = beat - late_ns * rate / STEPS_PER_BEAT
        self._quantum_beats = seen.quantum_beats
        self._origin_beats = self._quantum_beats * snap(early / self._quantum_beats)
        self._stay_stopped = self.freewheeling = False
        self._bars.reset()
        return self._play_from(at_ns, STEPS_PER_BEAT * (beat - self._origin_beats), rate, True)

    def _go_with(self, seen: LinkHeard) -> list[TransportEvent]:
        """Follow the session's phase, at the place nearest to where the song was."""
        events = [TransportEvent.CLOCK_BACK] if self.freewheeling else []
        self.freewheeling = False
        rate, at_ns = steps_per_ns(seen.bpm), self._latest_ns
        if seen.quantum_beats != self._quantum_beats:
            self._quantum_beats, self._origin_beats = seen.quantum_beats, 0.0
            self._bars.reset()
            events.append(TransportEvent.REANCHORED)
        place = self._map.position(at_ns)
        step = STEPS_PER_BEAT * (seen.beat - self._origin_beats) + (at_ns - seen.at_ns) * rate
        # Bars off, sessions met, or the bars are new: its beats have other numbers now.
        bars = round((place - step) / (STEPS_PER_BEAT * self._quantum_beats))
        self._origin_beats -= bars * self._quantum_beats
        step += bars * STEPS_PER_BEAT * self._quantum_beats
        # A session tells where it is, to the microsecond: what is farther off is elsewhere.
        if abs(step - place) > SIXTEENTH:
            return [self._play_from(at_ns, step, rate, False), *events]
        self._map.bend(at_ns, step, rate)
        return events
