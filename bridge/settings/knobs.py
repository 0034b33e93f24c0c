"""The parameters in force, typed, and what follows from them. Knows nothing of time or notes."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.commands import Value
from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import DEFAULTS, PARAMETERS
from bridge.settings.pitch_locks import allowed_pitch_classes
from bridge.settings.rows import Action, Parameter
from bridge.settings.values import check_value
from engine.music.grid import Meter
from engine.music.keys import Key
from engine.requests.request import SampleSettings

_ROWS: tuple[Parameter | Action, ...] = (*PARAMETERS, *ACTIONS)
_BY_CC: dict[int, Parameter | Action] = {row.cc: row for row in _ROWS if row.cc is not None}

_REQUEST = tuple(row.name for row in PARAMETERS if row.request)


class Knobs:
    """Every parameter's value in force. Owner: the transport thread."""

    def __init__(self, settings: Mapping[str, Value]) -> None:
        """Start from the table's defaults; raises ParameterError for a name or value not in it."""
        self._values: dict[str, Value] = dict(DEFAULTS)
        for name, value in settings.items():
            self.set(name, value)

    def set(self, name: str, value: Value) -> bool:
        """Put a value in force; True when that changed it. Raises ParameterError."""
        checked = check_value(name, value)
        changed = self._values[name] != checked
        self._values[name] = checked
        return changed

    def value(self, name: str) -> Value:
        """Return the value in force; KeyError for a name that is not in the table."""
        return self._values[name]

    def all(self) -> dict[str, Value]:
        """Return every value in force, by name."""
        return dict(self._values)

    def number(self, name: str) -> float:
        """Return the value of a float or int row."""
        return float(self._values[name])

    def integer(self, name: str) -> int:
        """Return the value of an int row."""
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        """Return the value of a bool row."""
        return bool(self._values[name])

    def text(self, name: str) -> str:
        """Return the value of a choice or text row."""
        return str(self._values[name])

    @property
    def meter(self) -> Meter:
        """The meter asked for (in force from the next bar)."""
        return Meter.parse(self.text("meter"))

    def sample_settings(self, calls: int, read: Key | None = None) -> SampleSettings:
        """Return how the engine is to fill, with `calls` sampler calls.

        read: the key that was read from the music, for `key` `auto`.
        """
        low, high = sorted((self.integer("low"), self.integer("high")))
        density, varied = self.number("density"), self.text("mode") == "vary"
        plain = {name: self._values[name] for name in _REQUEST}
        return SampleSettings(
            steps=calls,
            density=None if density < 0 else density,
            variation=self.number("variation") if varied else 1.0,
            low=low,
            high=high,
            rhythm=self.text("rhythm") if varied else "free",
            chords_from="melody" if self.text("mode") == "harmonize" else "notes",
            pitch_classes=allowed_pitch_classes(
                self.text("key"), self.text("scale"), self.text("chord"), read
            ),
            **plain,  # type: ignore[arg-type]
        )
