"""The bundled melodies: named lines of whole bars, as the script writes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.files.tasks import SourcePiece
from engine.scores.midi_file import read
from engine.scores.score import Score

MELODIES = Path(__file__).resolve().parents[1] / "presets" / "melodies"


@pytest.mark.parametrize("path", sorted(MELODIES.glob("*.mid")), ids=lambda path: path.stem)
def test_bundled_melodies_are_one_named_line_of_whole_bars(path: Path) -> None:
    score: Score = read(path)
    (track,) = score.tracks
    assert track.name == "Melody"
    found = SourcePiece.of(score)
    assert found.melody.below == 0
    assert found.bars >= 12


def test_the_melodies_are_what_the_script_writes(tmp_path: Path) -> None:
    script = MELODIES.parents[1] / "scripts" / "make_melodies.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in MELODIES.glob("*.mid")}
    assert len(made) >= 5
