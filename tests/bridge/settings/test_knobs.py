"""The values in force, and what a request is made of."""

from __future__ import annotations

import pytest

from bridge.settings.knobs import Knobs
from bridge.settings.parameters import DEFAULTS
from bridge.settings.rows import ParameterError


def test_knobs_turn_into_sample_settings() -> None:
    knobs = Knobs({"low": 80, "high": 40, "key": "G", "density": 2, "variation": 0.3})
    settings = knobs.sample_settings(7)
    assert (settings.low, settings.high, settings.steps) == (40, 80, 7)
    assert settings.pitch_classes == frozenset({7, 9, 11, 0, 2, 4, 6})
    assert settings.density == 2.0
    assert settings.variation == 1.0
    assert knobs.set("mode", "vary")
    assert not knobs.set("mode", "vary")
    assert knobs.sample_settings(7).variation == 0.3
    knobs.set("rhythm", "keep")
    assert knobs.sample_settings(7).rhythm == "keep"
    knobs.set("mode", "infill")
    assert knobs.sample_settings(7).rhythm == "free"
    assert Knobs({}).sample_settings(3).density is None
    with pytest.raises(ParameterError):
        knobs.set("steps", 0)


def test_all_values_are_a_copy() -> None:
    knobs = Knobs({"voices": 2})
    values = knobs.all()
    assert values == {**DEFAULTS, "voices": 2}
    values["voices"] = 7
    assert knobs.integer("voices") == 2
