"""What the Max and the Pure Data patch have in common: groups of controls, words and ports."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.settings.parameters import PARAMETERS, Parameter

HOST = "127.0.0.1"
SEND_PORT = 9000
REPLY_PORT = 9001
TITLE = "midi-diffuse"

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Play", ("mode", "reply", "preset", "style", "bypass", "thru", "velocity", "humanize")),
    ("Harmony", ("key", "scale", "chord", "low", "high", "voices", "doubling", "density")),
    (
        "Model",
        (
            "steps",
            "temperature",
            "guidance",
            "variation",
            "rhythm",
            "seed",
            "sampler",
            "device",
        ),
    ),
    (
        "Bars",
        (
            "context_bars",
            "memory_beats",
            "listen_bars",
            "reply_bars",
            "endless",
            "loop_bars",
            "loop_start",
            "pickup_beats",
        ),
    ),
    (
        "Time",
        (
            "clock",
            "tempo",
            "meter",
            "input_quantize",
            "input_offset_ms",
            "output_offset_ms",
        ),
    ),
    ("Routing", ("split", "pedal", "in_channel", "out_channel", "echo_guard")),
)

BUTTONS = ("start", "stop", "panic", "downbeat", "trigger", "stats")
"""Actions that are a button without an argument."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that are shown together."""

    title: str
    rows: tuple[Parameter, ...]


def groups() -> list[Group]:
    """Every parameter once; what no group names comes under `More`."""
    by_name = {row.name: row for row in PARAMETERS}
    found = [Group(title, tuple(by_name.pop(name) for name in names)) for title, names in _GROUPS]
    return [*found, Group("More", tuple(by_name.values()))] if by_name else found


def label(row: Parameter) -> str:
    """`input offset (ms)`; a unit that is in the name already is not said twice."""
    name = row.name.replace("_", " ")
    if row.unit and not name.endswith((row.unit, "bars", "beats", "low", "high")):
        return f"{name} ({row.unit})"
    return f"{name[:-3]} (ms)" if name.endswith(" ms") else name


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
