"""Trouble for a daemon that plays, one kind after the other, and what of its reply came through.

The song runs by the daemon's own clock, so that a JACK server that stands still takes nothing but
the ports away: what is heard before and after lies on one grid of beats.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.client.ending import end_process
from bridge.client.peers import MidiPeer, OscPeer, PlayedNote, played_notes
from bridge.client.rig import PRIVATE, memory_mb
from bridge.osc.wire import encode_packet

BPM = 120
BEAT_NS = 60 * 10**9 // BPM
TUNE = (72, 74, 76, 77, 79, 77, 76, 74)
PROGRAM = Path(__file__).with_name("troubled_daemon.py")
FEWEST_DESCRIPTORS = 3
ARRIVED_LATE_NS = 50_000_000 + 2 * 10_700_000
"""What the daemon may be late with at most, and two periods of JACK."""


@contextlib.contextmanager
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that is full, and that nobody reads."""
    source, target = os.pipe()
    os.set_blocking(target, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(target, b"x" * 65536)
    os.set_blocking(target, True)
    yield target
    os.close(source)
    os.close(target)


def port_of(pid: int, seconds: float = 20.0) -> int:
    """The UDP port that a process listens on (Linux)."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        inodes = set()
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(link))
        for row in Path("/proc/net/udp").read_text().splitlines()[1:]:
            words = row.split()
            if f"socket:[{words[9]}]" in inodes:
                return int(words[1].split(":")[1], 16)
        time.sleep(0.05)
    raise AssertionError("it does not listen")


@contextlib.contextmanager
def daemon_without_a_reader(*options: str, reply_port: int) -> Iterator[subprocess.Popen[str]]:
    """`serve`, whose every line goes into a pipe that is full from the start."""
    command = [sys.executable, str(PROGRAM), "serve", "--port", "0", "-v", "--no-log"]
    command += ["--midi-api", "jack", "--reply-port", str(reply_port), *options]
    with full_pipe() as target:
        process = subprocess.Popen(command, stdout=target, stderr=target, text=True)
        try:
            yield process
        finally:
            end_process(process, signal.SIGTERM, patience_s=10)


@dataclass
class Scene:
    """A daemon in trouble. jackd: process id of its server. stalls: (from, to) in monotonic ns of
    the times when that stood still. blows: how often each kind of trouble came.
    memory_mb, rss_mb: the daemon's own, and with what it shares with JACK and libraries."""

    daemon: int
    jackd: int
    osc: OscPeer
    midi: MidiPeer
    stalls: list[tuple[int, int]] = field(default_factory=list)
    blows: dict[str, int] = field(default_factory=dict)
    memory_mb: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)

    @property
    def engine(self) -> int:
        """Process id of the engine that serves, or 0."""
        return int(self.osc.stats()["engine_pid"])

    def notes(self) -> list[PlayedNote]:
        """What came through."""
        return played_notes(self.midi.received)

    def play(self, seconds: float) -> None:
        """A melody, a note a beat, by OSC; and a look at the daemon's memory."""
        end_s = time.monotonic() + seconds
        beat = 0
        while time.monotonic() < end_s:
            pitch = TUNE[beat % len(TUNE)]
            beat += 1
            self.osc.send("/diffuse/note", pitch, 90)
            time.sleep(0.9 * BEAT_NS / 1e9)
            self.osc.send("/diffuse/note", pitch, 0)
            time.sleep(0.1 * BEAT_NS / 1e9)
            while self.osc.receive(0.0) is not None:
                pass
        self.memory_mb.append(memory_mb([self.daemon], PRIVATE))
        self.rss_mb.append(memory_mb([self.daemon], ("Rss",)))


def kill(scene: Scene, draw: random.Random) -> None:
    """The engine dies."""
    if engine := scene.engine:
        os.kill(engine, signal.SIGKILL)


def stop(scene: Scene, draw: random.Random) -> None:
    """The engine stands still, for good."""
    if engine := scene.engine:
        os.kill(engine, signal.SIGSTOP)


def descriptors(scene: Scene, draw: random.Random) -> None:
    """No file descriptor is free for three seconds, in which the engine dies."""
    engine = scene.engine
    limits = resource.prlimit(scene.daemon, resource.RLIMIT_NOFILE)
    resource.prlimit(scene.daemon, resource.RLIMIT_NOFILE, (FEWEST_DESCRIPTORS, limits[1]))
    try:
        if engine:
            os.kill(engine, signal.SIGKILL)
        scene.play(3.0)
    finally:
        resource.prlimit(scene.daemon, resource.RLIMIT_NOFILE, limits)


def stall_jack(scene: Scene, draw: random.Random) -> None:
    """The JACK server stands still."""
    begun_ns = time.perf_counter_ns()
    os.kill(scene.jackd, signal.SIGSTOP)
    try:
        scene.play(draw.uniform(0.3, 5.0))
    finally:
        os.kill(scene.jackd, signal.SIGCONT)
    scene.stalls.append((begun_ns, time.perf_counter_ns()))


def flood(scene: Scene, draw: random.Random) -> None:
    """Settings as fast as they go, 5,000 of them."""
    for number in range(5_000):
        scene.osc.send("/diffuse/temperature", 0.5 + number / 10_000)


def nonsense(scene: Scene, draw: random.Random) -> None:
    """Errors, each of which is a line in the log that nobody reads."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(2_000):
            sender.sendto(draw.randbytes(40), ("127.0.0.1", scene.osc.to_port))


def deaf(scene: Scene, draw: random.Random) -> None:
    """A subscriber that reads nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        wish = encode_packet("/diffuse/subscribe", ("127.0.0.1", listener.getsockname()[1]))
        listener.sendto(wish, ("127.0.0.1", scene.osc.to_port))
        scene.play(3.0)


TROUBLES: dict[str, Callable[[Scene, random.Random], None]] = {
    "kill": kill,
    "stop": stop,
    "descriptors": descriptors,
    "stall_jack": stall_jack,
    "flood": flood,
    "nonsense": nonsense,
    "deaf": deaf,
}


def trouble(
    scene: Scene, draw: random.Random, seconds: float, kinds: Sequence[str], pause_s: float
) -> None:
    """One kind after the other, each as often as any, for so long."""
    end_s = time.monotonic() + seconds
    waiting: list[str] = []
    while time.monotonic() < end_s:
        waiting = waiting or draw.sample(kinds, len(kinds))
        name = waiting.pop()
        scene.blows[name] = scene.blows.get(name, 0) + 1
        TROUBLES[name](scene, draw)
        scene.play(pause_s)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the receiver makes of it: beats without a note, and notes late on their beat, where the
    JACK server did not stand still."""

    beats: int
    missing: list[int]
    late_ms: list[float]


def heard(notes: Sequence[PlayedNote], stalls: Sequence[tuple[int, int]]) -> Heard:
    """Lay the notes on the grid of beats that fits them best."""
    zero_ns = notes[0].on_ns
    places = [note.on_ns - zero_ns for note in notes]
    half_ns = BEAT_NS // 2
    phase_ns = statistics.median((place + half_ns) % BEAT_NS - half_ns for place in places)
    beats = [round((place - phase_ns) / BEAT_NS) for place in places]

    def excused(beat: int) -> bool:
        at_ns = zero_ns + phase_ns + beat * BEAT_NS
        return any(begun - BEAT_NS // 2 < at_ns < end + BEAT_NS for begun, end in stalls)

    expected = [beat for beat in range(beats[-1]) if not excused(beat)]
    late_ns = [
        place - phase_ns - beat * BEAT_NS
        for place, beat in zip(places, beats, strict=True)
        if not excused(beat)
    ]
    return Heard(
        len(expected),
        sorted(set(expected) - set(beats)),
        sorted(late / 1e6 for late in late_ns if late > ARRIVED_LATE_NS),
    )
