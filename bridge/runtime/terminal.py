"""A terminal that may have stopped reading: lines are queued, written by a thread, or dropped.

A pipe that is full holds up whoever writes to it, for ever. Here that is a thread which nobody
waits for; what C libraries and engine processes write to the same file descriptors is read by
another, and goes the same way.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from bridge.text import printable

MOST_LINES = 1000
"""Lines that wait; beyond it they are dropped and counted."""
_MOST_LINE = 8192
_COLUMNS = 80
_FORWARD_S = 0.01
"""What was written last has been read by then."""
_STATUS = "\0"
"""Marks, in the queue, what is to stay the last line."""
_CLEAR = "\r\x1b[K"
_LAST_S = 0.5
"""How long the last lines may take at the end."""


class LineWriter:
    """Writes lines to a file descriptor. `put` is safe from any thread and never blocks."""

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._status = ""
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()
        threading.Thread(target=self._run, name=f"terminal-{descriptor}", daemon=True).start()

    def put(self, line: str) -> None:
        """Write the line as soon as the terminal takes it; where too many wait it is dropped."""
        if self._lines.qsize() >= MOST_LINES:
            self.dropped += 1
            return
        self._idle.clear()
        self._lines.put(line)

    def show(self, text: str) -> None:
        """Keep `text` as the last line, written anew behind every other; for terminals."""
        if self._lines.qsize() < MOST_LINES:
            self._idle.clear()
            self._lines.put(_STATUS + text)

    def finish(self, seconds: float = _LAST_S) -> None:
        """Wait until all is written, but no longer than so."""
        end_s = time.monotonic() + seconds
        while not (self._idle.is_set() and self._lines.empty()) and time.monotonic() < end_s:
            time.sleep(0.005)

    def _run(self) -> None:
        while True:
            try:
                line = self._lines.get_nowait()
            except Empty:
                self._idle.set()
                line = self._lines.get()
            self._write(self._framed(line).encode(errors="backslashreplace"))

    def _framed(self, line: str) -> str:
        """Return what is to be written for a line, or for a new status."""
        clear = _CLEAR if self._status else ""
        if line.startswith(_STATUS):
            self._status = line.removeprefix(_STATUS)
            return _CLEAR + self._status
        return f"{clear}{line}\n{self._status}"

    def _write(self, text: bytes) -> None:
        while text:
            try:
                text = text[os.write(self._descriptor, text) :]
            except OSError:  # nobody reads it any more
                self.dropped += 1
                return


class Terminal:
    """Stands in for a file descriptor of this process (1 or 2) until `close`: no write blocks."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._real = os.dup(descriptor)
        self._lines = LineWriter(self._real)
        source, target = os.pipe()
        os.dup2(target, descriptor)
        os.close(target)
        reader = threading.Thread(
            target=self._forward, args=(source,), name=f"forward-{descriptor}", daemon=True
        )
        reader.start()

    @property
    def put(self) -> Callable[[str], None]:
        """Write a line; never blocks."""
        return self._lines.put

    @property
    def is_terminal(self) -> bool:
        """Is there somebody to see it, not a file or a pipe?"""
        return os.isatty(self._real)

    def show(self, text: str) -> None:
        """Keep `text` as the last line, cut to the width; nothing where this is no terminal."""
        if not self.is_terminal:
            return
        try:
            columns = os.get_terminal_size(self._real).columns or _COLUMNS
        except OSError:
            columns = _COLUMNS
        self._lines.show(text[: columns - 1])

    @property
    def dropped(self) -> int:
        """Lines that were not written."""
        return self._lines.dropped

    def drop(self) -> None:
        """Count a line that cannot be made."""
        self._lines.dropped += 1

    def close(self) -> None:
        """Wait a little until all is written; the descriptor is the terminal's own again."""
        time.sleep(_FORWARD_S)
        self._lines.finish()
        os.dup2(self._real, self._descriptor)

    def _forward(self, source: int) -> None:
        """Read on whatever happens; ends when nobody holds the other end any more."""
        with os.fdopen(source, "rb", buffering=0) as pipe:
            rest = b""
            while chunk := pipe.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._lines.put(line.decode(errors="backslashreplace"))
                rest = rest[-_MOST_LINE:]


class LogHandler(logging.Handler):
    """Log records as lines of a Terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Never blocks; a record that cannot be formatted is counted as dropped."""
        try:
            self._terminal.put(printable(self.format(record)))
        except Exception:  # a log line must not cost the music
            self._terminal.drop()
