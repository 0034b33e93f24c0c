"""Controllers of the table, and learned ones."""

from __future__ import annotations

import pytest

from bridge.commands import Act, SetParameter
from bridge.settings.actions import ACTIONS
from bridge.settings.controllers import Controllers
from bridge.settings.parameters import CONTROL_CHANNEL, PARAMETERS
from bridge.settings.rows import Action, Parameter, ParameterError
from bridge.settings.values import check_value


def asked(controller: int, value: int, channel: int = CONTROL_CHANNEL) -> SetParameter | Act | None:
    return Controllers().command(channel, controller, value, 5)


def test_controllers_cover_each_row_from_end_to_end() -> None:
    for row in PARAMETERS:
        if row.cc is None:
            continue
        low, high = asked(row.cc, 0), asked(row.cc, 127)
        assert isinstance(low, SetParameter)
        assert isinstance(high, SetParameter)
        check_value(row.name, low.value)
        ends = {
            "choice": row.choices[-1:] and (row.choices[0], row.choices[-1]),
            "bool": (False, True),
        }.get(row.kind, (row.low, row.high))
        assert (low.value, high.value) == ends


def test_controllers_that_act() -> None:
    acts = {row.name: row.cc for row in ACTIONS if row.cc is not None}
    assert asked(acts["panic"], 127) == Act(5, "panic")
    assert asked(acts["panic"], 0) is None
    assert asked(acts["freeze"], 127) == Act(5, "freeze", (True,))
    assert asked(acts["freeze"], 0) == Act(5, "freeze", (False,))
    assert asked(7, 100) is None
    assert asked(acts["panic"], 127, channel=1) is None


def test_no_controller_stands_for_two_rows() -> None:
    rows: list[Parameter | Action] = [*PARAMETERS, *ACTIONS]
    numbers = [row.cc for row in rows if row.cc is not None]
    assert len(numbers) == len(set(numbers))


def test_the_next_controller_that_moves_is_learned_and_moves_it_from_then_on() -> None:
    controllers = Controllers()
    controllers.expect("tempo")  # has no controller in the table
    assert controllers.hear(3, 21, 0) == ""  # a DAW that stops
    assert controllers.hear(3, 123, 127) == ""  # all notes off
    assert controllers.hear(3, 21, 64) == "tempo"
    assert controllers.waiting == ""
    assert controllers.hear(3, 22, 64) == ""
    assert controllers.command(3, 21, 127, 9) == SetParameter(9, "tempo", 400.0)
    assert controllers.command(4, 21, 127, 9) is None
    assert list(controllers) == [("tempo", 3, 21)]


def test_a_name_has_one_learned_controller_and_a_controller_one_name() -> None:
    controllers = Controllers()
    controllers.teach("voices", 1, 20)
    controllers.teach("voices", 1, 21)
    assert list(controllers) == [("voices", 1, 21)]
    controllers.teach("panic", 1, 21)
    assert list(controllers) == [("panic", 1, 21)]
    assert controllers.command(1, 21, 127, 0) == Act(0, "panic")
    assert controllers.forget("panic")
    assert not controllers.forget("panic")
    assert controllers.command(1, 21, 127, 0) is None


def test_what_is_learned_goes_before_the_table() -> None:
    controllers = Controllers()
    controllers.teach("voices", CONTROL_CHANNEL, 18)  # of temperature
    assert controllers.command(CONTROL_CHANNEL, 18, 127, 0) == SetParameter(0, "voices", 8)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chord", "chord is text, which no controller can move"),
        ("temprature", "did you mean .?temperature"),
        ("subscribe", "no parameter or action 'subscribe'"),
    ],
)
def test_what_cannot_be_learned(name: str, text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        Controllers().expect(name)
