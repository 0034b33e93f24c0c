"""Hand-over between threads: wake one that waits in `select`, and give it commands.

Knows nothing of what the commands mean.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
from collections import deque

from bridge.commands import Act, Command, MidiIn

_CAPACITY = 1 << 16
"""Commands kept at most; beyond it the oldest is dropped. Ten seconds of a saturated MIDI cable."""
_PROMPT_ACTS = frozenset({"start", "stop", "panic"})
_FIRST_REALTIME, _SONG_POSITION = 0xF8, 0xF2


class Wake:
    """Ends another thread's wait. `set` is safe from any thread and never blocks."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def fileno(self) -> int:
        """Return it for `select` and `multiprocessing.connection.wait`."""
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


def _is_prompt(command: Command) -> bool:
    """Say whether it passes others when too many wait: clock, Start, Stop, position, panic."""
    if isinstance(command, MidiIn):
        kind = command.data[0] if command.data else 0
        return kind >= _FIRST_REALTIME or kind == _SONG_POSITION
    return isinstance(command, Act) and command.name in _PROMPT_ACTS


class Inbox:
    """Commands for the transport thread, in the order they came while it keeps up.

    Where more wait than are taken at once, those that are prompt come before the others, in their
    order. `put` is safe from any thread, never blocks, logs or raises (a MIDI driver's callback
    calls it); `take`, `drain` and `wake` belong to the transport thread.
    """

    def __init__(self) -> None:
        self.wake = Wake()
        self._number = itertools.count()
        self._prompt: deque[tuple[int, Command]] = deque(maxlen=_CAPACITY)
        self._others: deque[tuple[int, Command]] = deque(maxlen=_CAPACITY)

    def __len__(self) -> int:
        return len(self._prompt) + len(self._others)

    def put(self, command: Command) -> None:
        """Append a command and wake the transport thread."""
        lane = self._prompt if _is_prompt(command) else self._others
        lane.append((next(self._number), command))
        self.wake.set()

    def take(self, most: int) -> list[Command]:
        """Take up to `most` commands, without a system call; the wake stays as it is."""
        if not self._prompt and not self._others:
            return []
        in_order = len(self) <= most
        taken: list[tuple[int, Command]] = []
        for lane in (self._prompt, self._others):
            while lane and len(taken) < most:
                taken.append(lane.popleft())
        if in_order:
            taken.sort(key=lambda numbered: numbered[0])
        return [command for _, command in taken]

    def drain(self, most: int) -> list[Command]:
        """Take up to `most` commands. If more are left the next wait ends at once."""
        self.wake.clear()
        commands = self.take(most)
        if len(self):
            self.wake.set()
        return commands

    def close(self) -> None:
        """Give the sockets back."""
        self.wake.close()
