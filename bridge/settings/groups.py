"""Which parameters are shown together, and how they are called: for patches and the monitor."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.settings.parameters import PARAMETERS
from bridge.settings.rows import Parameter

ESSENTIAL = ("temperature", "density", "voices", "velocity", "low", "high", "key", "style")
"""The eight large knobs."""
APART = ("mode", "reply", "preset")
"""What stands beside the transport."""

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Play",
        (
            "mode",
            "reply",
            "preset",
            "style",
            "bypass",
            "thru",
            "velocity",
            "humanize",
            "bass_humanize",
            "lead_humanize",
            "strum",
        ),
    ),
    (
        "Harmony",
        ("key", "scale", "chord", "low", "high", "voices", "doubling", "density", "figure"),
    ),
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
            "wait_for_phrase",
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
    (
        "Routing",
        (
            "split",
            "split_point",
            "pedal",
            "in_channel",
            "out_channel",
            "bass_channel",
            "lead_channel",
            "echo_guard",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that are shown together."""

    title: str
    rows: tuple[Parameter, ...]


def groups() -> list[Group]:
    """Return every parameter once; what no group names comes under `More`."""
    by_name = {row.name: row for row in PARAMETERS}
    found = [Group(title, tuple(by_name.pop(name) for name in names)) for title, names in _GROUPS]
    return [*found, Group("More", tuple(by_name.values()))] if by_name else found


def row_label(row: Parameter) -> str:
    """`input offset (ms)`; a unit that is in the name already is not said twice."""
    name = row.name.replace("_", " ")
    if row.unit and not name.endswith((row.unit, "bars", "beats", "low", "high")):
        return f"{name} ({row.unit})"
    return f"{name[:-3]} (ms)" if name.endswith(" ms") else name
