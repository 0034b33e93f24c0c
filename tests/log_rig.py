"""The event log of what a rig did, and a song to have one of."""

from __future__ import annotations

from bridge.commands import (
    SetParameter,
)
from bridge.event_log.lines import Header, command_line
from bridge.event_log.outcomes import outcome, outcome_line
from bridge.live.session import Session
from tests.session_rig import Rig, S, clock, melody


def logged(rig: Rig, settings: dict[str, int | float | str | bool]) -> list[str]:
    """The log of what a rig did."""
    lines = [Header("0.1.0", "test", 0, 0, "now", settings).line()]
    last_ns, session = 0, Session(settings)
    for command in rig.commands:
        lines.append(command_line(command, last_ns))
        last_ns = command.at_ns
        if effects := session.step(command):
            lines.append(outcome_line(outcome(effects), last_ns))
    return [*lines, '{"end":"stopped"}']


def song_rig() -> Rig:
    """Twelve beats of melody with clock, and a setting changed."""
    rig = Rig(Session({"seed": 4}))
    rig.add(clock(12)).add(melody(12)).add([SetParameter(3 * S, "voices", 2, ("1.2.3.4", 5))])
    return rig.run(6 * S)
