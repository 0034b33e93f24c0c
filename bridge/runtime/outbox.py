"""What goes out besides MIDI: OSC answers and log lines, on a thread of their own.

A slow terminal or network must not hold up the transport. Knows nothing of their contents.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Protocol

from bridge.commands import Address, LogLine, OscOut, Subscribe
from bridge.realtime import HELPER_PRIORITY, raise_priority

_log = logging.getLogger("midi-diffuse")

Deferred = Callable[[], Iterable[OscOut]]
"""Messages that take time to make, such as statistics: made on the outbox thread."""

Outgoing = OscOut | Subscribe | LogLine | Deferred


class OscSender(Protocol):
    """The part of the OSC server that the outbox uses."""

    def send(self, message: OscOut) -> None:
        """Send to the asker and every subscriber."""
        ...

    def subscribe(self, peer: Address, on: bool, asker: Address | None = None) -> None:
        """Add a subscriber, or remove it."""
        ...


class Outbox:
    """A queue and its thread. `put` is safe from any thread and never blocks."""

    def __init__(self, osc: OscSender) -> None:
        self._osc = osc
        self._queue: SimpleQueue[Outgoing | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, item: Outgoing) -> None:
        """Queue something to go out."""
        self._queue.put(item)

    def stop(self) -> None:
        """Send what is queued, then end."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _run(self) -> None:
        raise_priority(HELPER_PRIORITY)
        while (item := self._queue.get()) is not None:
            try:
                self._send(item)
            except Exception:  # one bad message must not silence all that follow
                _log.exception("could not send %r", item)

    def _send(self, item: Outgoing) -> None:
        if isinstance(item, OscOut):
            self._osc.send(item)
        elif isinstance(item, Subscribe):
            self._osc.subscribe(item.peer, item.on, item.to)
        elif isinstance(item, LogLine):
            _log.log(item.level, "%s", item.text)
        else:
            for message in item():
                self._osc.send(message)
