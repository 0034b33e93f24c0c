"""Hand-over between threads: wake one that waits in `select`, and give it commands.

Knows nothing of what the commands mean.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections import deque

from bridge.commands import Command

CAPACITY = 1 << 16
"""Commands kept at most; beyond it the oldest is dropped. Ten seconds of a saturated MIDI cable."""


class Wake:
    """Ends another thread's wait. `set` is safe from any thread and never blocks."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def fileno(self) -> int:
        """For `select` and `multiprocessing.connection.wait`."""
        return self._receiver.fileno()

    def set(self) -> None:
        """Wake the waiter, now or as soon as it waits."""
        # Full means that it will wake anyway; closed, that nobody waits any more.
        with contextlib.suppress(BlockingIOError, OSError):
            self._sender.send(b"\0")

    def clear(self) -> None:
        """Forget the wakes so far. The waiter calls it before it looks for work."""
        with contextlib.suppress(BlockingIOError, OSError):
            while len(self._receiver.recv(4096)) == 4096:
                pass

    def wait(self, seconds: float | None) -> bool:
        """Wait until woken (True) or `seconds` have passed (False)."""
        ready, _, _ = select.select([self._receiver], [], [], seconds)
        return bool(ready)

    def close(self) -> None:
        """Give the sockets back; `set` does nothing from now on."""
        self._receiver.close()
        self._sender.close()


class Inbox:
    """Commands for the transport thread, in the order they came.

    `put` is safe from any thread, never blocks, logs or raises (a MIDI driver's callback calls
    it); `take`, `drain` and `wake` belong to the transport thread.
    """

    def __init__(self) -> None:
        self.wake = Wake()
        self._commands: deque[Command] = deque(maxlen=CAPACITY)

    def put(self, command: Command) -> None:
        """Append a command and wake the transport thread."""
        self._commands.append(command)
        self.wake.set()

    def take(self, most: int) -> list[Command]:
        """Take up to `most` commands, without a system call; the wake stays as it is."""
        commands: list[Command] = []
        while self._commands and len(commands) < most:
            commands.append(self._commands.popleft())
        return commands

    def drain(self, most: int) -> list[Command]:
        """Take up to `most` commands. If more are left the next wait ends at once."""
        self.wake.clear()
        commands = self.take(most)
        if self._commands:
            self.wake.set()
        return commands

    def close(self) -> None:
        """Give the sockets back."""
        self.wake.close()
