"""The black box's thread and its files: what the transport thread notes is written here.

The transport thread only appends to a queue. A full disk ends the log, never the music.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import os
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import platformdirs

from bridge.commands import Command, Effect, Value
from bridge.event_log.lines import MOST_LINE, Header, LogError, command_line
from bridge.event_log.outcomes import outcome, outcome_line
from bridge.service_thread import Health, ServiceThread
from engine.atomic_file import replacing

PART_BYTES = 8 << 20
"""A part grown to this size is closed and compressed, to about a sixth."""
FOLDER_BYTES = 64 << 20
"""The folder's size; beyond it the oldest files go."""
CAPACITY = 1 << 15
"""Steps that wait to be written; beyond it they are lost, and the log says so."""
FLUSH_S = 0.25
"""How much of the end of a log is lost in a power cut."""
_BREATH = 16
"""Steps written, some 0.1 ms, before Python's lock is left to others for _BREATH_S."""
_BREATH_S = 0.0002
_STOP_S = 1.5
"""How long the end of the log may take; then it is left as it is."""
_CHUNK_S = 0.004
"""Pause after compressing 64 KB, which takes about as long: half of one core at most."""

_SUFFIX = ".jsonl"
_HEADER_START = '{"midi-diffuse"'
_PART = re.compile(r"\d{8}-\d{6}-\d+\.\d{3,}\.jsonl(\.gz)?")
_log = logging.getLogger("midi-diffuse")

Noted = tuple[int, Command, Sequence[Effect], str]
"""Serial number, command, its effects, fault."""


def logs_folder() -> Path:
    """Return where logs lie by default: $XDG_STATE_HOME/midi-diffuse/log on Linux."""
    return platformdirs.user_state_path("midi-diffuse", appauthor=False) / "log"


class EventLog:
    """Writes one session's log. `note` is for the transport thread, the rest for the main one.

    lost: steps not written, because writing fell behind or the disk is full.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Value],
        late_since: Callable[[int], Sequence[int]] = lambda count: (),
    ) -> None:
        """late_since: how late the notes were sent, in ns, from the given number on."""
        now = datetime.now().astimezone()
        self.folder = folder
        self.session = f"{now:%Y%m%d-%H%M%S}-{os.getpid()}"
        self.lost = 0
        self._settings, self._late_since = dict(settings), late_since
        self._begun = now.isoformat(timespec="seconds")
        self._queue: deque[Noted] = deque()
        self._serial = self._written = self._late = 0
        self._last_ns = time.perf_counter_ns()
        self._file: TextIO | None = None
        self._part = -1
        self._size = 0
        self._open = False
        self._thread = ServiceThread("event-log", self._turn, end=self._finish)

    @property
    def health(self) -> Health | None:
        """How its thread does; None while there is no log to write."""
        return self._thread.health if self._open else None

    def start(self) -> None:
        """Begin to write; without a usable folder say so, and keep no log."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._next_part()
        except OSError as err:
            _log.warning("no event log: %s: %s", self.folder, err.strerror or err)
            return
        self._open = True
        self._thread.start()

    def note(self, command: Command, effects: Sequence[Effect], fault: str) -> None:
        """Remember a step. Never blocks, never raises."""
        if not self._open:
            return
        self._serial += 1
        if len(self._queue) < CAPACITY:
            self._queue.append((self._serial, command, effects, fault))
        else:
            self.lost += 1

    def stop(self) -> None:
        """Write what is left and close."""
        self._thread.halt()
        self._thread.join(_STOP_S)

    # -- On the box's own thread ---------------------------------------------------------------

    def _turn(self) -> None:
        self._thread.halted.wait(FLUSH_S)
        try:
            self._write_all()
        except OSError as err:
            self._give_up(err)

    def _finish(self) -> None:
        if not self._open:
            return
        try:
            self._write_all()
            self._put('{"end":"stopped"}')
            self._close_part()
        except OSError as err:
            self._give_up(err)

    def _give_up(self, err: OSError) -> None:
        self._open = False
        self._thread.halt()
        self.lost += len(self._queue)
        self._queue.clear()
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        _log.warning("the event log ends here: %s", err.strerror or err)

    def _write_all(self) -> None:
        for _ in range(len(self._queue)):
            for line in self._lines(*self._queue.popleft()):
                self._put(line)
            if self._written % _BREATH == 0:
                time.sleep(_BREATH_S)  # the transport may be waiting for Python's lock
        if late := self._late_since(self._late):
            self._late += len(late)
            self._put(json.dumps({"late": list(late)}, separators=(",", ":")))
        if self._file is not None:
            self._file.flush()
        if self._size >= PART_BYTES:
            self._close_part()
            self._next_part()

    def _lines(
        self, serial: int, command: Command, effects: Sequence[Effect], fault: str
    ) -> Iterator[str]:
        if serial != self._written + 1:
            yield f'{{"lost":{serial - self._written - 1}}}'
        self._written = serial
        yield command_line(command, self._last_ns)
        self._last_ns = command.at_ns
        if effects or fault:
            yield outcome_line(outcome(effects, fault), command.at_ns)

    def _put(self, line: str) -> None:
        assert self._file is not None
        self._size += self._file.write(line) + self._file.write("\n")

    def _next_part(self) -> None:
        self._part += 1
        self._size = 0
        _make_room(self.folder)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "w", encoding="utf-8")
        header = Header(
            version("midi-diffuse"),
            self.session,
            self._part,
            self._last_ns,
            self._begun,
            self._settings,
        )
        self._put(header.line())
        self._file.flush()

    def _close_part(self) -> None:
        """Close the part and compress it; the plain one goes when the other is whole."""
        assert self._file is not None
        self._file.close()
        # At the end there is no music to be held up, and somebody waits.
        _compress(self._path, 0.0 if self._thread.halted.is_set() else _CHUNK_S)

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.session}.{self._part:03}{_SUFFIX}"


def _compress(plain: Path, pause_s: float) -> None:
    try:
        with replacing(plain.with_suffix(f"{_SUFFIX}.gz")) as half, plain.open("rb") as source:
            handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as raw, gzip.open(raw, "wb", 6) as target:
                while chunk := source.read(1 << 16):
                    target.write(chunk)
                    time.sleep(pause_s)
    except OSError:  # no room: the plain one is as good
        return
    plain.unlink()


def _is_ours(path: Path) -> bool:
    """Say whether it is part of a log of ours, by name and beginning; no other is deleted."""
    if _PART.fullmatch(path.name) is None or path.is_symlink() or not path.is_file():
        return False
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            return file.readline(MOST_LINE).startswith(_HEADER_START)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error):
        return False


def _make_room(folder: Path) -> None:
    """Delete the oldest parts until the folder has room for another."""
    sizes: dict[Path, int] = {}
    for path in sorted(path for path in folder.iterdir() if _is_ours(path)):
        with contextlib.suppress(FileNotFoundError):  # another daemon makes room too
            sizes[path] = path.stat().st_size
    for path in list(sizes):
        if sum(sizes.values()) + PART_BYTES <= FOLDER_BYTES:
            return
        del sizes[path]
        path.unlink(missing_ok=True)


# -- Reading ---------------------------------------------------------------------------------------


def parts_of(log: Path) -> list[Path]:
    """Return all parts of the log that `log` is one of, in order; of a folder, those of its newest
    log.

    Raises LogError where there is none.
    """
    folder = log if log.is_dir() else log.parent
    if not log.is_dir():
        if not log.is_file():
            raise LogError(f"{log}: no such log")
        if _SUFFIX not in log.name:
            return [log]
    named = (path for path in folder.iterdir() if _SUFFIX in path.name)
    parts = sorted(path for path in named if path.suffix != ".tmp")  # half compressed
    if not parts:
        raise LogError(f"{folder}: no logs here")
    session = (parts[-1] if log.is_dir() else log).name.partition(".")[0]
    mine = [path for path in parts if path.name.partition(".")[0] == session]
    # Both, plain and compressed, are left where the compressing ended in between.
    return list({path.name.removesuffix(".gz"): path for path in mine}.values())


def read_lines(parts: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of a log's parts. Raises LogError for what cannot be read."""
    for path in parts:
        opened = gzip.open if path.suffix == ".gz" else open
        try:
            with opened(path, "rt", encoding="utf-8") as file:
                while line := file.readline(MOST_LINE + 1):
                    yield line.rstrip("\n")
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as err:
            raise LogError(f"{path}: cannot be read: {err}") from None
