"""What it takes to play to the daemon from outside: a JACK server, a daemon process, MIDI and OSC
peers. For `bench live` and the live tests; the daemon itself uses none of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from bridge.client.ending import end_process
from bridge.midi.systems import list_ports
from bridge.realtime import raise_priority

READY_S = 60.0


class RigError(Exception):
    """The rig cannot be set up, or something waited for did not happen."""


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Look every 5 ms until `condition` holds; raises RigError naming `what` when it does not."""
    end_ns = time.perf_counter_ns() + int(seconds * 1e9)
    while not condition():
        if time.perf_counter_ns() > end_ns:
            raise RigError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.005)


@contextlib.contextmanager
def jack_server(name: str, period: int = 512) -> Iterator[str]:
    """Run a JACK server with the dummy driver; this process and its children use it.

    Real-time where that is allowed. Synchronous: a client that is late makes the server wait. By
    default (asynchronous) the server goes on without it, which loses what it was to hear and plays
    what it said before once more: 4 lost and 4 doubled in 4,000 messages on a quiet machine.
    """
    if shutil.which("jackd") is None:
        raise RigError("jackd is missing: apt install jackd2")
    wanted = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    before = {key: os.environ.get(key) for key in wanted}
    os.environ.update(wanted)
    realtime = ["-R", "-P", "60"] if _may_be_realtime() else ["-r"]
    driver = ["-d", "dummy", "-r", "48000", "-p", str(period)]
    command = ["jackd", "-n", name, "-S", *realtime, *driver]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: bool(list_ports("jack")), 10, "the JACK server")
        yield name
    finally:
        server.terminate()
        server.wait(timeout=10)
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _may_be_realtime() -> bool:
    with ThreadPoolExecutor(1) as pool:  # a thread of its own, since the priority stays
        return pool.submit(raise_priority).result().startswith("real-time")


class DaemonProcess:
    """`midi-diffuse serve` as a process, started and ready; a context manager that ends it.

    out: the lines it wrote to stdout. osc_port: where it listens.
    """

    def __init__(
        self,
        *arguments: str,
        reply_port: int,
        seconds: float = READY_S,
        program: Sequence[str] = ("-m", "bridge"),
        prefix: Sequence[str] = (),
    ) -> None:
        """Start with `arguments` after `serve`; raises RigError when READY does not come.

        program: what Python is to run. prefix: what is to run Python, such as `ip netns exec`.
        """
        command = [*prefix, sys.executable, *program, "serve", "--port", "0"]
        command += ["--reply-port", str(reply_port), *arguments]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `end`
        self._last_errors = ""
        begun_ns = time.perf_counter_ns()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self.out: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_for(self._is_ready, seconds, "the daemon's READY")
            if self.process.poll() is not None:
                raise RigError(f"the daemon ended: {self.errors.strip() or self.out}")
        except RigError:
            self.end()
            raise
        self.ready_s = (time.perf_counter_ns() - begun_ns) / 1e9
        line = next(line for line in self.out if line.startswith("OSC"))
        self.osc_port = int(line.split("port ")[1].split(",")[0])

    def __enter__(self) -> DaemonProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.end()

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        if self._errors.closed:
            return self._last_errors
        self._errors.seek(0)
        return self._errors.read()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and give its exit code; kills it after 10 s."""
        code = end_process(self.process, number, patience_s=10)
        self._reader.join(timeout=2)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._last_errors = self.errors
        self._errors.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while we read
            self.out.extend(iter(self.process.stdout.readline, ""))

    def _is_ready(self) -> bool:
        ready = any(line.startswith("READY") for line in self.out)
        return ready or self.process.poll() is not None


def memory_mb(pids: Sequence[int], of: Sequence[str] = ("Pss",)) -> float:
    """Resident memory of the processes, in MB; pages they share are counted once (Linux)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.partition(":")[0] in of:
                    total += int(line.split()[1])
    return total / 1024


PRIVATE = ("Private_Clean", "Private_Dirty")
"""What the processes have for themselves: grows only with them. `Pss` also moves, by tens of MB,
when any other program on the machine begins or ends to use the same libraries."""
