"""What the file commands refuse, warn of, and promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.scores.midi_write import NewTrack
from tests.song_files import BASS, FIXTURE, TUNE, run, song


def refused(*arguments: object) -> str:
    """The one line on stderr; exit code 2."""
    result = run(*arguments, code=2)
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    return line


def test_bad_wishes_are_told_in_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    source, out = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    head = ("harmonize", source, "-o", out, *FIXTURE)
    told: list[tuple[tuple[Any, ...], str]] = [
        ((*head, "--steps", "many"), "harmonize: --steps wants 1 to 100, not 'many'"),
        ((*head, "--temperature", 9), "temperature wants 0.1 to 2"),
        ((*head, "--style", "hym"), "(did you mean 'hymn'?)"),
        ((*head, "--low", 80, "--high", 50), "low 80 is above high 50"),
        ((*head, "--melody-track", "Melodi"), "(did you mean 'Melody'?); tracks with notes"),
        ((*head, "--preset", "fixtur"), "(did you mean 'fixture'?)"),
        ((*head, "--chord", "H7"), "want a chord such as"),
        ((*head, "--tempo", 90), "--tempo"),
        (("harmonize", source, *FIXTURE), "say where the result goes"),
        (("harmonize", source, source, "-o", out, *FIXTURE), "-o takes one file"),
        (("harmonize", tmp_path, "-o", out, *FIXTURE), "-o takes one file"),
        (("harmonize", source, "-o", out, "--out-dir", tmp_path), "say where the result goes"),
        (("harmonize", source, "-o", source, *FIXTURE), "that is the input itself"),
        (("harmonize", source, "-o", tmp_path / "o.wav", *FIXTURE), "end in .mid or .midi"),
        (("harmonize", source, "--out-dir", tmp_path, *FIXTURE), "is one of the inputs"),
        (("harmonize", source, "--out-dir", source, *FIXTURE), "a file, not a folder"),
        (("harmonize", tmp_path / "no.mid", "-o", out, *FIXTURE), "no such file"),
        (
            ("infill", source, "-o", out, "--from-bar", 3, "--to-bar", 9, *FIXTURE),
            "no bars 3 to 9; the piece has bars 1 to 4",
        ),
        (("vary", source, "-o", out, "--from-bar", 0, *FIXTURE), "no bars 0 to 4"),
        (("continue", source, "-o", out, "--bars", 0, *FIXTURE), "--bars wants 1 to 1000"),
        (("generate", "-o", out, "--meter", "4/5", *FIXTURE), "--meter 4/5"),
        (("generate", "-o", tmp_path / "x.png", *FIXTURE), "end in .mid or .midi"),
        (("render", source, "-o", out), "end in .png"),
        (("render", tmp_path), "say where the result goes"),
        (("render", source, tmp_path / "in.png"), "is one of the inputs"),
    ]
    for arguments, expected in told:
        assert expected in refused(*arguments)
    (tmp_path / "empty").mkdir()
    line = refused("harmonize", tmp_path / "empty", "--out-dir", tmp_path / "o", *FIXTURE)
    assert "no MIDI files" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "in.mid"]


@pytest.mark.parametrize("size", range(0, 120, 7))
def test_a_truncated_file_is_told_with_exit_code_2(size: int, tmp_path: Path) -> None:
    whole = song(tmp_path / "in.mid").read_bytes()
    cut = tmp_path / "cut.mid"
    cut.write_bytes(whole[:size])
    assert str(cut) in refused("harmonize", cut, "-o", tmp_path / "out.mid", *FIXTURE)
    assert not (tmp_path / "out.mid").exists()


def test_what_the_musician_should_know_is_said(tmp_path: Path) -> None:
    source = song(tmp_path / "in.mid", NewTrack("Melody", TUNE), NewTrack("Bass", BASS))
    first = run("harmonize", source, "-o", tmp_path / "one.mid", *FIXTURE)
    assert "kept but not used: track 2 'Bass'" in first.stderr
    again = run("harmonize", tmp_path / "one.mid", "-o", tmp_path / "two.mid", *FIXTURE)
    assert "there is a midi-diffuse track already" in again.stderr


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    source = song(tmp_path / "in.mid")
    for name in ("a", "b"):
        run("harmonize", source, "-o", tmp_path / f"{name}.mid", "--seed", 9, *FIXTURE)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_importing_the_commands_imports_neither_torch_nor_pillow() -> None:
    heavy = "[name for name in ('torch', 'PIL', 'tqdm') if name in sys.modules]"
    code = f"import sys, bridge.cli.files; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
