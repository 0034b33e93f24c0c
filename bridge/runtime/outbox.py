"""What goes out besides MIDI: OSC answers and log lines, on a thread of their own.

A slow terminal or network must not hold up the transport. Knows nothing of their contents.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from bridge.commands import Address, LogLine, OscOut, Subscribe
from bridge.service_thread import TURN_S, Health, ServiceThread

_log = logging.getLogger("midi-diffuse")

Deferred = Callable[[], Iterable[OscOut]]
"""Messages that take time to make, such as statistics: made on the outbox thread."""

Outgoing = OscOut | Subscribe | LogLine | Deferred
MOST_WAITING_EFFECTS = 4096
"""What waits to go out; beyond it is dropped and counted."""
_STOP_S = 2.0


class OscSender(Protocol):
    """The part of the OSC server that the outbox uses."""

    def send(self, message: OscOut) -> None:
        """Send to the asker and every subscriber."""
        ...

    def subscribe(self, peer: Address, on: bool, asker: Address | None = None) -> None:
        """Add a subscriber, or remove it."""
        ...


class Outbox:
    """A queue and its thread. `put` is safe from any thread and never blocks.

    dropped: what found the queue full. seen: each is shown every answer that goes out.
    """

    def __init__(self, osc: OscSender, seen: Iterable[Callable[[OscOut], None]] = ()) -> None:
        self.dropped = 0
        self._osc = osc
        self._seen = tuple(seen)
        self._queue: SimpleQueue[Outgoing | None] = SimpleQueue()
        self._thread = ServiceThread("outbox", self._turn, end=self._send_rest)

    @property
    def health(self) -> Health:
        """How its thread does."""
        return self._thread.health

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, item: Outgoing) -> None:
        """Queue something to go out."""
        if self._queue.qsize() < MOST_WAITING_EFFECTS:
            self._queue.put(item)
        else:
            self.dropped += 1

    def stop(self) -> None:
        """Send what is queued, then end."""
        self._thread.halt()
        self._queue.put(None)
        self._thread.join(_STOP_S)

    def _turn(self) -> None:
        try:
            self._send(self._queue.get(timeout=TURN_S))
        except Empty:
            return

    def _send_rest(self) -> None:
        while not self._queue.empty():
            self._thread.guarded(partial(self._send, self._queue.get()))

    def _send(self, item: Outgoing | None) -> None:
        if item is None:
            return
        if isinstance(item, OscOut):
            self._osc.send(item)
            for show in self._seen:
                show(item)
        elif isinstance(item, Subscribe):
            self._osc.subscribe(item.peer, item.on, item.to)
        elif isinstance(item, LogLine):
            _log.log(item.level, "%s", item.text)
        else:
            for message in item():
                self._osc.send(message)
