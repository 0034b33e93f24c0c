"""A stand-in for systemd's socket, and the unit that it would read."""

from __future__ import annotations

import itertools
import plistlib
import shutil
import socket
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest

from bridge.runtime.service_manager import ServiceManager
from bridge.runtime.thread_watch import HUNG_S, ThreadWatch
from bridge.service_thread import Health
from bridge.timebase import NS_PER_S
from tests.steady import least, took_s

SERVICE = Path(__file__).parents[3] / "service"
pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")


def test_ready_alive_and_stopping_reach_the_manager(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(2)
        manager = ServiceManager(
            {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "8000000"}
        )
        manager.ready("preset hymn,\nOSC port 9000")
        manager.alive(5 * NS_PER_S)
        manager.alive(7 * NS_PER_S - 1)  # said already, and again in two seconds only
        manager.stopping()
        manager.alive(7 * NS_PER_S)
        assert [systemd.recv(999) for _ in range(4)] == [
            b"READY=1\nSTATUS=preset hymn, OSC port 9000",
            b"WATCHDOG=1",
            b"STOPPING=1",
            b"WATCHDOG=1",
        ]


@pytest.mark.real_time
def test_ready_waits_for_a_manager_that_is_slow_to_read(tmp_path: Path) -> None:
    """A socket takes some ten messages; what follows is not lost for that."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(2)
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4"})
        for second in range(20):
            manager.alive(second * NS_PER_S)
        later = itertools.count(20)
        sign = partial(took_s, lambda: manager.alive(next(later) * NS_PER_S))
        assert least(sign, 0.5) < 0.5  # signs of life wait for nobody
        reader = threading.Timer(0.2, lambda: [systemd.recv(999) for _ in range(5)])
        reader.start()
        manager.ready("slow")
        reader.join()
        left = iter(lambda: systemd.recv(999), b"READY=1\nSTATUS=slow")
        assert set(left) == {b"WATCHDOG=1"}


def test_without_a_manager_or_a_watchdog_nothing_is_sent(tmp_path: Path) -> None:
    ServiceManager({}).ready("nobody hears it")
    gone = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "none")})
    gone.ready("it has gone")
    assert not gone.watched
    assert not ServiceManager({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}).watched


def test_a_thread_that_hangs_gives_no_sign_of_life() -> None:
    watch, now_ns = ThreadWatch(), 100 * NS_PER_S
    moving, hung = Health("osc", True, 0, now_ns), Health("osc", True, 0, now_ns - 11 * NS_PER_S)
    assert HUNG_S == 10
    assert list(watch.hanging([moving], now_ns)) == []
    assert watch.all_move
    assert list(watch.hanging([hung], now_ns)) == ["osc"]
    assert list(watch.hanging([hung], now_ns)) == []  # said once
    assert not watch.all_move
    assert list(watch.hanging([moving], now_ns)) == []
    assert watch.all_move


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    # It wants the program to be there.
    text = (SERVICE / "midi-diffuse.service").read_text()
    unit = tmp_path / "midi-diffuse.service"
    unit.write_text(text.replace("%h/.local/bin/midi-diffuse", "/bin/true"))
    found = subprocess.run(
        [analyze, "--user", "verify", str(unit)], capture_output=True, text=True, timeout=60
    )
    about_it = [line for line in found.stderr.splitlines() if "midi-diffuse" in line]
    assert about_it == []
    for line in ("Type=notify", "Restart=on-failure", "WatchdogSec=20", "NoNewPrivileges=yes"):
        assert line in text.splitlines()


def test_the_launchd_file_is_a_property_list_and_says_it_was_not_tried() -> None:
    content = (SERVICE / "midi-diffuse.plist").read_bytes()
    assert plistlib.loads(content)["ProgramArguments"][-1] == "serve"
    assert b"NOT TRIED ON A MAC" in content
