"""What the Max and the Pure Data patch have in common: words and ports."""

from __future__ import annotations

from bridge.settings.rows import Parameter

HOST = "127.0.0.1"
SEND_PORT = 9000
REPLY_PORT = 9001
TITLE = "midi-diffuse"

BUTTONS = ("start", "stop", "panic", "downbeat", "trigger", "again", "keep", "stats")
"""Actions that are a button without an argument."""


def default_text(row: Parameter) -> str:
    """The default in words: `off`, `1.0`, `none`."""
    if row.kind == "bool":
        return "on" if row.default else "off"
    return f"{row.default:g}" if isinstance(row.default, float) else str(row.default) or "none"


def note(row: Parameter) -> str:
    """What is said beside a control: range and default."""
    if row.kind in ("float", "int"):
        return f"{row.low:.10g} to {row.high:.10g}, default {default_text(row)}"
    return f"default {default_text(row)}"
