"""Lines for a terminal that may not read: never a wait for who writes them."""

from __future__ import annotations

import logging
import os
import pty
import subprocess
import sys
import time

from bridge.runtime.terminal import MOST_LINES, LineWriter, LogHandler, Terminal
from tests.steady import least, took_s


def test_lines_come_out_in_order() -> None:
    source, target = os.pipe()
    writer = LineWriter(target)
    for number in range(5):
        writer.put(f"line {number} \udcff")
    writer.finish()
    assert os.read(source, 4096) == b"".join(b"line %d \\udcff\n" % i for i in range(5))
    assert writer.dropped == 0


def test_a_status_stays_the_last_line() -> None:
    source, target = os.pipe()
    writer = LineWriter(target)
    writer.put("first")
    writer.show("bar 1")
    writer.put("second")
    writer.show("bar 2")
    writer.finish()
    clear = b"\r\x1b[K"
    assert os.read(source, 4096) == (
        b"first\n" + clear + b"bar 1" + clear + b"second\nbar 1" + clear + b"bar 2"
    )


def test_a_status_is_for_terminals_and_as_wide_as_they_are() -> None:
    master, slave = pty.openpty()
    terminal = Terminal(slave)
    terminal.show("x" * 500)
    terminal.close()
    assert os.read(master, 4096) == b"\r\x1b[K" + b"x" * 79
    source, target = os.pipe()
    plain = Terminal(target)
    plain.show("nothing")
    plain.put("something")
    plain.close()
    assert os.read(source, 4096) == b"something\n"


def test_a_terminal_that_stops_reading_holds_nobody_up() -> None:
    """A full pipe: what is too much is dropped and counted; the end does not wait for it."""
    source, target = os.pipe()
    writer = LineWriter(target)
    for _ in range(MOST_LINES + 200):
        writer.put("x" * 1000)
    assert writer.dropped > 100
    assert least(lambda: took_s(lambda: writer.put("x")), 0.1) < 0.1
    assert 0.1 <= least(lambda: took_s(lambda: writer.finish(0.1)), 0.5) < 0.5
    os.close(source)  # its thread ends the write, and drops the rest


def test_a_pipe_that_was_closed_costs_nothing() -> None:
    source, target = os.pipe()
    os.close(source)
    writer = LineWriter(target)
    writer.put("nobody reads this")
    writer.finish()
    assert writer.dropped == 1


def test_what_others_write_to_the_descriptor_goes_the_same_way() -> None:
    """C libraries and child processes know nothing of our queue."""
    source, descriptor = os.pipe()
    terminal = Terminal(descriptor)
    terminal.put("ours")
    program = f"import os; os.write({descriptor}, b'theirs\\n')"
    subprocess.run([sys.executable, "-c", program], pass_fds=[descriptor], check=True)
    terminal.close()
    os.write(descriptor, b"after\n")  # to the terminal itself again
    assert os.read(source, 4096) == b"ours\ntheirs\nafter\n"


def test_a_descriptor_whose_terminal_is_full_takes_whatever_is_written() -> None:
    source, descriptor = os.pipe()
    terminal = Terminal(descriptor)
    begun_s = time.monotonic()
    for _ in range(100):
        os.write(descriptor, b"x" * 65535 + b"\n")
    assert time.monotonic() - begun_s < 5.0
    os.close(source)
    terminal.close()


def test_log_records_become_lines() -> None:
    source, target = os.pipe()
    writer = Terminal(target)
    handler = LogHandler(writer)
    handler.emit(logging.LogRecord("n", logging.INFO, "", 0, "%d notes", (3,), None))
    handler.emit(logging.LogRecord("n", logging.INFO, "", 0, "%d notes", ("x",), None))
    writer.close()
    assert os.read(source, 4096).endswith(b" 3 notes\n")
    assert writer.dropped == 1
