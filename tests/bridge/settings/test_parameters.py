"""The columns of the one table say true things, and nothing is said twice."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bridge.commands import Value
from bridge.live.changes import Changes
from bridge.live.conductor import Conductor
from bridge.live.stage import Stage
from bridge.settings.knobs import Knobs
from bridge.settings.parameters import PARAMETERS
from bridge.settings.presets import load
from engine.requests.request import SampleSettings

ROWS = {row.name: row for row in PARAMETERS}
OTHER: dict[str, tuple[str, Value]] = {
    "policy": ("mode", "vary"),
    "loop": ("loop_bars", 2),
    "listen": ("split", "channel"),
    "silence": ("out_channel", 3),
    "bypass": ("bypass", True),
    "thru": ("thru", False),
    "tempo": ("tempo", 90.0),
    "meter": ("meter", "3/4"),
    "clock": ("clock", "internal"),
    "model": ("preset", "other"),
}


def test_requests_take_the_rows_that_say_so_as_they_are() -> None:
    rows = {row.name for row in PARAMETERS if row.request}
    assert rows <= {field.name for field in fields(SampleSettings)}
    values: dict[str, Value] = {
        "temperature": 1.5,
        "seed": 7,
        "voices": 2,
        "doubling": "allow",
        "style": "hymn",
        "chord_temperature": 0.9,
        "chord_calls": 9,
        "chord_choices": 2,
        "figure": 0.25,
    }
    wanted = Knobs({**values, "guidance": 3.0, "sampler": "ddim"}).sample_settings(5)
    found = {name: getattr(wanted, name) for name in rows}
    assert found == {**values, "guidance": 3.0, "sampler": "ddim"}
    assert wanted.steps == 5


def test_a_preset_is_in_charge_of_the_sound_and_not_of_the_players_place_in_it() -> None:
    complete = load("fixture").complete()
    assert {"mode", "voices", "humanize", "memory_beats"} <= complete.keys()
    assert not {"tempo", "key", "in_channel", "clock", "seed", "device"} & complete.keys()


def test_what_a_change_sets_off_is_in_the_table() -> None:
    assert {row.on_change for row in PARAMETERS} - {""} == OTHER.keys()


@pytest.mark.parametrize("what", OTHER)
def test_every_change_takes_effect(what: str) -> None:
    name, value = OTHER[what]
    assert ROWS[name].on_change == what
    stage = Stage(Knobs({"bypass": False}))
    stage.knobs.set(name, value)
    Changes(stage, Conductor(stage)).apply(name, 0)
    seen = {
        "policy": type(stage.policy).__name__ == "Triggered",
        "listen": stage.recorder.split == "channel",
        "tempo": stage.transport.bpm == 90.0,
        "meter": str(stage.transport.meters.changes[0][1]) == "3/4",
    }
    assert seen.get(what, True)
