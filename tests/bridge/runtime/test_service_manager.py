"""A stand-in for systemd's socket, and the unit that it would read."""

from __future__ import annotations

import plistlib
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from bridge.runtime.service_manager import ServiceManager
from bridge.runtime.thread_watch import HUNG_S, ThreadWatch
from bridge.service_thread import Health
from bridge.timebase import NS_PER_S

SERVICE = Path(__file__).parents[3] / "service"
pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")


def test_ready_alive_and_stopping_reach_the_manager(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(2)
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "9"})
        manager.ready("preset hymn,\nOSC port 9000")
        manager.alive()
        manager.stopping()
        assert [systemd.recv(999) for _ in range(3)] == [
            b"READY=1\nSTATUS=preset hymn, OSC port 9000",
            b"WATCHDOG=1",
            b"STOPPING=1",
        ]


def test_without_a_manager_or_a_watchdog_nothing_is_sent(tmp_path: Path) -> None:
    ServiceManager({}).ready("nobody hears it")
    gone = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "none")})
    gone.ready("it has gone")
    assert not gone.watched


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
