"""What a changed parameter sets off at once; the others are read when they are needed."""

from __future__ import annotations

from collections.abc import Callable

from bridge.commands import Effect
from bridge.live.conductor import Conductor
from bridge.live.stage import Stage
from bridge.settings.values import find


class Changes:
    """Lets new values take effect, by the column `on_change` of the table. Owner: the transport
    thread."""

    def __init__(self, stage: Stage, conductor: Conductor) -> None:
        self._stage, self._conductor = stage, conductor
        self._transport, self._knobs = stage.transport, stage.knobs
        self._by_name: dict[str, Callable[[int], list[Effect]]] = {
            "policy": conductor.switch,
            "loop": self._loop,
            "listen": self.listen,
            "silence": stage.performer.silence,
            "bypass": self._bypass,
            "thru": self._thru,
            "tempo": self._tempo,
            "meter": self._meter,
            "clock": self._clock,
            "model": self._model,
        }

    def apply(self, name: str, at_ns: int) -> list[Effect]:
        """Let the new value of parameter `name` take effect."""
        row = find(name)
        if row.on_change:
            return self._by_name[row.on_change](at_ns)
        if row.scope == "sample":
            self._stage.replanner.hurry()
        return []

    def listen(self, at_ns: int) -> list[Effect]:
        """Set split, pedal, channel and echo guard; what the old ones held open ends."""
        stage, knobs, gate = self._stage, self._knobs, self._stage.gate
        split = knobs.text("split")
        stage.recorder.split = "highest" if split == "chord" else split
        stage.left_hand.split_at(knobs.integer("split_point") if split == "chord" else None)
        stage.replanner.hold(stage.left_hand.chord)
        gate.echo_guard = knobs.flag("echo_guard")
        events = gate.set_pedal(knobs.text("pedal") == "extend", at_ns)
        if gate.channel != knobs.integer("in_channel"):
            events += gate.flush(at_ns)
            gate.channel = knobs.integer("in_channel")
        return [effect for event in events for effect in self._conductor.note(event)]

    def _loop(self, at_ns: int) -> list[Effect]:
        looping = self._stage.policy.region is not None
        return self._conductor.switch(at_ns) if looping else []

    def _bypass(self, at_ns: int) -> list[Effect]:
        return self._stage.performer.silence(at_ns) if self._knobs.flag("bypass") else []

    def _thru(self, at_ns: int) -> list[Effect]:
        return [] if self._knobs.flag("thru") else self._stage.performer.end_through(at_ns)

    def _tempo(self, at_ns: int) -> list[Effect]:
        events = self._transport.set_tempo(self._knobs.number("tempo"), at_ns)
        return self._conductor.follow(events, at_ns)

    def _meter(self, at_ns: int) -> list[Effect]:
        return self._conductor.follow(self._transport.set_meter(self._knobs.meter, at_ns), at_ns)

    def _clock(self, at_ns: int) -> list[Effect]:
        events = self._transport.set_clock(self._knobs.text("clock"), at_ns)
        return self._conductor.follow(events, at_ns)

    def _model(self, at_ns: int) -> list[Effect]:
        """Forget the model's time: another preset's is not known."""
        self._stage.timing.forget()
        return []
