"""The scripts for DAWs are made of their parts; Reaper's runs on a stand-in for its functions."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.live import serve
from scripts.make_daw import FOLDER, SCRIPTS, SOURCES, make
from tests.live.conftest import need

ROOT = Path(__file__).parents[1]
PPQ = 960


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_files_are_what_is_made_of_their_parts(name: str) -> None:
    made = make()[name]
    assert (FOLDER / name).read_text(encoding="utf-8") == made, "run: python -m scripts.make_daw"
    assert "--@" not in made
    assert not (FOLDER / name).read_bytes().startswith(b"\xef\xbb\xbf")


def test_every_part_is_used() -> None:
    text = "".join(path.read_text() for path in SOURCES.glob("*.lua"))
    included = set(re.findall(r"--@ (\S+)", text))
    assert {path.name for path in SOURCES.glob("*.lua")} == included | set(SCRIPTS.values())


def reaper(typed: str, *span: object) -> str:
    need("lua5.4")
    script = FOLDER / "reaper" / "midi-diffuse.lua"
    words = ["lua5.4", str(ROOT / "tests" / "reaper_stub.lua"), str(script), typed, *map(str, span)]
    command = f"env PYTHONPATH={ROOT} {sys.executable} -m bridge"
    environment = {**os.environ, "MIDI_DIFFUSE": command}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def notes(said: str) -> list[tuple[float, int]]:
    """Onset in quarter notes of the new item and pitch."""
    found = re.findall(r"^NOTE (\S+) \S+ \d+ (\d+)", said, re.M)
    return sorted((float(ppq) / PPQ, int(pitch)) for ppq, pitch in found)


def test_reapers_answer_is_in_time_with_the_item() -> None:
    said = reaper("harmonize\n--preset fixture", 0, 6)
    lead = [60 + beat % 5 for beat in range(6)]  # the rest lies behind the item's end
    triads = [(float(b), p - 12 + step) for b, p in enumerate(lead) for step in (0, 4, 7)]
    assert notes(said) == sorted(triads)
    assert "ITEM midi-diffuse 0 6" in said
    assert "UNDO midi-diffuse harmonize" in said
    assert "BOX" not in said


def test_an_item_within_a_bar_is_answered_from_its_bar_line() -> None:
    said = reaper("harmonize\n--preset fixture", 4, 9)
    assert "ITEM midi-diffuse 3 9" in said
    assert {onset for onset, _ in notes(said)} >= {1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.parametrize(
    ("typed", "span", "text"),
    [
        ("harmonize\n--preset nonsense", (0, 6), "no preset 'nonsense'"),
        ("12", (0, 6), "the command is harmonize"),
        ("harmonize\n", (), "select a MIDI item first"),
        ("harmonize\n", (20, 20), "there are no notes"),
    ],
)
def test_what_is_wrong_is_shown_and_no_track_is_made(
    typed: str, span: tuple[int, ...], text: str
) -> None:
    said = reaper(typed, *span)
    assert f"BOX {text}" in said or ("BOX" in said and text in said)
    assert "TRACKS 0" in said


def test_a_dialog_that_is_cancelled_does_nothing() -> None:
    assert reaper("cancel", 0, 6) == "TRACKS 0\n"


def test_the_track_template_has_a_track_to_play_and_one_to_answer() -> None:
    text = (FOLDER / "reaper" / "midi-diffuse.RTrackTemplate").read_text()
    tracks = re.findall(r"^<TRACK\n(.*?)^>\n", text, re.M | re.S)
    assert "".join(f"<TRACK\n{track}>\n" for track in tracks) == text
    rows = [dict(line.split(maxsplit=1) for line in track.splitlines()) for track in tracks]
    assert [row["NAME"] for row in rows] == ["Melody", "midi-diffuse"]
    # MIDI (4096), all devices (63, five bits up), all channels (0).
    armed = [row["REC"].split()[:2] for row in rows]
    assert armed == [["1", str(4096 + (63 << 5))], ["0", str(4096 + (63 << 5))]]


def test_the_desktop_entry_starts_the_daemon() -> None:
    entry = configparser.ConfigParser(interpolation=None)
    entry.optionxform = str  # type: ignore[assignment, method-assign]
    entry.read(ROOT / "service" / "midi-diffuse.desktop")
    row = entry["Desktop Entry"]
    assert (row["Type"], row["Terminal"]) == ("Application", "true")
    program, *words = row["Exec"].split()
    assert (program, words[0]) == ("midi-diffuse", "serve")
    parsed = serve.make_context("serve", words[1:], resilient_parsing=True)
    assert parsed.params["monitor"]
    assert all(row[key].endswith(";") for key in ("Categories", "Keywords"))
