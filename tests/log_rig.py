"""The event log of what a rig did, a song to have one of, and the two logs that are kept.

`python -m tests.log_rig` writes the kept ones anew: when a change means to change what is played.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from bridge.commands import Act, EngineState, MidiIn, SetParameter, Value
from bridge.event_log.lines import Header, command_line
from bridge.event_log.outcomes import outcome, outcome_line
from bridge.live.session import Session
from tests.session_rig import MS, Rig, S, clock, melody


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


KEPT = Path(__file__).parent / "bridge" / "event_log" / "kept"


def kept_rigs() -> dict[str, tuple[Rig, dict[str, Value]]]:
    """A DAW that seeks and stops under next-bar, and a loop that is frozen, with settings."""
    seeking: dict[str, Value] = {"reply": "next-bar", "seed": 5, "humanize": 0.3, "thru": True}
    rig = Rig(Session(seeking))
    rig.delay_ns = lambda request: (40 + 90 * (request.id % 3)) * MS
    rig.add(clock(40)).add(melody(40))
    rig.add([MidiIn(7 * S + 3 * MS, (0xF2, 16, 0)), MidiIn(11 * S + 3 * MS, (0xFC,))])
    rig.add([MidiIn(11 * S + 90 * MS, (0xFB,)), Act(9 * S, "stats"), Act(15 * S, "panic")])
    rig.add([SetParameter(13 * S, "meter", "3/4"), EngineState(16 * S, "down", "it died")])
    looping: dict[str, Value] = {"reply": "loop", "loop_bars": 2, "clock": "internal"}
    loop = Rig(Session(looping))
    loop.add([Act(0, "start")]).add(melody(16))
    loop.add([Act(9 * S, "freeze", (True,)), SetParameter(13 * S, "mode", "continue")])
    loop.add([SetParameter(13 * S, "reply", "live"), SetParameter(17 * S, "tempo", 90.0)])
    return {
        "seeking": (rig.run(20 * S), seeking),
        "looping": (loop.run(20 * S), looping),
    }


if __name__ == "__main__":
    KEPT.mkdir(exist_ok=True)
    for name, (rig, settings) in kept_rigs().items():
        data = "\n".join([*logged(rig, settings), ""]).encode()
        (KEPT / f"{name}.jsonl.gz").write_bytes(gzip.compress(data, mtime=0))
