"""Values and the table: is a value valid, what is it where none was given."""

from __future__ import annotations

import math

from bridge.commands import Value
from bridge.settings.parameters import BY_NAME, DEFAULTS, PARAMETERS
from bridge.settings.rows import Parameter, ParameterError
from bridge.text import did_you_mean, shorten


def file_defaults(task: str = "") -> dict[str, Value]:
    """Return what a file command starts from (docs/benchmarks.md, Samplers)."""
    found = dict(DEFAULTS)
    for row in PARAMETERS:
        if row.for_files is not None:
            found[row.name] = row.for_files
        found[row.name] = row.for_task.get(task, found[row.name])
    return found


def find(name: str) -> Parameter:
    """Return the row called `name`; raises ParameterError that names the choices."""
    if name in BY_NAME:
        return BY_NAME[name]
    hint = did_you_mean(name, BY_NAME)
    raise ParameterError(f"no parameter {name!r}{hint}; there are: {', '.join(BY_NAME)}")


def check_value(name: str, value: object) -> Value:
    """Return the value as the table wants it, or ParameterError with the valid range in words."""
    row = find(name)
    given = shorten(_in_words(value))
    if isinstance(value, str):
        value = row.words.get(value.strip().lower(), value)
    wrong = ParameterError(f"{name} wants {row.describe_range()}, not {given}")
    if row.kind == "choice":
        text = str(value)
        if isinstance(value, int) and not isinstance(value, bool) and value < len(row.choices):
            text = row.choices[value] if value >= 0 else text
        text = row.read(text)
        if text not in row.choices:
            hint = did_you_mean(text, row.choices)
            raise ParameterError(f"{name} wants {row.describe_range()}, not {given}{hint}")
        return text
    if row.kind == "text":
        if not isinstance(value, str | int | float):
            raise wrong
        return row.read(str(value).strip())
    return _check_number(row, value, wrong)


def _in_words(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # of an int of thousands of digits, of a list in itself
        return f"such {type(value).__name__}"


def _check_number(row: Parameter, value: object, wrong: ParameterError) -> Value:
    if row.kind == "bool" and isinstance(value, str):
        words = {"0": 0, "1": 1, "off": 0, "on": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
        value = words.get(value.lower(), value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if not math.isfinite(number) or not row.low <= number <= row.high:
        raise wrong
    if row.kind == "float":
        return number
    if number != int(number):
        raise wrong
    return bool(number) if row.kind == "bool" else int(number)
