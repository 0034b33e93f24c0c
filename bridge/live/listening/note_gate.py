"""Raw MIDI bytes to note events: channels, pedal, echoes and the bursts of a DAW's transport.

Knows nothing of song position. Realtime bytes and the control channel are the Session's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum

from bridge.midi_messages import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    PEDAL,
    RESET_CONTROLLERS,
    ChannelPitch,
    Kind,
    MidiMessage,
)
from bridge.timebase import NS_PER_MS

_MASTER = 0
"""Channel 1: the master of MPE's lower zone, whose pedal is for all of its channels."""
ECHO_NS = 100 * NS_PER_MS
"""A note we sent that comes back on its channel and pitch within this time is an echo. A DAW's
way round measured 21 to 43 ms (two periods of 512 or 1024 frames)."""


class Change(Enum):
    """What happened to an input note. LIFTED: the key is up, the pedal holds the sound."""

    ON = "on"
    LIFTED = "lifted"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """One change of an input note, at monotonic `at_ns`."""

    change: Change
    at_ns: int
    channel: int
    pitch: int
    velocity: int = 0


@dataclass(slots=True)
class _Echoes:
    """Per key: when we sent it, and how many of its echoes wait for their note-off."""

    sent_ns: deque[int] = field(default_factory=lambda: deque(maxlen=16))
    open_echoes: int = 0


class NoteGate:
    """Lets music through and nothing else. Owner: the transport thread.

    channel: 0 = all, else 1..16. pedal: CC64 holds notes; on channel 1 without notes of its own,
    as MPE's master has none, those of all channels. echo_guard: drop our own notes.
    """

    def __init__(self) -> None:
        self.channel = 0
        self.pedal = True
        self.echo_guard = True
        self._pedals: set[int] = set()
        self._down: set[ChannelPitch] = set()
        self._with_notes: set[int] = set()
        self._owed: set[ChannelPitch] = set()  # keys struck again, whose first off is still to come
        self._held: set[ChannelPitch] = set()
        self._echoes: dict[ChannelPitch, _Echoes] = {}

    def sent(self, channel: int, pitch: int, at_ns: int) -> None:
        """Remember a note-on that we sent, so that its echo is known."""
        self._echoes.setdefault((channel, pitch), _Echoes()).sent_ns.append(at_ns)

    def read(self, message: MidiMessage, at_ns: int) -> list[NoteEvent]:
        """Note events of one NOTE_ON, NOTE_OFF or CONTROL message."""
        if self.channel and message.channel != self.channel - 1:
            return []
        if message.kind is Kind.CONTROL:
            return self._control(message, at_ns)
        event = NoteEvent(Change.ON, at_ns, message.channel, message.first, message.second)
        if message.kind is Kind.NOTE_ON:
            return [] if self._is_echo_on(event) else self._on(event)
        return [] if self._is_echo_off(event) else self._off(event)

    def set_pedal(self, extend: bool, at_ns: int) -> list[NoteEvent]:
        """Follow CC64 or not; ends what it holds when not."""
        self.pedal = extend
        return [] if extend else self._release(set(range(16)), at_ns)

    def hold(self, key: ChannelPitch) -> None:
        """Hold a note that a burst at Stop ended after all: its own end will come."""
        self._down.add(key)

    def flush(self, at_ns: int, channel: int | None = None) -> list[NoteEvent]:
        """End every open note, of one channel or of all."""
        keys = sorted(k for k in self._down | self._held if channel in (None, k[0]))
        for key in keys:
            self._owed.discard(key)
            self._down.discard(key)
            self._held.discard(key)
        if channel is None:
            self._pedals.clear()
            self._echoes.clear()
        return [NoteEvent(Change.OFF, at_ns, *key) for key in keys]

    def _control(self, message: MidiMessage, at_ns: int) -> list[NoteEvent]:
        channel = message.channel
        if message.first in (ALL_SOUND_OFF, ALL_NOTES_OFF):
            return self.flush(at_ns, channel)
        if message.first == PEDAL and self.pedal and message.second >= 64:
            self._pedals.add(channel)
        elif message.first in (PEDAL, RESET_CONTROLLERS):
            return self._release({channel}, at_ns)
        return []

    def _on(self, event: NoteEvent) -> list[NoteEvent]:
        key = (event.channel, event.pitch)
        again = key in self._down or key in self._held
        if key in self._down:
            self._owed.add(key)
        self._with_notes.add(event.channel)
        self._held.discard(key)
        self._down.add(key)
        return [replace(event, change=Change.OFF, velocity=0), event] if again else [event]

    def _off(self, event: NoteEvent) -> list[NoteEvent]:
        key = (event.channel, event.pitch)
        if key in self._owed:  # an off ends the oldest note of its key, which has ended
            self._owed.discard(key)
            return []
        if key not in self._down:
            return []
        self._down.discard(key)
        if self._pedalled(event.channel):
            self._held.add(key)
            return [replace(event, change=Change.LIFTED, velocity=0)]
        return [replace(event, change=Change.OFF, velocity=0)]

    def _release(self, channels: set[int], at_ns: int) -> list[NoteEvent]:
        self._pedals -= channels
        keys = sorted(key for key in self._held if not self._pedalled(key[0]))
        self._held -= set(keys)
        return [NoteEvent(Change.OFF, at_ns, *key) for key in keys]

    def _pedalled(self, channel: int) -> bool:
        master = _MASTER in self._pedals and _MASTER not in self._with_notes
        return channel in self._pedals or master

    def _is_echo_on(self, event: NoteEvent) -> bool:
        echoes = self._echoes.get((event.channel, event.pitch))
        if echoes is None or not self.echo_guard:
            return False
        while echoes.sent_ns and event.at_ns - echoes.sent_ns[0] > ECHO_NS:
            echoes.sent_ns.popleft()
        # Stamped before we sent, a note cannot be its echo.
        if not echoes.sent_ns or echoes.sent_ns[0] > event.at_ns:
            return False
        echoes.sent_ns.popleft()
        echoes.open_echoes += 1
        return True

    def _is_echo_off(self, event: NoteEvent) -> bool:
        echoes = self._echoes.get((event.channel, event.pitch))
        if echoes is None or not echoes.open_echoes:
            return False
        echoes.open_echoes -= 1
        return True
