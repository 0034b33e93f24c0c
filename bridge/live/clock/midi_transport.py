"""A playhead that MIDI clock moves, or the internal one: pulses, Start, Continue, Stop, seeks.

Fed with MIDI realtime messages; time is an argument. Knows nothing of notes or ports.

The song position is an absolute step: 24 a beat, as MIDI clock counts, so a pulse is a step.
"""

from __future__ import annotations

import math

from bridge.live.clock.clock_census import ClockCensus
from bridge.live.clock.playhead import Playhead, TransportEvent, TransportState, steps_per_ns
from bridge.live.clock.tempo import TempoTracker
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.music.grid import STEPS_PER_BEAT, Meter

_CLOCKS = ("auto", "midi", "internal", "link")
_DROPOUT_NS = NS_PER_S // 2
"""A clock silent for so long is gone: over four pulses at 20 bpm."""

SIXTEENTH = STEPS_PER_BEAT // 4
_JUMP_STEPS = STEPS_PER_BEAT
"""A correction of the position beyond this is a jump, not a bend. A jump forgets the plans: pulses
that a busy machine held up for a quarter of a second must not bring one about."""


class MidiTransport(Playhead):
    """The playhead as MIDI realtime messages move it. Owner: the transport thread.

    clock: `midi` follows MIDI clock only, `internal` ignores it, `auto` follows it when there is
    one; `link` ignores it too (link_transport.py). source: `midi`, `internal` or `link`,
    whichever plays or is waited for. freewheeling: playing on without the clock that was followed.
    """

    def __init__(
        self, tempo_bpm: float = 120.0, meter: Meter | None = None, clock: str = "auto"
    ) -> None:
        super().__init__(tempo_bpm, meter or Meter(4, 4))
        self.freewheeling = False
        self._clock = checked_clock(clock)
        self.source = "internal" if clock == "auto" else clock
        self._tempo = tempo_bpm
        self._tracker = TempoTracker(tempo_bpm)
        self._census = ClockCensus()
        self._pulse_ns: int | None = None
        self._armed: int | None = None  # the step that the next pulse is
        self._armed_ns: int | None = None  # since when; None once tick has given up waiting
        self._armed_new = False  # was that a Start, rather than a Continue or a seek
        self._song_step = 0  # where Continue goes on
        self._joined = False  # beats come from the clock, but which beat it is was set by hand
        self._stay_stopped = False
        self._midi_stopped = False
        self._latest_ns = 0

    # -- MIDI realtime -----------------------------------------------------------------------------

    def clock_pulse(self, now_ns: int) -> list[TransportEvent]:
        """Take a MIDI clock (0xF8)."""
        if self._deaf:
            return []
        events = self.tick(now_ns)
        if self._census.arrived(now_ns / NS_PER_MS, self._tracker.audio_period_ms):
            events.append(TransportEvent.TWO_CLOCKS)
        gap = self._pulse_ns is None or now_ns - self._pulse_ns > _DROPOUT_NS
        self._pulse_ns = now_ns
        if self._armed is not None:
            return events + self._begin(now_ns, self._armed)
        if self._follows:
            return events + (self._come_back(now_ns) if self.freewheeling else self._follow(now_ns))
        if gap:
            self._tracker.restart(now_ns, 0)
        else:
            self._tracker.pulse(now_ns)
        if self.state is TransportState.STOPPED and not self._stay_stopped:
            self.state, self.source = TransportState.WAITING, "midi"
            events.append(TransportEvent.WAITING)
        return events

    def start(self, now_ns: int) -> list[TransportEvent]:
        """Take MIDI Start (0xFA): the next clock is step 0."""
        # While a MIDI clock already plays, Start is a loop or a seek, not a new song.
        return self._arm(now_ns, 0, not (self.playing and self.source == "midi"))

    def continue_(self, now_ns: int) -> list[TransportEvent]:
        """Take MIDI Continue (0xFB): the next clock is where Stop or Song Position left the song.

        Some sequencers send it right after Start; it says nothing then, nor while the song plays.
        """
        self._hear(now_ns)
        if self._follows or self._armed is not None:
            return []
        return self._arm(now_ns, self._song_step, False)

    def stop(self, now_ns: int) -> list[TransportEvent]:
        """Take MIDI Stop (0xFC). Stopped it stays, until Start or Continue or by hand."""
        self._hear(now_ns)
        if self._deaf:
            return []
        self._armed = None
        if self.playing and self.source == "internal":
            return []
        self._midi_stopped = True
        return self._halt(now_ns)

    def song_position(self, sixteenths: int, now_ns: int) -> list[TransportEvent]:
        """Take MIDI Song Position (0xF2), in sixteenths: a seek, or, playing, a jump at the next
        clock. Ardour 7.3 sends it six times too large: taken as given, it still falls on a bar
        line when the song goes on from one."""
        self._hear(now_ns)
        step = sixteenths * SIXTEENTH
        if self._deaf:
            return []
        if self._armed is not None:
            return self._arm(now_ns, step, self._armed_new)
        if self._follows:
            following = self._tracker.last_pulse + 1
            # Sent now and then while playing, it only says where we are: no jump.
            here = not self.freewheeling and step <= following < step + SIXTEENTH
            return [] if here else self._arm(now_ns, step, False)
        self._song_step = step
        if self.playing:
            return []
        self._hold(now_ns, step)
        return [TransportEvent.JUMPED]

    def tick(self, now_ns: int) -> list[TransportEvent]:
        """Notice a clock that stopped coming, or never came after Start."""
        self._hear(now_ns)
        if self._armed is not None and self._armed_ns is not None:
            if now_ns - self._armed_ns <= _DROPOUT_NS:
                return []
            return self._begin_without_clock(self._armed_ns, self._armed)
        if self._alive(now_ns):
            return []
        if self._follows and not self.freewheeling:
            self.freewheeling = True
            return [TransportEvent.FREEWHEEL]
        events = self._stop_waiting(now_ns)
        if events and self._clock == "auto":
            self.source = "internal"
        return events

    # -- Reading -----------------------------------------------------------------------------------

    @property
    def bpm(self) -> float:
        """The tempo in force: of the clock that plays, else of the one that would."""
        if self._runs_free:
            return self._map.steps_per_ns / steps_per_ns(1.0)
        return self._tracker.bpm if self.source == "midi" and self._tracker.known else self._tempo

    def reach(self, now_ns: int) -> float:
        """Absolute steps at `now_ns`; no later pulse changes what they were."""
        self._hear(now_ns)
        return self.position_steps(now_ns)

    # -- Inside ------------------------------------------------------------------------------------

    @property
    def _deaf(self) -> bool:
        """To MIDI realtime messages."""
        return self._clock in ("internal", "link")

    @property
    def _follows(self) -> bool:
        return self.playing and self.source != "internal"

    @property
    def _runs_free(self) -> bool:
        return self.playing and (self.freewheeling or self.source == "internal")

    def _hear(self, now_ns: int) -> None:
        self._latest_ns = max(self._latest_ns, now_ns)

    def _alive(self, now_ns: int) -> bool:
        return self._pulse_ns is not None and now_ns - self._pulse_ns <= _DROPOUT_NS

    def _arm(self, now_ns: int, step: int, new_song: bool) -> list[TransportEvent]:
        self._hear(now_ns)
        if not self._deaf:
            self._armed, self._armed_ns, self._armed_new = step, now_ns, new_song
            self._joined = False
        return []

    def _begin(self, now_ns: int, step: int) -> list[TransportEvent]:
        """Play from `step`, which is now, by the MIDI clock."""
        back = [TransportEvent.CLOCK_BACK] if self.freewheeling else []
        self._armed = self._armed_ns = None
        self._take_up(step)
        self._tracker.restart(now_ns, step)
        period_ns = self._tracker.period_ns
        return [self._play_from(now_ns, step, 1 / period_ns, self._armed_new), *back]

    def _begin_without_clock(self, now_ns: int, step: int) -> list[TransportEvent]:
        """Start came but no clock: go on without, until one comes and says what it is."""
        lost = [] if self.freewheeling else [TransportEvent.FREEWHEEL]
        bpm = self._tracker.bpm if self._tracker.known else self._tempo
        self._armed_ns = None
        self._take_up(step)
        self.freewheeling = True
        # The clock that comes later goes on in this song.
        new_song, self._armed_new = self._armed_new, False
        return [self._play_from(now_ns, step, steps_per_ns(bpm), new_song), *lost]

    def _take_up(self, step: int) -> None:
        """Let the MIDI side play from `step` on."""
        self.source = "midi"
        self._stay_stopped = self._midi_stopped = self.freewheeling = False
        self._bars.jump(step)

    def _follow(self, now_ns: int) -> list[TransportEvent]:
        self._tracker.pulse(now_ns)
        rate = 1 / self._tracker.period_ns
        # Bent from the latest instant known: positions up to there may have been used already.
        at_ns = self._latest_ns
        step = self._tracker.pulses_at(at_ns)
        if abs(step - self._map.position(at_ns)) <= _JUMP_STEPS:
            self._map.bend(at_ns, step, rate)
            return []
        return [self._play_from(at_ns, step, rate, False)]

    def _come_back(self, now_ns: int) -> list[TransportEvent]:
        """Take up the clock that is back: its pulse is the step nearest to where we are."""
        step = math.floor(self._map.position(now_ns) + 0.5)
        self.freewheeling = False
        self._tracker.restart(now_ns, step)
        at_ns = self._latest_ns
        self._map.bend(at_ns, self._tracker.pulses_at(at_ns), 1 / self._tracker.period_ns)
        return [TransportEvent.CLOCK_BACK]

    def _halt(self, now_ns: int) -> list[TransportEvent]:
        self._stay_stopped = True
        if self.state is TransportState.STOPPED:
            return []
        if self.playing and self.source == "midi" and not self.freewheeling:
            self._song_step = self._tracker.last_pulse + 1
        elif self.playing:
            self._song_step = math.ceil(self._map.position(now_ns))
        self._hold(now_ns, self.position_steps(now_ns))
        self.state, self.freewheeling = TransportState.STOPPED, False
        return [TransportEvent.STOPPED]

    def _stop_waiting(self, now_ns: int) -> list[TransportEvent]:
        """Wait no more for a clock that is gone, but do so again if it comes back."""
        if self.state is not TransportState.WAITING:
            return []
        events = self._halt(now_ns)
        self._stay_stopped = False
        return events


def checked_clock(kind: str) -> str:
    """Return the word, if it is one of _CLOCKS; else ValueError."""
    if kind not in _CLOCKS:
        raise ValueError(f"clock {kind!r}: want auto, midi, internal or link")
    return kind
