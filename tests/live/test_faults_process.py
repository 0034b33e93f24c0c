"""What a packet, a preset or a terminal may do to the daemon's process: nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.client.peers import OscPeer
from bridge.client.rig import DaemonProcess
from tests.live.chaos import full_pipe, port_of

QUICK = ("--preset", "fixture", "--no-log", "--midi-api", "jack")


@pytest.fixture
def osc() -> Iterator[OscPeer]:
    peer = OscPeer()
    yield peer
    peer.close()


def answers(osc: OscPeer) -> None:
    osc.send("/diffuse/ping")
    osc.wait("/diffuse/out/pong")


def test_hostile_packets_and_presets_cost_one_error_each(
    jack: str, osc: OscPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "midi-diffuse" / "presets"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "fifo.toml")
    (folder / "meter.toml").write_text('model = "fixture"\n[settings]\nmeter = "²/4"')
    with DaemonProcess(*QUICK, reply_port=osc.port) as daemon:
        osc.to_port = daemon.osc_port
        for address, argument, text in (
            ("/diffuse/meter", "²/4", "want two numbers"),
            ("/diffuse/preset", "fifo", "not a regular file"),
            ("/diffuse/preset", "meter", "want two numbers"),
        ):
            osc.send(address, argument)
            where, what = osc.wait("/diffuse/out/error")
            assert where == address
            assert text in str(what)
            answers(osc)
        figures = osc.stats()
        assert figures["thread_faults"] == figures["faults"] == 0
        begun_s = time.monotonic()
        assert daemon.end() == 0
        assert time.monotonic() - begun_s < 4.0


def test_a_terminal_that_stops_reading_stops_neither_answers_nor_the_end(
    jack: str, osc: OscPeer
) -> None:
    command = [sys.executable, "-m", "bridge", "serve", "--port", "0", *QUICK, "-v"]
    command += ["--reply-port", str(osc.port)]
    with full_pipe() as target, DaemonProcess(*QUICK, reply_port=osc.port) as neighbour:
        # Another has port 0's luck too: the port of this one is read off the system.
        daemon = subprocess.Popen(command, stdout=target, stderr=target)
        try:
            osc.to_port = port_of(daemon.pid)
            assert osc.to_port != neighbour.osc_port
            for number in range(1, 10):
                osc.send("/diffuse/seed", number)
                assert osc.wait("/diffuse/out/param/seed") == (number,)
            answers(osc)
            daemon.send_signal(signal.SIGTERM)
            begun_s = time.monotonic()
            daemon.wait(timeout=10)
            assert time.monotonic() - begun_s < 5.0
        finally:
            daemon.kill()
            daemon.wait()


def test_a_service_manager_is_told_of_ready_life_and_end(
    jack: str, osc: OscPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "20000000")
        with DaemonProcess(*QUICK, reply_port=osc.port) as daemon:
            told = iter(lambda: systemd.recv(999), b"WATCHDOG=1")
            while not (ready := next(told, b"")).startswith(b"READY=1\nSTATUS=preset fixture"):
                assert ready == b""  # a sign of life while the engine warms up
                told = iter(lambda: systemd.recv(999), b"WATCHDOG=1")
            assert systemd.recv(999) == b"WATCHDOG=1"
            assert daemon.end() == 0
        heard = iter(lambda: systemd.recv(999), b"STOPPING=1")
        assert set(heard) <= {b"WATCHDOG=1"}
