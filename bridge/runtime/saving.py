"""Settings in force written as a preset of the user's own, when asked for by OSC."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.commands import OscOut, SavePreset
from bridge.osc.schema import OUT_PREFIX
from bridge.settings import presets


def saved(effect: SavePreset) -> Iterable[OscOut]:
    """Write a preset, and say so."""
    settings = dict(effect.settings)
    try:
        presets.save_preset(effect.name, presets.load(str(settings.pop("preset"))), settings)
    except presets.PresetError as err:
        yield OscOut(OUT_PREFIX + "error", ("save", str(err)), effect.to)
    else:
        yield OscOut(OUT_PREFIX + "saved", (effect.name,), effect.to)
