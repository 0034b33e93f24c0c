"""MIDI messages: their status bytes, reading one, and the ones we make ourselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

NOTE_OFF, NOTE_ON, CONTROL_CHANGE = 0x80, 0x90, 0xB0
CHANNELS = 16
ChannelPitch = tuple[int, int]
"""Channel 0..15 and pitch 0..127."""
PEDAL, ALL_SOUND_OFF, RESET_CONTROLLERS, ALL_NOTES_OFF = 64, 120, 121, 123


class Kind(Enum):
    """What a MIDI message is, as far as we care."""

    NOTE_ON = "note-on"
    NOTE_OFF = "note-off"
    CONTROL = "control"
    PROGRAM = "program"
    CLOCK = "clock"
    START = "start"
    CONTINUE = "continue"
    STOP = "stop"
    POSITION = "position"


_REALTIME = {0xF8: Kind.CLOCK, 0xFA: Kind.START, 0xFB: Kind.CONTINUE, 0xFC: Kind.STOP}
_CHANNEL = {
    0x80: (Kind.NOTE_OFF, 3),
    0x90: (Kind.NOTE_ON, 3),
    0xB0: (Kind.CONTROL, 3),
    0xC0: (Kind.PROGRAM, 2),
}


@dataclass(frozen=True, slots=True)
class MidiMessage:
    """One MIDI message. `channel` counts from 0; POSITION has its sixteenths in `first`."""

    kind: Kind
    channel: int = 0
    first: int = 0
    second: int = 0


def parse_message(data: tuple[int, ...]) -> MidiMessage | None:
    """Read one message; None for what we have no use for and for what is not MIDI.

    A note-on of velocity 0 is a note-off.
    """
    if not data:
        return None
    status = data[0]
    if status in _REALTIME:
        return MidiMessage(_REALTIME[status])
    if any(not 0 <= byte <= 127 for byte in data[1:]):
        return None
    if status == 0xF2 and len(data) == 3:
        return MidiMessage(Kind.POSITION, first=data[1] | data[2] << 7)
    kind, length = _CHANNEL.get(status & 0xF0, (None, 0))
    if kind is None or status > 0xEF or len(data) != length:
        return None
    second = data[2] if length == 3 else 0
    if kind is Kind.NOTE_ON and second == 0:
        kind = Kind.NOTE_OFF
    return MidiMessage(kind, status & 0x0F, data[1], second)


def note_off(channel: int, pitch: int) -> tuple[int, ...]:
    """Return the bytes that end a note."""
    return (NOTE_OFF | channel, pitch, 0)


def panic_messages() -> list[tuple[int, ...]]:
    """Pedal up (CC64), all notes off (CC123), all sound off (CC120) on all 16 channels.

    Many synths ignore CC123 and CC120, so send `Scheduler.all_off()` before these.
    """
    controls = (64, 123, 120)
    return [(CONTROL_CHANGE | ch, cc, 0) for ch in range(CHANNELS) for cc in controls]
