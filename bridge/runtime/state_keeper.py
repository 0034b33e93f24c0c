"""Writes the state when it changes, so that a restart goes on where the last run was.

`take` is for the outbox's thread; the file is written on a thread of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bridge.commands import OscOut, Value
from bridge.osc.schema import OUT_PREFIX, PARAM_PREFIX
from bridge.service_thread import TURN_S, Health, ServiceThread
from bridge.settings import state
from bridge.settings.state import Learned

_PAUSE_S = 0.5
"""A fader moves many times a second; the file is written so often at most."""
_LEARNED = f"{OUT_PREFIX}learned"


class StateKeeper:
    """Starts from what is in force; tell: called once where the disk says no."""

    def __init__(
        self,
        path: Path,
        values: Mapping[str, Value],
        learned: Iterable[Learned],
        tell: Callable[[int, str], None],
    ) -> None:
        self._path, self._tell = path, tell
        self._values = dict(values)
        self._learned: dict[str, Learned] = {each[0]: each for each in learned}
        self._lock, self._changed = threading.Lock(), threading.Event()
        self._refused = False
        self._thread = ServiceThread("state", self._turn, end=self._write)

    @property
    def health(self) -> Health:
        """How its thread does."""
        return self._thread.health

    def start(self) -> None:
        """Begin to write; what is in force now, first."""
        self._changed.set()
        self._thread.start()

    def stop(self) -> None:
        """Write what has changed, then end."""
        self._thread.halt()
        self._changed.set()
        self._thread.join(TURN_S)

    def take(self, message: OscOut) -> None:
        """Take an answer that goes out: a parameter's new value, or a controller learned."""
        if message.address.startswith(PARAM_PREFIX):
            name, (value,) = message.address.removeprefix(PARAM_PREFIX), message.arguments
            with self._lock:
                changed = self._values.get(name) != value
                self._values[name] = value
        elif message.address == _LEARNED:
            changed = self._learn(*message.arguments)
        else:
            return
        if changed:
            self._changed.set()

    def _learn(self, name: Value, channel: Value, controller: Value) -> bool:
        learned = str(name), int(channel), int(controller)
        with self._lock:
            before = dict(self._learned)
            self._learned = {n: each for n, each in before.items() if each[1:] != learned[1:]}
            self._learned.pop(learned[0], None)
            if learned[1]:
                self._learned[learned[0]] = learned
            return self._learned != before

    def _turn(self) -> None:
        if self._changed.wait(TURN_S):
            self._changed.clear()
            self._write()
            self._thread.halted.wait(_PAUSE_S)

    def _write(self) -> None:
        with self._lock:
            values, learned = dict(self._values), list(self._learned.values())
        try:
            state.save_state(self._path, values, learned)
        except OSError as err:
            if not self._refused:
                text = f"state {self._path}: cannot be written ({err.strerror or err})"
                self._tell(logging.WARNING, text)
            self._refused = True
        else:
            self._refused = False
