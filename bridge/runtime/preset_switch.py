"""Presets asked for while the music plays: read on a thread of their own, off the OSC thread.

What comes over OSC meanwhile waits behind the preset, so that it is not undone by it. Knows
nothing of engines: what a preset brings along is the daemon's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from bridge.commands import Act, ChoosePreset, Command, SetParameter
from bridge.service_thread import TURN_S, Health, ServiceThread

_URGENT = ("panic", "stop")
"""These do not wait behind a preset."""


class PresetSwitch:
    """Passes commands on, and presets to `switch`, in the order they came.

    `accept` is for one thread, `choose` for any; neither blocks. `switch` and `names`, which gives
    the presets in their order, are called on this object's thread.
    """

    def __init__(
        self,
        pass_on: Callable[[Command], None],
        switch: Callable[[SetParameter], None],
        names: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._pass_on, self._switch, self._names = pass_on, switch, names
        self._waiting: SimpleQueue[Command | ChoosePreset | None] = SimpleQueue()
        self._accepted = self._done = 0
        self._thread = ServiceThread("preset", self._turn)

    @property
    def health(self) -> Health:
        """How its thread does."""
        return self._thread.health

    def start(self) -> None:
        """Begin to switch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what waits is forgotten."""
        self._thread.halt()
        self._waiting.put(None)
        self._thread.join(TURN_S)

    def accept(self, command: Command) -> None:
        """Switch to the preset that is asked for; anything else is passed on."""
        preset = isinstance(command, SetParameter) and command.name == "preset"
        urgent = isinstance(command, Act) and command.name in _URGENT
        if preset or (self._accepted > self._done and not urgent):
            self._accepted += 1
            self._waiting.put(command)
        else:
            self._pass_on(command)

    def choose(self, chosen: ChoosePreset) -> None:
        """Switch to a preset by number; one that is not there changes nothing."""
        self._waiting.put(chosen)

    def _by_number(self, chosen: ChoosePreset) -> None:
        names = self._names()
        if chosen.number < len(names):
            self._switch(SetParameter(chosen.at_ns, "preset", names[chosen.number]))

    def _turn(self) -> None:
        try:
            command = self._waiting.get(timeout=TURN_S)
        except Empty:
            return
        if command is None:
            return
        if isinstance(command, ChoosePreset):
            self._by_number(command)
            return
        try:
            if isinstance(command, SetParameter) and command.name == "preset":
                self._switch(command)
            else:
                self._pass_on(command)
        finally:
            self._done += 1
