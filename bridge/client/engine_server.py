"""`midi-diffuse engine-server` as a process, for benches and tests; the daemon uses none of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from bridge.client.ending import end_process
from bridge.client.rig import RigError, wait_for
from bridge.engine_link.address import ServerAddress, server_address

_READY_S = 90.0


class ServerProcess:
    """A server started and ready; a context manager that ends it, and with it all of Ray.

    out: the lines it wrote to stdout. folder: where its token and certificate are.
    """

    def __init__(
        self, folder: Path, *arguments: str, listen: str = "127.0.0.1:0", seconds: float = _READY_S
    ) -> None:
        """Start with these arguments; raises RigError when READY does not come."""
        command = [sys.executable, "-m", "bridge", "engine-server", "--folder", str(folder)]
        self.folder = folder
        self.out: list[str] = []
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `end`
        self.process = subprocess.Popen(
            [*command, "--listen", listen, *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_for(self._is_ready, seconds, "the engine server's READY")
            if self.process.poll() is not None:
                self._errors.seek(0)
                raise RigError(f"the engine server ended: {self._errors.read().strip()}")
        except RigError:
            self.end()
            raise
        self._line = next(line for line in self.out if line.startswith("READY"))

    @property
    def port(self) -> int:
        """Where players connect."""
        return int(self._line.split("port ")[1].split(";")[0])

    @property
    def address(self) -> ServerAddress:
        """For players on this machine."""
        return self.address_at("127.0.0.1", self.port)

    def address_at(self, host: str, port: int) -> ServerAddress:
        """Return the same server by another way, such as through a proxy."""
        token, certificate = self.folder / "token", self.folder / "certificate.pem"
        return server_address(f"wss://{host}:{port}", token, certificate)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.end()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and give its exit code; kills it after 30 s."""
        code = end_process(self.process, number, patience_s=30)
        self._reader.join(timeout=2)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.out.extend(line.rstrip() for line in self.process.stdout)

    def _is_ready(self) -> bool:
        return any(line.startswith("READY") for line in self.out) or self.process.poll() is not None
