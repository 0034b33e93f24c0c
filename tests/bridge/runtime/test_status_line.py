"""The line that a terminal shows of a daemon at work."""

from __future__ import annotations

from bridge.commands import OscOut
from bridge.runtime.status_line import SHOW_EVERY_NS, StatusLine
from bridge.timebase import ManualClock


def told(name: str, *values: object) -> OscOut:
    return OscOut(f"/diffuse/out/{name}", values)  # type: ignore[arg-type]


def test_it_says_what_matters_on_stage() -> None:
    shown: list[str] = []
    clock = ManualClock()
    line = StatusLine(shown.append, lambda: 84.4, ("harmonize", "live"), clock)
    for message in (
        told("key", "C major"),
        told("chord_now", "Am7"),
        told("bar", 12),
        told("late", 1),
        told("note", 60, 80, 4.0, 1.0),
    ):
        line.take(message)
    assert len(shown) == 1
    line.take(told("state", "playing"))
    said = "playing bar 12 Am7 C major harmonize live late 1 plan 84 ms"
    assert " ".join(shown[-1].split()) == said
    clock.advance(SHOW_EVERY_NS)
    line.take(told("param/mode", "vary"))
    assert "harmonize" not in shown[-1]
    assert "vary" in shown[-1]
    assert len(shown) == 3
