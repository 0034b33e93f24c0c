"""What it takes to play to the daemon from outside: a JACK server, a daemon process, MIDI and OSC
peers. For `bench live` and the live tests; the daemon itself uses none of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import rtmidi

from bridge.commands import Value
from bridge.inbox import Wake
from bridge.midi_ports import Tap
from bridge.midi_systems import IN_NAME, OUT_NAME, list_ports
from bridge.osc_wire import Message, decode, encode
from bridge.realtime import raise_priority, wait_until
from bridge.timebase import NS_PER_S

READY_S = 60.0
Bytes = tuple[int, ...]


class RigError(Exception):
    """The rig cannot be set up, or something waited for did not happen."""


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Look every 5 ms until `condition` holds; raises RigError naming `what` when it does not."""
    end_ns = time.perf_counter_ns() + int(seconds * 1e9)
    while not condition():
        if time.perf_counter_ns() > end_ns:
            raise RigError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.005)


@contextlib.contextmanager
def jack_server(name: str, period: int = 512) -> Iterator[str]:
    """A JACK server with the dummy driver; this process and its children use it meanwhile.

    Real-time where that is allowed. Synchronous: a client that is late makes the server wait. By
    default (asynchronous) the server goes on without it, which loses what it was to hear and plays
    what it said before once more: 4 lost and 4 doubled in 4,000 messages on a quiet machine.
    """
    if shutil.which("jackd") is None:
        raise RigError("jackd is missing: apt install jackd2")
    wanted = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    before = {key: os.environ.get(key) for key in wanted}
    os.environ.update(wanted)
    realtime = ["-R", "-P", "60"] if _may_be_realtime() else ["-r"]
    driver = ["-d", "dummy", "-r", "48000", "-p", str(period)]
    command = ["jackd", "-n", name, "-S", *realtime, *driver]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: bool(list_ports("jack")), 10, "the JACK server")
        yield name
    finally:
        server.terminate()
        server.wait(timeout=10)
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _may_be_realtime() -> bool:
    with ThreadPoolExecutor(1) as pool:  # a thread of its own, since the priority stays
        return pool.submit(raise_priority).result().startswith("real-time")


class DaemonProcess:
    """`midi-diffuse serve` as a process, started and ready; a context manager that ends it.

    out: the lines it wrote to stdout. osc_port: where it listens.
    """

    def __init__(
        self,
        *arguments: str,
        reply_port: int,
        seconds: float = READY_S,
        program: Sequence[str] = ("-m", "bridge"),
    ) -> None:
        """Start with `arguments` after `serve`; raises RigError when READY does not come.

        program: what Python is to run.
        """
        command = [sys.executable, *program, "serve", "--port", "0"]
        command += ["--reply-port", str(reply_port), *arguments]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `end`
        self._last_errors = ""
        begun_ns = time.perf_counter_ns()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self.out: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_for(self._is_ready, seconds, "the daemon's READY")
            if self.process.poll() is not None:
                raise RigError(f"the daemon ended: {self.errors.strip() or self.out}")
        except RigError:
            self.end()
            raise
        self.ready_s = (time.perf_counter_ns() - begun_ns) / 1e9
        line = next(line for line in self.out if line.startswith("OSC"))
        self.osc_port = int(line.split("port ")[1].split(",")[0])

    def __enter__(self) -> DaemonProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.end()

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        if self._errors.closed:
            return self._last_errors
        self._errors.seek(0)
        return self._errors.read()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and give its exit code; kills it after 10 s."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join(timeout=2)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._last_errors = self.errors
        self._errors.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while we read
            self.out.extend(iter(self.process.stdout.readline, ""))

    def _is_ready(self) -> bool:
        ready = any(line.startswith("READY") for line in self.out)
        return ready or self.process.poll() is not None


class OscPeer:
    """An OSC client on a port of its own."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.to_port = 0

    def send(self, address: str, *arguments: Value) -> None:
        """Send one message to the daemon at `to_port`."""
        self._socket.sendto(encode(address, arguments), ("127.0.0.1", self.to_port))

    def receive(self, seconds: float) -> Message | None:
        """The next message, or None when none comes in time."""
        self._socket.settimeout(max(seconds, 1e-3))
        try:
            packet = self._socket.recv(65536)
        except TimeoutError:
            return None
        return next((each for each in decode(packet) if isinstance(each, Message)), None)

    def wait(self, address: str, seconds: float = 5.0) -> tuple[Any, ...]:
        """Arguments of the next message at `address`; raises RigError when none comes in time."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            message = self.receive(left_s)
            if message is not None and message.address == address:
                return message.arguments
        raise RigError(f"waited {seconds:g} s in vain for {address}")

    def stats(self) -> dict[str, float]:
        """The daemon's figures by name."""
        figures: dict[str, float] = {}
        self.send("/diffuse/stats")
        while True:
            name, value = self.wait("/diffuse/out/stats")
            if name == "end":
                return figures
            figures[str(name)] = float(value)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class MidiPeer:
    """Plays into the daemon's input and records its output, through ports of its own.

    received: (monotonic ns, bytes) of each message, in order; when the driver handed it over, not
    when this process came to look, which may be busy.
    """

    def __init__(self, api: str = "jack") -> None:
        number = rtmidi.API_UNIX_JACK if api == "jack" else rtmidi.API_MACOSX_CORE
        self.received: list[tuple[int, Bytes]] = []
        # By the driver's clock, and what is to be added for ours. Owner: the driver's thread.
        self._driver_ns, self._apart_ns = 0, 0
        self._out = rtmidi.MidiOut(number, name="test-player")
        recorder = rtmidi.MidiIn(number, name="test-recorder")
        _connect(self._out, IN_NAME)
        _connect(recorder, OUT_NAME)
        self._tap = Tap(recorder, self._record)

    def _record(self, event: tuple[list[int], float], _: object = None) -> None:
        data, since_last_s = event
        self._driver_ns += round(since_last_s * NS_PER_S)
        apart_ns = time.perf_counter_ns() - self._driver_ns
        # Python may come late, never early: the least is the truth.
        self._apart_ns = min(self._apart_ns, apart_ns) if self.received else apart_ns
        self.received.append((self._driver_ns + self._apart_ns, tuple(data)))

    def send(self, *data: int) -> None:
        """Send one message now."""
        self._out.send_message(data)

    def play(self, score: Sequence[tuple[int, Bytes]], start_ns: int) -> list[int]:
        """Send each message at `start_ns` + its time; gives how late each was, in ns."""
        with ThreadPoolExecutor(1) as pool:
            return self.play_aside(score, start_ns, pool).result()

    def play_aside(
        self, score: Sequence[tuple[int, Bytes]], start_ns: int, pool: ThreadPoolExecutor
    ) -> Future[list[int]]:
        """The same on a thread of `pool`, with the best priority it may have."""

        def run() -> list[int]:
            raise_priority()
            wake = Wake()
            try:
                return [self._send_at(start_ns + at_ns, data, wake) for at_ns, data in score]
            finally:
                wake.close()

        return pool.submit(run)

    def _send_at(self, due_ns: int, data: Bytes, wake: Wake) -> int:
        while time.perf_counter_ns() < due_ns:
            wait_until(due_ns, wake)
        self._out.send_message(data)
        return time.perf_counter_ns() - due_ns

    def close(self) -> None:
        """Close both ports."""
        self._tap.close()
        self._out.close_port()
        self._out.delete()


def _connect(device: Any, name: str) -> None:
    wait_for(lambda: any(name in port for port in device.get_ports()), 5, f"port {name!r}")
    index = next(i for i, port in enumerate(device.get_ports()) if name in port)
    device.open_port(index, "peer")


@dataclass(frozen=True, slots=True)
class PlayedNote:
    """A note as recorded: when it began and ended (None: never), and what it was."""

    on_ns: int
    off_ns: int | None
    channel: int
    pitch: int
    velocity: int


def pair_notes(received: Sequence[tuple[int, Bytes]]) -> list[PlayedNote]:
    """Match note-ons with their note-offs, in order of onset."""
    open_notes: dict[tuple[int, int], tuple[int, int]] = {}
    notes: list[PlayedNote] = []
    for at_ns, data in received:
        kind, key = data[0] & 0xF0, (data[0] & 0x0F, data[1] if len(data) > 1 else 0)
        if kind not in (0x80, 0x90):
            continue
        if key in open_notes:
            on_ns, velocity = open_notes.pop(key)
            notes.append(PlayedNote(on_ns, at_ns, *key, velocity))
        if kind == 0x90 and data[2]:
            open_notes[key] = (at_ns, data[2])
    notes += [PlayedNote(on, None, *key, vel) for key, (on, vel) in open_notes.items()]
    return sorted(notes, key=lambda note: (note.on_ns, note.pitch))


def memory_mb(pids: Sequence[int], of: Sequence[str] = ("Pss",)) -> float:
    """Resident memory of the processes, in MB; pages they share are counted once (Linux)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.partition(":")[0] in of:
                    total += int(line.split()[1])
    return total / 1024


PRIVATE = ("Private_Clean", "Private_Dirty")
"""What the processes have for themselves: grows only with them. `Pss` also moves, by tens of MB,
when any other program on the machine begins or ends to use the same libraries."""
