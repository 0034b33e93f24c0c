"""Real JACK ports, the daemon as a process, and clients of its MIDI and OSC."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import rtmidi

from bridge.bench.live import (
    LEAD_IN_NS,
    MidiScore,
    TuneNote,
    clock_score,
    merge_messages,
    tune_score,
)
from bridge.bench.stalls import StallMeter
from bridge.client.peers import MidiPeer, OscPeer, PlayedNote, played_notes
from bridge.client.rig import DaemonProcess, jack_server, wait_for
from bridge.midi.ports import Tap


def need(program: str) -> None:
    """Skip without `program`; on a CI machine, which is to have it, fail."""
    if shutil.which(program) is None:
        text = f"{program} is missing; install with scripts/test as root"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(text)
        pytest.skip(text)


HELD_UP_MS = 20.0
"""So long a stall may make a note late: with what is on its way already it passes 50 ms."""
BEAT_MS = 500.0


@dataclass
class Band:
    """A daemon that is ready, with a MIDI and an OSC client."""

    daemon: DaemonProcess
    midi: MidiPeer
    osc: OscPeer
    meter: StallMeter
    start_ns: int = 0

    def play(self, notes: Sequence[TuneNote], beats: float, bpm: float) -> None:
        """A tune with clock, Start and Stop; returns when it is over and its echoes are in."""
        self.perform(merge_messages(tune_score(notes, bpm), clock_score(beats, bpm)))
        time.sleep(0.1)  # a few periods of JACK

    def perform(self, score: MidiScore) -> None:
        self.start_ns = time.perf_counter_ns() + 50_000_000
        self.midi.play(score, self.start_ns)

    @property
    def notes(self) -> list[PlayedNote]:
        """The reply so far."""
        return played_notes(self.midi.received)

    def sounding(self) -> list[PlayedNote]:
        return [note for note in self.notes if note.off_ns is None]

    def beats(self, bpm: float) -> list[float]:
        """Onsets of the reply in beats since the first clock, as recorded."""
        zero_ns = self.start_ns + LEAD_IN_NS
        return [(note.on_ns - zero_ns) * bpm / 60e9 for note in self.notes]

    def stalls(self, least_ms: float = HELD_UP_MS) -> int:
        """Beats since it began to play that the machine itself, standing still, may have cost.

        One for each stall of so long, and one for each further beat at 120 bpm that it lasted.
        What a test may forgive, and only that: on a machine that runs all the time it is 0.
        """
        found = self.meter.longer_than(least_ms, self.start_ns)
        return sum(1 + int(length_ms / BEAT_MS) for length_ms in found)

    def longest_stall_ms(self) -> float:
        """How long it stood still at most."""
        return self.meter.figures(self.start_ns)["longest"]

    def wait_sounding(self) -> None:
        wait_for(lambda: bool(self.sounding()), 10, "a note of the reply")

    def wait_silent(self) -> None:
        wait_for(lambda: not self.sounding(), 2, "every note off")


class MidiListener:
    """A virtual input port called `name` that remembers what it is sent: stands in for a synth."""

    def __init__(self, name: str) -> None:
        self.received: list[tuple[int, tuple[int, ...]]] = []
        synth = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="test-synth")
        synth.open_virtual_port(name)
        self._tap = Tap(synth, self._record)

    def _record(self, event: tuple[list[int], float], _: object = None) -> None:
        self.received.append((time.perf_counter_ns(), tuple(event[0])))

    def sounding(self) -> list[PlayedNote]:
        """Notes that have begun and not ended."""
        return [note for note in played_notes(self.received) if note.off_ns is None]

    def close(self) -> None:
        """Close the port."""
        self._tap.close()


StartBand = Callable[..., Band]


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Event logs of the tests do not go among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def jack() -> Iterator[str]:
    """A JACK server of the tests' own."""
    need("jackd")
    with jack_server(f"midi-diffuse-tests-{os.getpid()}") as name:
        yield name


@pytest.fixture
def band(jack: str, meter: StallMeter) -> Iterator[StartBand]:
    """Starts bands: `band("--reply", "loop")`; preset fixture unless another is given.

    program: what Python is to run, such as a daemon with faults.
    """
    with ExitStack() as stack:

        def start(*arguments: str, program: Sequence[str] = ("-m", "bridge")) -> Band:
            preset = () if "--preset" in arguments else ("--preset", "fixture")
            osc = OscPeer()
            stack.callback(osc.close)
            words = ("--midi-api", "jack", *preset, *arguments)
            daemon = stack.enter_context(
                DaemonProcess(*words, reply_port=osc.port, program=program)
            )
            osc.to_port = daemon.osc_port
            midi = MidiPeer()
            stack.callback(midi.close)
            return Band(daemon, midi, osc, meter)

        yield start
