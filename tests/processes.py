"""A program beside a test, which ends with it however the test ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a program; kill it at the end of the block, where a failed check may leave it alive.

    `with subprocess.Popen` waits for it instead, for ever if nothing ends it.
    """
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()
