"""The parameter table as a page needs it."""

from __future__ import annotations

from typing import Any

from bridge.settings.actions import ACTIONS
from bridge.settings.groups import APART, ESSENTIAL, groups, row_label
from bridge.settings.parameters import PARAMETERS
from bridge.settings.presets import list_presets
from bridge.settings.rows import Parameter


def table_for_page() -> dict[str, Any]:
    """Parameters by group, the essential ones, actions and presets, for JSON."""
    return {
        "parameters": {row.name: _row(row) for row in PARAMETERS},
        "groups": [[group.title, [row.name for row in group.rows]] for group in groups()],
        "essential": list(ESSENTIAL),
        "apart": list(APART),
        "actions": {action.name: action.doc for action in ACTIONS},
        "presets": [
            {"name": each.name, "description": each.preset.description}
            for each in list_presets()
            if each.preset
        ],
    }


def _row(row: Parameter) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "label": row_label(row),
        "doc": row.doc,
        "low": row.low,
        "high": row.high,
        "choices": list(row.choices),
        "unit": row.unit,
        "default": row.default,
        "cc": row.cc,
    }
