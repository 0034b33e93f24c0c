"""Read a file that a stranger may have made: only a regular one, and never more than allowed."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class FileRefusedError(OSError):
    """Not a regular file, or longer than allowed; the text says which, without the path."""


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Return the whole file. Raises FileRefusedError, or another OSError where it cannot be read.

    Never waits: a pipe that nobody writes to is refused, as is a device that never ends.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FileRefusedError("not a regular file")
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise FileRefusedError(f"longer than {most_bytes} bytes")
    return content
