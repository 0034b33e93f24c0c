"""What the Max and the Pure Data patch have in common: words and ports."""

from __future__ import annotations

from bridge.settings.presets import list_presets
from bridge.settings.rows import Parameter

HOST = "127.0.0.1"
SEND_PORT = 9000
REPLY_PORT = 9001
TITLE = "midi-diffuse"
PING_MS, SILENT_MS = 1000, 3000
"""How often midi-diffuse is asked whether it is there; how long without an answer it is not."""

BUTTONS = ("start", "stop", "panic", "downbeat", "trigger", "again", "keep", "stats")
"""Actions that are a button without an argument."""


def default_text(row: Parameter) -> str:
    """Return the default in words: `off`, `1.0`, `none`."""
    if row.kind == "bool":
        return "on" if row.default else "off"
    return f"{row.default:g}" if isinstance(row.default, float) else str(row.default) or "none"


def note(row: Parameter) -> str:
    """Return what is said beside a control: range and default."""
    if row.kind in ("float", "int"):
        return f"{row.low:.10g} to {row.high:.10g}, default {default_text(row)}"
    return f"default {default_text(row)}"


def preset_names() -> tuple[str, ...]:
    """Return the shipped presets, in the order of their program changes."""
    return tuple(each.name for each in list_presets() if each.origin == "shipped")
