"""Who plays with the daemon in benches and tests: a MIDI and an OSC client on their own ports."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import rtmidi

from bridge.client.rig import RigError, wait_for
from bridge.commands import Value
from bridge.inbox import Wake
from bridge.midi.ports import Tap
from bridge.midi.systems import IN_NAME, OUT_NAME
from bridge.osc.server import RENEW_S
from bridge.osc.wire import OscMessage, decode_packet, encode_packet
from bridge.realtime import raise_priority, wait_until
from bridge.timebase import NS_PER_S

Bytes = tuple[int, ...]
_LOOK_AGAIN_S = 0.02
"""A message that a sending thread has taken from the socket ends no wait for it."""


class OscPeer:
    """An OSC client on a port of its own; one thread may send while another receives."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Never changed afterwards: a timeout belongs to the socket, so to both threads at once.
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.to_port = 0
        self._renew_s: float | None = None
        self._unread: deque[OscMessage] = deque()
        self._taking = threading.Lock()

    def subscribe(self) -> None:
        """Have every answer and event sent here; renewed as long as this peer listens."""
        self._renew_s = time.monotonic() + RENEW_S
        self.send("/diffuse/subscribe", "127.0.0.1", self.port)

    def unsubscribe(self) -> None:
        """Have nothing sent here any more."""
        self._renew_s = None
        self.send("/diffuse/unsubscribe", "127.0.0.1", self.port)

    def send(self, address: str, *arguments: Value) -> None:
        """Send one message to the daemon at `to_port`; what has come is taken first.

        Else what a subscriber did not read would leave no room for the answer.
        """
        self._take_what_is_there()
        self._socket.sendto(encode_packet(address, arguments), ("127.0.0.1", self.to_port))

    def receive(self, seconds: float) -> OscMessage | None:
        """Return the next message, or None when none comes in time."""
        if self._renew_s is not None and time.monotonic() > self._renew_s:
            self.subscribe()
        end_s = time.monotonic() + seconds
        while True:
            self._take_what_is_there()
            with contextlib.suppress(IndexError):
                return self._unread.popleft()
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return None
            select.select([self._socket], [], [], min(left_s, _LOOK_AGAIN_S))

    def _take_what_is_there(self) -> None:
        # What one thread has read, the other must find: nothing is between socket and list.
        with self._taking, contextlib.suppress(BlockingIOError):
            while True:
                found = decode_packet(self._socket.recv(65536))
                self._unread.extend(each for each in found if isinstance(each, OscMessage))

    def wait(self, address: str, seconds: float = 5.0) -> tuple[Any, ...]:
        """Arguments of the next message at `address`; raises RigError when none comes in time."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            message = self.receive(left_s)
            if message is not None and message.address == address:
                return message.arguments
        raise RigError(f"waited {seconds:g} s in vain for {address}")

    def stats(self) -> dict[str, float]:
        """Return the daemon's figures by name."""
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
        """Return the same on a thread of `pool`, with the best priority it may have."""

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


def played_notes(received: Sequence[tuple[int, Bytes]]) -> list[PlayedNote]:
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
