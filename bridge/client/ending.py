"""End a process that was started here."""

from __future__ import annotations

import subprocess


def end_process(process: subprocess.Popen[str], number: int, patience_s: float) -> int:
    """Send signal `number`, and give the exit code; kills it after `patience_s`."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
