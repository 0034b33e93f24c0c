"""Command line options made from the table of parameters. Knows nothing of files or models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from bridge.commands import Value
from bridge.settings.knobs import Knobs
from bridge.settings.parameters import PARAMETERS
from bridge.settings.presets import Preset
from bridge.settings.rows import Parameter, ParameterError
from bridge.settings.values import check_value, file_defaults, find

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
SAMPLE_ROWS = tuple(row.name for row in PARAMETERS if row.scope == "sample")
"""What the file commands take, besides what each adds of its own."""


def table_options(
    names: Iterable[str], defaults: Mapping[str, Value]
) -> Callable[[AnyFunction], AnyFunction]:
    """Return an option for each row of these names; one not given is None, so that the preset
    decides.

    The command gets the values by the rows' names, as the table wants them. defaults: to tell of.
    """
    rows = [find(name) for name in names]

    def decorate(function: AnyFunction) -> AnyFunction:
        for row in reversed(rows):
            option = click.option(*_flags(row), callback=_checked, **_help(row, defaults))
            function = option(function)
        return function

    return decorate


def _flags(row: Parameter) -> tuple[str, str]:
    flag = row.name.replace("_", "-")
    return f"--{flag}/--no-{flag}" if row.kind == "bool" else f"--{flag}", row.name


def _checked(ctx: click.Context, param: click.Parameter, value: object) -> Value | None:
    """Return an option's callback: the value as the table wants it, or what would be."""
    name = str(param.name)
    try:
        return None if value is None else check_value(name, value)
    except ParameterError as err:
        text = str(err).replace(name, name.replace("_", "-"), 1)
        raise click.UsageError(f"--{text}", ctx) from None


def _help(row: Parameter, defaults: Mapping[str, Value]) -> dict[str, Any]:
    """Return the arguments of `click.option` that a reader of `--help` sees."""
    default = defaults[row.name]
    if row.kind == "bool":
        return {"default": None, "help": f"{row.doc} (default {'on' if default else 'off'})"}
    facts = [row.describe_range()] if row.kind != "text" else []
    if default != "":
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        facts.append(f"default {shown}")
    text = f"{row.doc} ({'; '.join(facts)})" if facts else row.doc
    return {"metavar": _metavar(row), "help": text}


def _metavar(row: Parameter) -> str:
    if row.choices:
        return "|".join(row.choices) if len(row.choices) <= 5 else "CHOICE"
    return {"float": "NUMBER", "int": "N"}.get(row.kind, "TEXT")


def knobs_for(preset: Preset, given: Mapping[str, Value | None], **fixed: Value) -> Knobs:
    """Return the file commands' defaults, then the preset's, then what was given on the command
    line.

    Raises ParameterError when the register is upside down.
    """
    defaults = file_defaults(str(fixed.get("mode", "")))
    wished = {name: value for name, value in given.items() if value is not None}
    knobs = Knobs({**defaults, **preset.settings, **wished, **fixed})
    low, high = knobs.integer("low"), knobs.integer("high")
    if low > high:
        raise ParameterError(f"low {low} is above high {high}; give both")
    return knobs
