"""The doctor's checks by themselves, where they need no MIDI system."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.doctor import made
from bridge.cli.main import main
from bridge.doctor import machine_checks, midi_checks
from bridge.doctor.finding import FAIL, OK, WARN, Finding, worst


def test_the_gravest_level_counts() -> None:
    rows = [Finding("a", OK, ""), Finding("b", FAIL, ""), Finding("c", WARN, "")]
    assert (worst(rows), worst(rows[2:]), worst([])) == (FAIL, WARN, OK)


def test_a_check_that_breaks_is_a_finding() -> None:
    def broken() -> Finding:
        raise OSError("no\nway")

    assert made("x", broken) == [
        Finding("x", FAIL, "no way", "if this looks wrong, please report it")
    ]


def test_an_osc_port_that_is_taken_is_told_with_its_holder() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        found = machine_checks.osc_port(port)
        assert (found.level, str(port) in found.text) == (WARN, True)
    assert machine_checks.osc_port(port).level == OK


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    assert machine_checks.folder(tmp_path / "new").level == OK
    (tmp_path / "file").write_text("")
    found = machine_checks.folder(tmp_path / "file")
    assert (found.level, "--no-log" in found.fix) == (WARN, True)


@pytest.mark.parametrize(("plan_ms", "level"), [(80, OK), (400, WARN), (2000, FAIL)])
def test_how_long_a_plan_may_take(plan_ms: float, level: str) -> None:
    found = machine_checks.engine_finding("hymn", "cpu", plan_ms)
    assert found.level == level
    assert bool(found.fix) == (level != OK)


def test_what_a_loop_says() -> None:
    assert midi_checks.loop_finding([12.0] * 3, 4).level == FAIL
    found = midi_checks.loop_finding([12.0, 11.0, 14.0, 12.0], 4)
    assert (found.level, found.text) == (OK, "12.0 ms there and back, at most 14.0 ms")
    assert "--input-offset-ms -6" in found.fix
    assert midi_checks.loop_finding([50.0] * 4, 4).level == WARN
    assert midi_checks.loop_finding([1.0] * 4, 4).fix == ""


def test_shipped_presets_are_intact() -> None:
    assert [found.level for found in machine_checks.models()] == [OK]


def test_the_command_tells_programs_all_of_it() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", "--no-engine"])
    found = json.loads(result.stdout)
    names = [row["name"] for row in found["checks"]]
    assert {"versions", "MIDI system", "MIDI clock", "echo", "timers", "presets"} <= set(names)
    assert result.exit_code == int(found["worst"] == FAIL)


def test_an_engine_without_a_network_is_fine() -> None:
    assert machine_checks.engine("fixture").level == OK
