"""`midi-diffuse replay` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.main import main
from bridge.live.session import Session
from engine.scores.midi_file import parse as parse_midi
from tests.log_rig import logged, song_rig
from tests.session_rig import MS, Rig, S, clock, play

SETTINGS = {"reply": "live"}


@pytest.fixture(scope="module")
def song() -> tuple[Rig, list[str]]:
    """A song and the log of it."""
    rig = song_rig()
    return rig, logged(rig, {"seed": 4})


def test_replay_prints_and_writes_what_was_sent(tmp_path: Path) -> None:
    rig = Rig(Session(SETTINGS)).add(clock(8)).add(play(60, 0, 400 * MS)).run(4 * S)
    log = tmp_path / "a.jsonl"
    log.write_text("\n".join(logged(rig, dict(SETTINGS))))
    ran = CliRunner().invoke(main, ["replay", str(log), "--midi", str(tmp_path / "out.mid")])
    assert ran.exit_code == 0, ran.output
    assert "replay    exact: the effects of all" in ran.output
    assert "notes and clock played in" in ran.output
    score = parse_midi((tmp_path / "out.mid").read_bytes())
    tracks = {track.name: track for track in score.tracks}
    assert [(n.onset_tick, n.pitch, n.length_ticks) for n in tracks["played in"].notes] == [
        (0, 60, 400)
    ]
    ons = [(round(due / MS), data[1]) for _, due, data in rig.sent if data[0] == 0x90]
    assert ons
    assert [(n.onset_tick, n.pitch) for n in tracks["sent"].notes] == sorted(ons)


def test_replay_exits_with_1_when_it_differs(song: tuple[Rig, list[str]], tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text("\n".join([song[1][0].replace('"seed":4', '"seed":5'), *song[1][1:]]))
    ran = CliRunner().invoke(main, ["replay", str(log)])
    assert ran.exit_code == 1
    assert "DIFFERS at line" in ran.output
    assert json.loads(CliRunner().invoke(main, ["replay", str(log), "--json"]).output)[
        "difference"
    ]["line"]


def test_replay_of_nothing_is_one_line(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["replay", str(tmp_path)])
    assert ran.exit_code == 2
    assert ran.stderr.count("\n") == 1
    assert "no logs here" in ran.stderr
