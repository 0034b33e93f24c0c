"""The table of addresses."""

from __future__ import annotations

import ast
from pathlib import Path

import bridge
from bridge.osc.schema import IN_ROWS, OUT_ROWS
from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import PARAMETERS


def test_one_row_for_each_parameter_action_and_answer() -> None:
    names = [row.address for row in (*IN_ROWS, *OUT_ROWS)]
    assert len(set(names)) == len(names)
    assert [row.source for row in IN_ROWS] == [*PARAMETERS, *ACTIONS]
    assert all(row.doc and row.address.startswith("/diffuse/") for row in (*IN_ROWS, *OUT_ROWS))


def sent_messages() -> list[tuple[str, int | None, str]]:
    """(address, number of arguments or None, place) of every OscOut the sources make."""
    found = []
    for path in sorted(Path(bridge.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id != "OscOut" or len(node.args) < 2:
                continue
            address, arguments = node.args[0], node.args[1]
            if isinstance(address, ast.Constant):
                count = len(arguments.elts) if isinstance(arguments, ast.Tuple) else None
                found.append((str(address.value), count, f"{path.name}:{node.lineno}"))
    return found


def test_what_the_sources_send_is_in_the_table() -> None:
    table = {row.address: row for row in (*IN_ROWS, *OUT_ROWS)}
    messages = sent_messages()
    assert len(messages) > 8
    for address, count, place in messages:
        assert address in table, place
        assert count in (None, len(table[address].arguments)), place
