"""A stand-in for systemd does with the daemon what the unit says: notify, watchdog, restart."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.chaos import port_of

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="credentials as Linux gives them"),
]
PROGRAM = Path(__file__).with_name("troubled_daemon.py")
WATCHDOG_S = 3.0
STARTS_S = 60.0
CREDENTIALS = struct.Struct("3i")


@dataclass
class Manager:
    """Type=notify, NotifyAccess=main, WatchdogSec, Restart=on-failure.

    log: what it did and was told, but for signs of life.
    """

    place: Path

    def __post_init__(self) -> None:
        self.log: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(self.place))
        self._socket.settimeout(0.1)
        self.main = self._start()
        self._alive_s = time.monotonic()

    def _start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, str(PROGRAM), "serve", "--port", "0", "--preset", "fixture"]
        usec = str(int(WATCHDOG_S * 1e6))
        env = {**os.environ, "NOTIFY_SOCKET": str(self.place), "WATCHDOG_USEC": usec}
        self.ready = False
        return subprocess.Popen(
            [*words, "--no-log", "--midi-api", "jack"],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, until: str, seconds: float = STARTS_S) -> None:
        """Do a manager's work until a line of the log begins so."""
        begun, end_s = len(self.log), time.monotonic() + seconds
        while not any(line.startswith(until) for line in self.log[begun:]):
            assert time.monotonic() < end_s, (until, self.log)
            self._hear()
            self._watch()

    def _hear(self) -> None:
        try:
            data, about, _, _ = self._socket.recvmsg(4096, 256)
        except TimeoutError:
            return
        (sender, _, _) = CREDENTIALS.unpack(about[0][2][: CREDENTIALS.size])
        if sender != self.main.pid:
            self.log.append(f"refused {sender}")
            return
        told = data.decode().splitlines()
        self.ready = self.ready or "READY=1" in told
        if "WATCHDOG=1" in told:
            self._alive_s = time.monotonic()
        self.log += [line for line in told if line != "WATCHDOG=1"]

    def _watch(self) -> None:
        if not self.ready:
            self._alive_s = time.monotonic()
        elif time.monotonic() - self._alive_s > WATCHDOG_S and self.main.poll() is None:
            self.log.append("watchdog")
            self.main.send_signal(signal.SIGABRT)
        if (code := self.main.poll()) is not None:
            self.log.append(f"ended {code}")
            if code:
                self.main = self._start()

    def close(self) -> None:
        """End it all."""
        self.main.kill()
        self.main.wait()
        self._socket.close()

    def send(self, packet: bytes) -> None:
        """An OSC packet to the daemon."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(packet, ("127.0.0.1", port_of(self.main.pid)))


@pytest.fixture
def manager(jack: str, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def test_it_is_restarted_when_a_thread_hangs_or_ends_and_not_when_it_is_asked_to_end(
    manager: Manager,
) -> None:
    manager.run("STATUS=preset fixture")
    first = manager.main.pid
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < 1.5 * WATCHDOG_S:  # signs of life come
        manager._hear()
        manager._watch()
    assert "watchdog" not in manager.log

    manager.send(b"/hang\0\0\0,\0\0\0")
    manager.run("watchdog", 4 * WATCHDOG_S)
    manager.run(f"ended {-signal.SIGABRT}", 10)
    manager.run("STATUS=preset fixture")
    second = manager.main.pid
    assert second != first

    manager.send(b"/leave\0\0,\0\0\0")
    manager.run("ended 70", 10)
    manager.run("STATUS=preset fixture")
    assert manager.main.pid != second

    manager.main.send_signal(signal.SIGTERM)
    manager.run("STOPPING=1", 10)
    manager.run("ended 0", 10)
    assert manager.log.count("watchdog") == 1
    assert not [line for line in manager.log if line.startswith("refused")]
