from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from bridge import realtime

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


def on_a_thread(*arguments: int) -> tuple[str, int, int]:
    """What raise_priority says, and the policy and nice value it leaves, on a thread of its own."""
    found: list[tuple[str, int, int]] = []

    def run() -> None:
        said = realtime.raise_priority(*arguments)
        nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        found.append((said, os.sched_getscheduler(0), nice))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture
def no_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """SCHED_RR is not for us."""
    original = os.sched_setscheduler

    def refuse(pid: int, policy: int, param: os.sched_param) -> None:
        if policy & 0xFF == os.SCHED_RR:
            raise PermissionError
        original(pid, policy, param)

    monkeypatch.setattr(os, "sched_setscheduler", refuse)


def test_without_the_right_rtkit_is_asked_for_this_thread(
    no_right: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busctl = tmp_path / "busctl"
    busctl.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    busctl.chmod(0o755)
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("resource.setrlimit", lambda which, pair: limits.append((which, pair)))
    said, _, _ = on_a_thread(12)
    assert said == "real-time (SCHED_RR 12, by rtkit)"
    words = (tmp_path / "asked").read_text().split()
    assert words[-5:-1][:2] == ["MakeThreadRealtimeWithPID", "ttu"]
    assert words[-3] == str(os.getpid())
    assert words[-1] == "12"
    assert [pair for _, pair in limits] == [(200_000, 200_000)]


def test_without_rtkit_the_nice_value_is_lowered_or_it_says_normal(
    no_right: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    said, policy, nice = on_a_thread()
    assert (said, nice) in [("raised (nice -10)", -10), ("normal", nice)]
    assert policy & 0xFF == os.SCHED_OTHER
