"""A thread that goes on whatever a turn raises, and says how it does."""

from __future__ import annotations

import threading
import time

import pytest

from bridge.service_thread import MOST_LOGGED, ServiceThread

WAIT_S = 5.0


def test_a_turn_that_raises_is_counted_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns, done = [0], threading.Event()

    def turn() -> None:
        turns[0] += 1
        if turns[0] > MOST_LOGGED + 2:
            done.set()
        else:
            raise RecursionError("deep")

    thread = ServiceThread("worker", turn)
    thread.start()
    assert done.wait(WAIT_S)
    thread.halt()
    assert thread.join(WAIT_S)
    assert thread.health.faults == MOST_LOGGED + 2
    assert caplog.text.count("fault in the worker thread") == MOST_LOGGED
    assert "RecursionError: deep" in caplog.text


def test_begin_and_end_run_once_and_may_fail_too() -> None:
    calls: list[str] = []
    done = threading.Event()

    def begin() -> None:
        calls.append("begin")
        raise OSError

    def turn() -> None:
        done.set()
        time.sleep(0.001)

    thread = ServiceThread("worker", turn, begin=begin, end=lambda: calls.append("end"))
    thread.start()
    assert done.wait(WAIT_S)
    thread.halt()
    thread.join()
    assert calls == ["begin", "end"]
    assert thread.health.faults == 1


def test_its_health_says_whether_it_moves() -> None:
    go_on = threading.Event()
    thread = ServiceThread("worker", go_on.wait)
    assert (thread.health.alive, thread.health.turned_ns) == (False, 0)
    assert thread.join()  # it was never started
    begun_ns = time.perf_counter_ns()
    thread.start()
    while not thread.health.turned_ns:
        time.sleep(0.001)
    stuck_since_ns = thread.health.turned_ns
    assert begun_ns <= stuck_since_ns <= time.perf_counter_ns()
    assert thread.health.alive
    thread.halt()
    assert not thread.join(0.05)  # the turn hangs
    assert thread.health.turned_ns == stuck_since_ns
    thread.tick()
    assert thread.health.turned_ns > stuck_since_ns
    go_on.set()
    assert thread.join(WAIT_S)
    assert not thread.health.alive
