"""A DAW's MIDI clock, under a manual clock."""

from __future__ import annotations

from collections.abc import Callable

from bridge.live.clock.transport import Transport, TransportEvent
from bridge.timebase import NS_PER_MS, NS_PER_S, ManualClock

PULSE_NS = 20_000_000
"""125 bpm."""
START_NS = 5 * NS_PER_S


class Daw:
    """A clock that sends perfect pulses to a transport and keeps the time."""

    def __init__(self, transport: Transport, pulse_ns: int = PULSE_NS) -> None:
        self.transport = transport
        self.pulse_ns = pulse_ns
        self.clock = ManualClock(START_NS)
        self.events: list[TransportEvent] = []

    @property
    def now_ns(self) -> int:
        return self.clock.now_ns()

    def send(self, call: Callable[[int], list[TransportEvent]]) -> list[TransportEvent]:
        events = call(self.now_ns)
        self.events += events
        return events

    def pulses(self, count: int) -> list[TransportEvent]:
        """`count` pulses, one now and one each period after; ends one period after the last."""
        events = []
        for _ in range(count):
            events += self.send(self.transport.clock_pulse)
            self.clock.advance(self.pulse_ns)
        return events

    def wait(self, ms: float) -> list[TransportEvent]:
        """Silence, with ticks every 10 ms."""
        events = []
        for _ in range(round(ms / 10)):
            self.clock.advance(10 * NS_PER_MS)
            events += self.send(self.transport.tick)
        return events

    @property
    def position(self) -> float:
        return self.transport.position_steps(self.now_ns)
