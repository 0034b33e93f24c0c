"""Ableton Link for real: the daemon and another peer, alone on a network of their own."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


def own_network() -> list[str]:
    """The command that runs another one where there is nothing but loopback; skips without."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs `unshare` (util-linux) and `ip` (iproute2)")
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--net", *root, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=30)
    if tried.returncode:
        why = tried.stderr.strip() or f"exit code {tried.returncode}"
        pytest.skip(f"this machine lets us make no network of our own: {why}")
    return command


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    command = [*own_network(), sys.executable, "-m", "tests.live.link_scene"]
    state = str(tmp_path_factory.mktemp("state"))
    # Notes come over OSC here: no MIDI system is wanted.
    environment = {"JACK_DEFAULT_SERVER": "none", "JACK_NO_START_SERVER": "1"}
    top = Path(__file__).parents[2]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=200,
        cwd=top,
        env={**os.environ, **environment, "XDG_STATE_HOME": state},
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_a_peer_is_met_and_counted(seen: dict[str, Any]) -> None:
    assert seen["alone"]["link_peers"] == 0
    assert seen["alone"]["bpm"] == 120
    assert seen["joined"]["link_peers"] == 1
    assert seen["joined"]["bpm"] == pytest.approx(90, abs=1e-3)
    assert "Ableton Link: joined at 90.0 bpm" in seen["told"]


def test_the_daemon_was_there_first_and_yet_the_peer_keeps_its_tempo(seen: dict[str, Any]) -> None:
    assert seen["peer_tempos"] == [90, 133]  # the second by the peer's own hand


def test_start_and_stop_are_followed_and_never_sent(seen: dict[str, Any]) -> None:
    assert seen["waiting"] in ("waiting", "clock runs, waiting for Start")
    assert seen["stopped"] == "waiting"
    assert seen["peer_played"] == [False, True, False]
    assert seen["note"] > 0  # it played, too


@pytest.mark.parametrize("bpm", [90.0, 133.0])
def test_tempo_and_bar_lines_are_the_peers(seen: dict[str, Any], bpm: float) -> None:
    assert seen["bpm"][str(bpm)] == pytest.approx(bpm, abs=1e-3)
    numbers, errors = seen["bars"][str(bpm)], seen["errors_ms"][str(bpm)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    # A bar is told a little after it began; how much after is the machine's, never before is ours.
    assert -1 < min(errors) < 4
    assert statistics.median(errors) < 15


def test_the_daemon_leaves_the_session_when_it_ends(seen: dict[str, Any]) -> None:
    assert seen["exit_code"] == 0
    assert seen["peers_after"] == 0
