"""What the daemon remembers from one run to the next: preset, settings, learned controllers.

A JSON file. What does not fit any more is left out and told; the rest is in force.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from bridge.commands import Value
from bridge.settings import presets
from bridge.settings.controllers import Controllers
from bridge.settings.parameters import BY_NAME, DEFAULTS
from bridge.settings.rows import ParameterError
from bridge.settings.values import check_value
from bridge.text import shorten
from engine.atomic_file import replacing
from engine.bounded_file import read_bounded

Learned = tuple[str, int, int]
"""Name, channel from 1, controller."""
_MOST_BYTES = 64 * 1024
_AT_START = ("preset", "device")
"""The one stands for itself, the other is in force at start-up only."""


@dataclass(frozen=True, slots=True)
class State:
    """`settings`: values of the table, checked. problems: one line each of what was left out."""

    preset: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    learned: tuple[Learned, ...] = ()
    problems: tuple[str, ...] = ()

    def beside(self, preset: str) -> State:
        """Return what stays of it where the player names a preset: of another one's settings those
        that presets say nothing of."""
        if preset == self.preset:
            return self
        kept = {n: value for n, value in self.settings.items() if not BY_NAME[n].in_preset}
        return State(preset, kept, self.learned, self.problems)


def default_path() -> Path:
    """Return where it lies: $XDG_STATE_HOME/midi-diffuse/state.json on Linux; it need not exist."""
    return platformdirs.user_state_path("midi-diffuse", appauthor=False) / "state.json"


def load_state(path: Path) -> State:
    """Return the state in a file. Never raises: a daemon that starts without it is better than
    none."""
    empty = str(DEFAULTS["preset"])
    try:
        document = json.loads(read_bounded(path, _MOST_BYTES))
        if not isinstance(document, dict):
            raise ValueError("want an object")
    except FileNotFoundError:
        return State(empty)
    except (OSError, ValueError, RecursionError) as err:
        reason = getattr(err, "strerror", None) or shorten(str(err))
        return State(empty, problems=(f"state {path}: {reason}; {_aside(path)}",))
    problems: list[str] = []
    preset = _preset(document.get("preset"), problems)
    settings = dict(_settings(document.get("settings"), problems))
    learned = tuple(_learned(document.get("learned"), problems))
    return State(preset, settings, learned, tuple(f"state {path}: {text}" for text in problems))


def save_state(path: Path, values: Mapping[str, Value], learned: Iterable[Learned]) -> None:
    """Write it as one piece; raises OSError."""
    settings = {name: value for name, value in values.items() if name not in _AT_START}
    document = {"preset": values["preset"], "settings": settings, "learned": list(learned)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _aside(path: Path) -> str:
    """Move what is no state of ours out of the way, so that it is not written over."""
    kept = path.with_name(f"{path.name}.bad")
    try:
        path.replace(kept)
    except OSError:
        return "it is begun anew"
    return f"begun anew, the old one is {kept.name}"


def _preset(value: object, problems: list[str]) -> str:
    try:
        return presets.load(str(value)).name
    except presets.PresetError as err:
        problems.append(str(err))
        return str(DEFAULTS["preset"])


def _settings(value: Any, problems: list[str]) -> Iterable[tuple[str, Value]]:
    for name, wished in value.items() if isinstance(value, dict) else ():
        if name in _AT_START:
            continue
        try:
            yield name, check_value(name, wished)
        except ParameterError as err:
            problems.append(str(err))


def _learned(value: Any, problems: list[str]) -> Iterable[Learned]:
    taught = Controllers()
    for each in value if isinstance(value, list) else ():
        try:
            name, channel, controller = str(each[0]), int(each[1]), int(each[2])
            taught.teach(name, channel, controller)
        except (ParameterError, LookupError, TypeError, ValueError) as err:
            problems.append(f"learned {shorten(str(each))}: {err}")
    return tuple(taught)
