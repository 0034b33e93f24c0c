"""Command line options made from the table of parameters. Knows nothing of files or models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from bridge.commands import Value
from bridge.settings.knobs import Knobs
from bridge.settings.parameters import (
    BY_TASK,
    FILE_DEFAULTS,
    PARAMETERS,
    Parameter,
    ParameterError,
    check,
    find,
)
from bridge.settings.presets import Preset

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
SAMPLE_ROWS = tuple(row.name for row in PARAMETERS if row.scope == "sample")
"""What the file commands take, besides what each adds of its own."""


def _checked(ctx: click.Context, param: click.Parameter, value: str | None) -> Value | None:
    """An option's callback: the value as the table wants it, or what would be."""
    try:
        return None if value is None else check(str(param.name), value)
    except ParameterError as err:
        text = str(err).replace(str(param.name), _dashed(str(param.name)), 1)
        raise click.UsageError(f"--{text}", ctx) from None


def _metavar(row: Parameter) -> str:
    if row.choices:
        return "|".join(row.choices) if len(row.choices) <= 5 else "CHOICE"
    return {"float": "NUMBER", "int": "N", "text": "TEXT"}.get(row.kind, "0|1")


def table_options(
    names: Iterable[str] = SAMPLE_ROWS, *, leave_out: Iterable[str] = (), task: str = ""
) -> Callable[[AnyFunction], AnyFunction]:
    """One option for each row; an option not given is None, so that the preset decides."""
    rows = [find(name) for name in names if name not in set(leave_out)]

    def decorate(function: AnyFunction) -> AnyFunction:
        for row in reversed(rows):
            option = click.option(
                f"--{_dashed(row.name)}",
                row.name,
                callback=_checked,
                metavar=_metavar(row),
                help=_help(row, task),
            )
            function = option(function)
        return function

    return decorate


def knobs_for(preset: Preset, given: Mapping[str, Value | None], **fixed: Value) -> Knobs:
    """The file commands' defaults, then the preset's, then what was given on the command line.

    Raises ParameterError when the register is upside down.
    """
    for_task = BY_TASK.get(str(fixed.get("mode")), {})
    wished = {name: value for name, value in given.items() if value is not None}
    knobs = Knobs({**FILE_DEFAULTS, **for_task, **preset.settings, **wished, **fixed})
    low, high = knobs.integer("low"), knobs.integer("high")
    if low > high:
        raise ParameterError(f"low {low} is above high {high}; give both")
    return knobs


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _help(row: Parameter, task: str) -> str:
    facts = [row.describe_range()] if row.kind != "text" else []
    default = (FILE_DEFAULTS | BY_TASK.get(task, {}))[row.name]
    if default != "":
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        facts.append(f"default {shown}")
    return f"{row.doc} ({'; '.join(facts)})" if facts else row.doc
