"""What a terminal shows of a daemon at work: one line, read off the answers that go out.

Owner: the outbox thread. Knows nothing of terminals.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.commands import OscOut
from bridge.osc.schema import OUT_PREFIX
from bridge.timebase import NS_PER_MS, Clock

SHOW_EVERY_NS = 200 * NS_PER_MS
"""It is written anew so often at most."""
_SHOWN = ("state", "bar", "chord_now", "key", "late", "param/mode", "param/reply")


class StatusLine:
    """show: writes the line. plan_ms: how long the engine took for its last plan. ways: the mode
    and reply it begins with."""

    def __init__(
        self,
        show: Callable[[str], None],
        plan_ms: Callable[[], float],
        ways: tuple[str, str],
        clock: Clock,
    ) -> None:
        self._show, self._plan_ms, self._clock = show, plan_ms, clock
        self._values: dict[str, object] = {"param/mode": ways[0], "param/reply": ways[1]}
        self._shown_ns = -SHOW_EVERY_NS

    def take(self, message: OscOut) -> None:
        """Take an answer that goes out; where the line speaks of it, it may be time to write it."""
        name = message.address.removeprefix(OUT_PREFIX)
        if name not in _SHOWN or not message.arguments:
            return
        self._values[name] = message.arguments[0]
        now_ns = self._clock.now_ns()
        if now_ns - self._shown_ns >= SHOW_EVERY_NS or name == "state":
            self._shown_ns = now_ns
            self._show(self.text())

    def text(self) -> str:
        """Return the line."""
        values = self._values
        mode, reply = values["param/mode"], values["param/reply"]
        parts = [
            f"{values.get('state', ''):<9}",
            f"bar {values.get('bar', '-'):<4}",
            f"{values.get('chord_now', ''):<8}",
            f"{values.get('key', ''):<9}",
            f"{mode} {reply}" if mode == "harmonize" else str(mode),
            f"late {values.get('late', 0)}",
            f"plan {self._plan_ms():.0f} ms",
        ]
        return "  ".join(part for part in parts if part.strip())
