"""Playing or stopped, tempo, meter, and the song position at any instant of monotonic time.

By MIDI clock (`midi_transport`) or by hand, which is here; time is an argument.
"""

from __future__ import annotations

import math

from bridge.live.clock.midi_transport import SIXTEENTH, MidiTransport, checked_clock
from bridge.live.clock.playhead import TransportEvent, TransportState, steps_per_ns
from bridge.live.clock.tempo import TempoTracker
from engine.music.grid import STEPS_PER_BEAT, Meter

__all__ = ["Transport", "TransportEvent", "TransportState"]


class Transport(MidiTransport):
    """What moves the playhead: MIDI clock, or the internal one. Owner: the transport thread."""

    def start_internal(self, now_ns: int, pickup_beats: float = 0.0) -> list[TransportEvent]:
        """Start, `pickup_beats` before bar 1. While a MIDI clock runs (and `clock` allows) the
        start waits for its next pulse and follows it; `clock` = midi without one: nothing."""
        self._hear(now_ns)
        step = -pickup_beats * STEPS_PER_BEAT
        if self._clock != "internal" and self._alive(now_ns):
            self._arm(now_ns, round(step), True)
            self._joined = True
            return []
        if self._clock == "midi":
            return []
        self._armed = None
        self._stay_stopped = self._midi_stopped = self.freewheeling = self._joined = False
        self.source = "internal"
        self._bars.reset()
        return [self._play_from(now_ns, step, steps_per_ns(self._tempo), True)]

    def stop_internal(self, now_ns: int) -> list[TransportEvent]:
        """Stop, whatever clock plays; a MIDI clock may start it again by Start or Continue."""
        self._hear(now_ns)
        self._armed = None
        return self._halt(now_ns)

    def may_start_on_note(self, now_ns: int) -> bool:
        """Return whether a first note may start the internal clock: not while playing, nor beside a
        live MIDI clock, nor after a MIDI Stop."""
        if self._clock in ("midi", "link") or self.playing:
            return False
        midi = self._midi_stopped or self._armed is not None or self._alive(now_ns)
        return self._clock == "internal" or not midi

    def downbeat(self, now_ns: int) -> list[TransportEvent]:
        """Now is the first beat of a bar.

        Internal clock: the nearest step is moved here. MIDI clock: the nearest sixteenth of the
        song, as a tap by hand is not exact; the nearest pulse if its beats are unknown, because
        no Start came. Waiting for Start, this starts.
        """
        self._hear(now_ns)
        if self.state is TransportState.WAITING:
            return self._join(now_ns)
        if not self.playing:
            return []
        place = self._map.position(now_ns)
        if self._follows and not self._joined:
            step = SIXTEENTH * math.floor(place / SIXTEENTH + 0.5)
        else:
            step = math.floor(place + 0.5)
        if self.source == "internal":
            self._map.bend(now_ns, step, self._map.steps_per_ns)
        self._bars.anchor(step)
        return [TransportEvent.REANCHORED]

    def set_tempo(self, bpm: float, now_ns: int) -> list[TransportEvent]:
        """Set the tempo of the internal and a freewheeling clock. Raises ValueError if not > 0."""
        self._hear(now_ns)
        rate, self._tempo = steps_per_ns(bpm), bpm
        if self._pulse_ns is None:
            self._tracker = TempoTracker(bpm)
        if self._runs_free:
            self._map.turn(self._latest_ns, rate)
        return []

    def set_meter(self, meter: Meter, now_ns: int) -> list[TransportEvent]:
        """Set it from the next bar on; bars behind stay. While not playing: at once."""
        self._hear(now_ns)
        if self.playing:
            self._bars.change(meter, math.floor(self._map.position(now_ns)))
        else:
            self._bars.meter = meter
            self._bars.reset()
        return []

    def set_clock(self, kind: str, now_ns: int | None = None) -> list[TransportEvent]:
        """`auto`, `midi` or `internal`; without `now_ns`, at the latest instant known.

        To internal: plays on from here at the internal tempo. To midi: an internal clock stops.
        Raises ValueError for another word.
        """
        now_ns = self._latest_ns if now_ns is None else now_ns
        self._hear(now_ns)
        self._clock = checked_clock(kind)
        if kind == "internal":
            self._armed = None
            if self._follows:
                self._map.turn(self._latest_ns, steps_per_ns(self._tempo))
            self.source, self.freewheeling, self._joined = "internal", False, False
            return self._stop_waiting(now_ns)
        if kind == "midi" and self.source == "internal":
            events = self._halt(now_ns) if self.playing else []
            self.source, self._stay_stopped = "midi", False
            return events
        return []

    def _join(self, now_ns: int) -> list[TransportEvent]:
        """Start mid-song by hand: the pulse nearest to now is step 0."""
        pulse = math.floor(self._tracker.pulses_at(now_ns) + 0.5)
        self._tracker.renumber(-pulse)
        self._take_up(0)
        self._joined = True
        at_ns = round(self._tracker.ns_at(0))
        return [self._play_from(at_ns, 0.0, 1 / self._tracker.period_ns, True)]
