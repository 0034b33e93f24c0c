"""Two ways to a daemon for the demo: MIDI ports, as a DAW would, and OSC."""

from __future__ import annotations

import statistics
import threading
import time
from typing import Protocol

import rtmidi

from bridge.client.peers import OscPeer, played_notes
from bridge.midi.ports import Tap
from bridge.midi.systems import IN_NAME, OUT_NAME, list_ports
from bridge.midi_messages import NOTE_OFF, NOTE_ON
from bridge.timebase import NS_PER_MS
from engine.music.grid import ACCOMPANIMENT, STEPS_PER_BEAT
from engine.music.roll import Note

_CLOCK, _START, _STOP = 0xF8, 0xFA, 0xFC


_NUMBERS = {
    "CoreMIDI": rtmidi.API_MACOSX_CORE,
    "ALSA": rtmidi.API_LINUX_ALSA,
    "JACK": rtmidi.API_UNIX_JACK,
}


_SIXTEENTH = 6


def our_api() -> str:
    """Return the MIDI system in which a daemon's two ports are to be found; empty when in none."""
    for system in list_ports():
        found = any(OUT_NAME in name for name in system.inputs)
        if found and any(IN_NAME in name for name in system.outputs) and system.api in _NUMBERS:
            return system.api
    return ""


class DemoPeer(Protocol):
    """How the demo reaches the daemon. Times are of `time.perf_counter_ns`."""

    name: str

    def begin(self) -> int:
        """Start the song; when its first step is."""
        ...

    def pulse(self) -> None:
        """Take a step."""
        ...

    def note(self, pitch: int, velocity: int) -> None:
        """Play or (velocity 0) end a note now."""
        ...

    def end(self) -> None:
        """Stop the song."""
        ...

    @property
    def reply_count(self) -> int:
        """Notes of the reply so far."""
        ...

    def reply(self, step_ns: float) -> list[Note]:
        """Return what came back, on the song's grid."""
        ...


class MidiWay:
    """MIDI notes, clock, Start and Stop, as a DAW sends them."""

    def __init__(self, api: str) -> None:
        """Open the daemon's ports in `api`, one of ours; see `our_api`."""
        self.name = f"MIDI ports ({api})"
        self._received: list[tuple[int, tuple[int, ...]]] = []
        self._start_ns = 0
        self._out = rtmidi.MidiOut(_NUMBERS[api], name="demo player")
        source = rtmidi.MidiIn(_NUMBERS[api], name="demo recorder")
        for device, name in ((self._out, IN_NAME), (source, OUT_NAME)):
            ports = device.get_ports()
            device.open_port(next(i for i, port in enumerate(ports) if name in port), "demo")
        self._in = Tap(source, self._receive)

    def _receive(self, event: tuple[list[int], float], _: object = None) -> None:
        self._received.append((time.perf_counter_ns(), tuple(event[0])))

    def begin(self) -> int:
        """Send Start; the first clock, 50 ms later, is the first step."""
        self._out.send_message([_START])
        self._start_ns = time.perf_counter_ns() + 50 * NS_PER_MS
        return self._start_ns

    def pulse(self) -> None:
        """Send a MIDI clock."""
        self._out.send_message([_CLOCK])

    def note(self, pitch: int, velocity: int) -> None:
        """Send a note-on or note-off."""
        self._out.send_message([NOTE_ON if velocity else NOTE_OFF, pitch, velocity])

    def end(self) -> None:
        """Send Stop, and close the ports when the last note-offs have come."""
        self._out.send_message([_STOP])
        time.sleep(0.3)
        self._in.close()
        self._out.close_port()
        self._out.delete()

    @property
    def reply_count(self) -> int:
        """Note-ons so far."""
        return sum(data[0] & 0xF0 == NOTE_ON and data[2] > 0 for _, data in list(self._received))

    def reply(self, step_ns: float) -> list[Note]:
        """Return the recording on the grid; JACK's own delay, the same for all notes, is taken
        out."""
        played = [note for note in played_notes(self._received) if note.off_ns is not None]
        onsets = [(note.on_ns - self._start_ns) / step_ns for note in played]
        off_grid = [onset - _SIXTEENTH * round(onset / _SIXTEENTH) for onset in onsets]
        delay = statistics.median(off_grid) if onsets else 0.0
        notes = []
        for note, onset in zip(played, onsets, strict=True):
            length = round(((note.off_ns or 0) - note.on_ns) / step_ns)
            step = max(round(onset - delay), 0)
            notes.append(Note(step, note.pitch, max(length, 1), ACCOMPANIMENT, note.velocity))
        return sorted(notes)


class OscWay:
    """Notes over OSC, with the daemon's own clock. A thread reads what comes back."""

    name = "OSC (this machine has no MIDI ports to offer)"

    def __init__(self, peer: OscPeer) -> None:
        self._peer = peer
        self._notes: list[Note] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def begin(self) -> int:
        """Subscribe and start the clock: now is the first step."""
        self._peer.subscribe()
        self._thread.start()
        self._peer.send("/diffuse/start")
        return time.perf_counter_ns()

    def pulse(self) -> None:
        """Do nothing: the daemon's clock runs by itself."""

    def note(self, pitch: int, velocity: int) -> None:
        """Send /diffuse/note."""
        self._peer.send("/diffuse/note", pitch, velocity)

    def end(self) -> None:
        """Stop the clock, and hear what is still on its way."""
        self._peer.send("/diffuse/stop")
        self._over.set()
        self._thread.join()
        self._peer.unsubscribe()

    @property
    def reply_count(self) -> int:
        """Notes so far."""
        return len(self._notes)

    def reply(self, step_ns: float) -> list[Note]:
        """Return the notes as /diffuse/out/note reports them."""
        del step_ns
        return sorted(self._notes)

    def _listen(self) -> None:
        while not self._over.is_set():
            message = self._peer.receive(0.1)
            if message is not None and message.address == "/diffuse/out/note":
                pitch, velocity, beats, length = (float(str(v)) for v in message.arguments)
                steps = max(round(length * STEPS_PER_BEAT), 1)
                onset = max(round(beats * STEPS_PER_BEAT), 0)
                self._notes.append(Note(onset, int(pitch), steps, ACCOMPANIMENT, int(velocity)))
