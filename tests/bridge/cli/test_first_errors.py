"""What is wrong with a file command is said before torch is loaded, and soon."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.main import main

TUNE = "presets/melodies/ode-to-joy.mid"
SOON_S = 0.7
"""Of the command itself; the interpreter's own start is not in it."""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("harmonize", "nothing.mid", "-o", "{out}"), "no such file"),
        (("harmonize", "/dev/zero", "-o", "{out}"), "not a regular file"),
        (("harmonize", "{fifo}", "-o", "{out}"), "not a regular file"),
        (("harmonize", TUNE, "-o", "{out}", "--device", "mps"), "device mps is not available"),
        (("harmonize", TUNE, "-o", "{out}", "--melody-track", "9"), "9"),
        (("harmonize", TUNE, "-o", "/proc/none/x.mid"), "not a folder that can be written to"),
        (("harmonize", TUNE, TUNE, "--out-dir", "/proc/none"), "that can be written to"),
        (("harmonize", TUNE, "-o", "{out}", "--style", "polka"), "style wants"),
        (("infill", TUNE, "-o", "{out}", "--from-bar", "90", "--to-bar", "99"), "no bars 90 to 99"),
        (("vary", TUNE, "-o", "{out}", "--from-bar", "9", "--to-bar", "2"), "no bars 9 to 2"),
        (("generate", "-o", "{out}", "--bars", "0"), "--bars wants 1 to"),
        (("generate", "-o", "/proc/none/x.mid"), "not a folder that can be written to"),
        (("continue", TUNE, "-o", "{out}", "--preset", "nonesuch"), "no preset 'nonesuch'"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="names a folder that Linux has")
def test_mistakes_are_told_before_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], text: str
) -> None:
    def load_engine(*_: object) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("bridge.cli.file_job.load_engine", load_engine)
    os.mkfifo(tmp_path / "in.mid")
    places = {"out": tmp_path / "out.mid", "fifo": tmp_path / "in.mid"}
    given = [word.format(**places) for word in words]
    begun_s = time.process_time()
    result = CliRunner().invoke(main, given)
    spent_s = time.process_time() - begun_s
    assert result.exit_code == 2
    assert text in result.output
    assert result.output.count("\n") == 1
    assert spent_s < SOON_S
    assert not (tmp_path / "out.mid").exists()
