"""MIDI learn: the actions that tie controllers to parameters, and what is said of it.

Owner: the transport thread.
"""

from __future__ import annotations

from bridge.commands import Act, Address, Effect, OscOut
from bridge.settings.controllers import Controllers
from bridge.settings.rows import ParameterError

_OFF = "off"


class Learning:
    """Performs `learn` and `unlearn`, and hears the controllers that are learned."""

    def __init__(self, controllers: Controllers) -> None:
        self._controllers = controllers

    def learn(self, act: Act) -> list[Effect]:
        """Wait for a controller, or take the one that is named; without a name tell all."""
        controllers, (name, *place) = self._controllers, (*act.arguments, "")[:3]
        if not act.arguments:
            return [_told(*each, act.sender) for each in controllers]
        if name == _OFF:
            return self._wait("", act.sender)
        try:
            if len(act.arguments) == 2:
                raise ParameterError("want channel and controller, or neither")
            if len(act.arguments) == 1:
                controllers.expect(str(name))
                return [OscOut("/diffuse/out/learning", (controllers.waiting,), act.sender)]
            channel, controller = (int(value) for value in place)
            controllers.teach(str(name), channel, controller)
        except ParameterError as err:
            return [OscOut("/diffuse/out/error", ("learn", str(err)), act.sender)]
        return [_told(str(name), channel, controller, act.sender)]

    def unlearn(self, act: Act) -> list[Effect]:
        """Forget the controller of one name, or all."""
        names = [str(each) for each in act.arguments] or [name for name, *_ in self._controllers]
        gone = [name for name in names if self._controllers.forget(name)]
        if act.arguments and not gone:
            text = f"no controller is learned for {names[0]}"
            return [OscOut("/diffuse/out/error", ("unlearn", text), act.sender)]
        return [_told(name, 0, 0, act.sender) for name in gone]

    def hear(self, channel: int, controller: int, value: int) -> list[Effect]:
        """Take a controller's move; return what there is to say, if it is learned by that."""
        name = self._controllers.hear(channel, controller, value)
        return [_told(name, channel, controller, None)] if name else []

    def _wait(self, name: str, to: Address | None) -> list[Effect]:
        self._controllers.waiting = name
        return [OscOut("/diffuse/out/learning", (name,), to)]


def _told(name: str, channel: int, controller: int, to: Address | None) -> OscOut:
    return OscOut("/diffuse/out/learned", (name, channel, controller), to)
