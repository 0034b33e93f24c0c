"""Values as the table wants them, and what is given where there is none."""

from __future__ import annotations

import pytest

from bridge.settings.parameters import DEFAULTS
from bridge.settings.rows import ParameterError
from bridge.settings.values import check_value, file_defaults


def test_file_commands_have_their_own_defaults() -> None:
    assert file_defaults()["steps"] == 10
    assert (DEFAULTS["temperature"], file_defaults()["temperature"]) == (0.7, 0.7)
    assert file_defaults("harmonize")["temperature"] == 1.0
    assert (file_defaults("generate")["guidance"], file_defaults("vary")["guidance"]) == (2.0, 1.0)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("density", "Sparse", 1.5),
        ("density", "auto", -1.0),
        ("density", "4", 4.0),
        ("meter", " 3/4 ", "3/4"),
        ("chord", "off", ""),
        ("chord", "Am7", "Am7"),
        ("bypass", "on", True),
        ("mode", 1, "continue"),
    ],
)
def test_values_are_kept_as_the_table_wants_them(name: str, given: object, kept: object) -> None:
    assert check_value(name, given) == kept


@pytest.mark.parametrize(("name", "given"), [("meter", "3/5"), ("chord", "H9"), ("voices", "many")])
def test_what_does_not_fit_is_refused(name: str, given: object) -> None:
    with pytest.raises(ParameterError):
        check_value(name, given)


def test_a_number_of_any_length_is_refused_in_one_short_line() -> None:
    for wrong in (10**400, float("inf"), 10**5000):
        with pytest.raises(ParameterError) as caught:
            check_value("voices", wrong)
        assert len(str(caught.value)) < 140
