"""Small MIDI files, and the file commands run on them with the fixture engine."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from bridge.cli.main import main
from engine.music.grid import ACCOMPANIMENT, LEAD, MeterMap
from engine.music.roll import Note
from engine.scores.midi_file import read
from engine.scores.midi_write import NewTrack, new_file

FIXTURE = ("--preset", "fixture")
TUNE = [Note(24 * i, 72 + (0, 2, 4, 5)[i % 4], 24, LEAD, 100) for i in range(16)]  # 4 bars
BASS = [Note(96 * i, 40, 96, ACCOMPANIMENT, 70) for i in range(4)]


def song(path: Path, *tracks: NewTrack, meters: MeterMap = MeterMap()) -> Path:  # noqa: B008
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(new_file(tracks or [NewTrack("Melody", TUNE)], 100, meters))
    return path


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result


def reply_of(path: Path) -> list[Note]:
    score = read(path)
    (track,) = [track for track in score.tracks if track.name == "midi-diffuse"]
    return score.notes_of(track)


def same_chunks(before: Path, after: Path) -> bool:
    old, new = read(before), read(after)
    return new.chunks[:-1] == old.chunks
