"""The event log: what is written reads back, replays exactly, and shows what differs."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.commands import (
    Act,
    Command,
    Effect,
    LogLine,
    MidiIn,
    OscOut,
    SendMidi,
)
from bridge.event_log.lines import Header, LogError, command_line, parse_line
from bridge.event_log.outcomes import Outcome, Recorded, outcome, outcome_line, read_outcome
from bridge.event_log.replay import replay
from bridge.event_log.writer import read_lines
from bridge.live.session import Session
from tests.log_rig import KEPT, logged, song_rig
from tests.session_rig import Rig


def test_an_outcome_reads_back_and_its_digest_sees_every_effect() -> None:
    bar = OscOut("/diffuse/out/bar", (1,))
    effects: list[Effect] = [SendMidi(120, (0x90, 60, 9)), bar, LogLine(20, "hm")]
    found = outcome(effects)
    assert found.sends == ((120, (0x90, 60, 9)),)
    assert found.lines == ("hm",)
    assert read_outcome(parse_line(outcome_line(found, 100)), 100) == found
    assert outcome([*effects[:1], OscOut("/diffuse/out/bar", (2,)), *effects[2:]]) != found
    assert outcome_line(found, 100) == (
        f'{{"crc":{found.digest},"send":[[20,144,60,9]],"told":["hm"]}}'
    )


@pytest.fixture(scope="module")
def song() -> tuple[Rig, list[str]]:
    """A song and the log of it."""
    rig = song_rig()
    return rig, logged(rig, {"seed": 4})


def test_a_log_replays_exactly(song: tuple[Rig, list[str]]) -> None:
    rig, lines = song
    found = replay(lines)
    assert found.exact
    assert found.difference is None
    assert found.stepped == found.commands == len(rig.commands)
    assert found.sent == [(due_ns, data) for _, due_ns, data in rig.sent]
    assert len(found.sent) > 20
    assert found.ended == "stopped"
    assert found.requests == len(rig.requests)
    assert len(found.received) == sum(isinstance(c, MidiIn) for c in rig.commands)


def test_it_replays_exactly_in_another_process_with_other_hashes(
    song: tuple[Rig, list[str]], tmp_path: Path
) -> None:
    log = tmp_path / "one.jsonl"
    log.write_text("\n".join(song[1]))
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "bridge", "replay", str(log), "--json"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout)["exact"]


def test_the_first_difference_is_shown(song: tuple[Rig, list[str]]) -> None:
    lines = list(song[1])
    place = next(i for i, line in enumerate(lines) if '"send":[[' in line and ",144," in line)
    row = json.loads(lines[place])
    row["send"][0][2] += 1
    lines[place] = json.dumps(row)
    found = replay(lines)
    assert found.difference is not None
    assert not found.exact
    assert found.difference.line == place  # the command is the line before, counted from 1
    assert found.difference.text.startswith("then sent [144, ")
    assert found.stepped < found.commands


def test_a_changed_setting_shows(song: tuple[Rig, list[str]]) -> None:
    lines = [song[1][0].replace('"seed":4', '"seed":5'), *song[1][1:]]
    difference = replay(lines).difference
    assert difference is not None
    assert "requests differ" in difference.text


def test_what_was_lost_ends_the_replay_but_not_the_reading(song: tuple[Rig, list[str]]) -> None:
    _, lines = song
    found = replay([*lines[:100], '{"lost":7}', *lines[120:]])
    assert found.incomplete == "7 commands were not written"
    assert found.lost == 7
    assert found.difference is None
    assert found.stepped < 100 < found.commands


def test_a_log_that_was_cut_off_replays_to_its_end(song: tuple[Rig, list[str]]) -> None:
    text = "\n".join(song[1])
    for cut in (len(text) - 40, len(text) // 2, len(text) // 3 + 1):
        found = replay(text[:cut].split("\n"))
        assert found.difference is None
        assert found.ended == ""


def test_missing_parts_are_told(song: tuple[Rig, list[str]]) -> None:
    head = json.loads(song[1][0])
    first = json.dumps({**head, "part": 1})
    assert replay([first, *song[1][1:]]).incomplete == "parts 0 to 0 are not there"
    third = json.dumps({**head, "part": 2})
    assert replay([*song[1][:50], third, "5"]).incomplete == "part 1 is not there"


def test_a_fault_is_part_of_the_log() -> None:
    header = Header("0.1.0", "test", 0, 0, "now", {}).line()
    odd = command_line(Act(5, "nonesuch"), 0)
    found = replay([header, odd, '{"fault":"KeyError: \'nonesuch\'"}', '{"end":"stopped"}'])
    assert found.exact
    assert found.faults == ["KeyError: 'nonesuch'"]
    found = replay([header, odd, '{"end":"stopped"}'])
    assert found.difference is not None
    assert found.difference.text == "then no fault, now KeyError: 'nonesuch'"


def test_a_session_that_fails_is_noted_and_still_fails() -> None:
    noted: list[tuple[Command, str]] = []
    session = Recorded(Session({}), lambda command, effects, fault: noted.append((command, fault)))
    with pytest.raises(KeyError):
        session.step(Act(5, "nonesuch"))
    assert noted == [(Act(5, "nonesuch"), "KeyError: 'nonesuch'")]


HEADER = Header("0.1.0", "test", 0, 0, "now", {}).line()


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([], "an empty log"),
        (["{}"], "not a log of midi-diffuse"),
        (['{"midi-diffuse":"9","format":2}'], "a log of format 2"),
        (['{"midi-diffuse":"9","format":1}'], "a damaged header"),
        (["nonsense", "5"], "line 1: not JSON"),
        (
            [HEADER.replace("{}", '{"tune":1}')],
            "written by 0.1.0, whose settings this version does",
        ),
        ([HEADER.replace('"at_ns":0', '"at_ns":1e999'), "5"], "a damaged header"),
        (["x" * ((1 << 20) + 1), "5"], "line 1: a line of 1048577 characters"),
    ],
)
def test_what_is_no_log_is_told(lines: list[str], error: str) -> None:
    with pytest.raises(LogError, match=error):
        replay(lines)


@pytest.mark.parametrize(
    "line",
    [
        '"x"',
        "[1]",
        '[1,"nonesuch"]',
        '[1,"midi","x"]',
        '[1,"plan",[1,2],[]]',
        "null",
        "1.5",
        '[1,"plan",[1,2,3,4,5],[1]]',
        '[1,"set",null,"seed",{}]',
        '[1,"due",3]',
        '{"send":[[1]]}',
        '[1,"act",7,"stop"]',
        "[" * 900,
        '{"lost":"x"}',
        '{"lost":Infinity}',
        '{"late":[1e999]}',
        '{"crc":-Infinity}',
        '[1e999,"midi",248]',
        '{"late":3}',
        '{"late":["x"]}',
    ],
)
def test_damaged_lines_are_told_with_their_number(line: str) -> None:
    with pytest.raises(LogError, match="line 2: "):
        replay([HEADER, line, "5"])


def test_damaged_logs_give_a_log_error_or_a_replay(song: tuple[Rig, list[str]]) -> None:
    draw = random.Random(3)
    text = "\n".join(song[1][:400]).encode()
    for _ in range(60):
        damaged = bytearray(text)
        for _ in range(draw.randrange(1, 6)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(32, 127)
        with contextlib.suppress(LogError):
            replay(damaged.decode().split("\n"))


def test_outcomes_that_are_nothing_are_equal() -> None:
    assert outcome([]) == Outcome()


@pytest.mark.parametrize("name", ["seeking", "looping"])
def test_a_log_of_an_earlier_version_replays_exactly(name: str) -> None:
    """Until what is played is meant to change: then `python -m tests.log_rig`, and say so."""
    found = replay(read_lines([KEPT / f"{name}.jsonl.gz"]))
    assert found.difference is None
    assert found.exact
    assert found.stepped > 300
    assert sum(data[0] & 0xF0 == 0x90 for _, data in found.sent) > 40
