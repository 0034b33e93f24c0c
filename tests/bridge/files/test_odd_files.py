"""Files that are a little odd, through the file commands: what is kept and what is told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bridge.files.tasks import SourcePiece
from engine.music.grid import Meter, MeterMap
from engine.scores.midi_file import read
from engine.scores.score import TickNote
from tests.midi_bytes import Message, Meta, bare, midi, off, on
from tests.song_files import FIXTURE, run

SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def tune(beat: int = 480, channel: int = 0) -> list[Message]:
    strokes = ((on(p, 0, 90, channel), off(p, beat, channel)) for p in SCALE)
    return [Meta("track_name", name="Melody"), *(stroke for pair in strokes for stroke in pair)]


def warnings_of(task: str, data: bytes, tmp_path: Path, *options: object) -> list[str]:
    (tmp_path / "in.mid").write_bytes(data)
    result = run(task, tmp_path / "in.mid", "-o", tmp_path / "o.mid", "--json", *options, *FIXTURE)
    told: list[str] = json.loads(result.stdout)["warnings"]
    return told


@pytest.mark.parametrize("task", ["harmonize", "continue", "infill", "vary"])
def test_what_of_the_file_was_skipped_is_told(task: str, tmp_path: Path) -> None:
    body = bytes([0, 0xFF, 0x58, 4, 0, 2, 24, 8])
    for pitch in SCALE:
        body += bytes([0, 0x90, pitch, 90, 96, pitch, 0])
    told = warnings_of(task, bare(body, division=96), tmp_path)
    assert "an absurd meter of 0/4 at beat 1 is skipped" in told


@pytest.mark.parametrize(("ticks", "counted"), [(1, "1 tick"), (2, "2 ticks"), (24, "")])
def test_ticks_too_coarse_for_the_notes_are_told(ticks: int, counted: str, tmp_path: Path) -> None:
    told = warnings_of("harmonize", midi(tune(ticks), ticks=ticks), tmp_path)
    found = [line for line in told if "a beat" in line]
    line = f"the file has only {counted} a beat: new notes move to these or merge"
    assert found == ([line] if counted else [])


def test_a_picture_tells_what_was_skipped(tmp_path: Path) -> None:
    body = bytes([0, 0xFF, 0x58, 4, 255, 2, 24, 8, 0, 0x90, 60, 90, 96, 60, 0])
    (tmp_path / "in.mid").write_bytes(bare(body, division=96))
    result = run("render", tmp_path / "in.mid", "-o", tmp_path / "o.png")
    assert "an absurd meter of 255/4 at beat 1 is skipped" in result.stderr


def test_a_reply_without_a_channel_of_its_own_is_told_and_changes_no_sound(tmp_path: Path) -> None:
    others = [[on(40, 0, 90, c), off(40, 480, c)] for c in range(1, 16)]
    told = warnings_of("harmonize", midi(tune(), *others), tmp_path)
    assert any("every channel is in use" in line for line in told)
    before, after = read(tmp_path / "in.mid"), read(tmp_path / "o.mid")
    assert after.tracks[:-1] == before.tracks
    assert after.tracks[-1].channel == 0
    assert not any("every channel" in line for line in warnings_of("vary", midi(tune()), tmp_path))


def test_the_reply_takes_the_melodys_program_from_whatever_track_it_stands_in(
    tmp_path: Path,
) -> None:
    flute = [Message("program_change", program=73), on(60, 1920), off(60, 960)]
    warnings_of("harmonize", midi([Meta("track_name", name="Flute 1"), *flute], tune()), tmp_path)
    reply = read(tmp_path / "o.mid").tracks[-1]
    assert (reply.channel, reply.program) == (1, 73)


def test_a_meter_in_whole_notes_is_none_to_skip(tmp_path: Path) -> None:
    meter = [Meta("time_signature", numerator=4, denominator=1)]
    told = warnings_of("harmonize", midi(meter, tune()), tmp_path)
    assert not any("meter" in line for line in told)
    assert read(tmp_path / "o.mid").meter_map() == MeterMap(((0, Meter(4, 1)),))


def test_thousands_of_meters_take_no_minute(tmp_path: Path) -> None:
    meters = (bytes([96, 0xFF, 0x58, 4, 3 + i % 2, 2, 24, 8]) for i in range(8000))
    note = bytes([0, 0x90, 60, 90, 96, 60, 0])
    body = note + b"".join(meters) + note
    (tmp_path / "in.mid").write_bytes(bare(body, division=96))
    begun_s = time.process_time()
    piece = SourcePiece.of(read(tmp_path / "in.mid"))
    assert piece.bars == 8001
    assert time.process_time() - begun_s < 2


def test_a_folder_may_hold_files_in_a_riff_wrapper(tmp_path: Path) -> None:
    data = midi(tune())
    wrapped = b"RMIDdata" + len(data).to_bytes(4, "little") + data
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "a.rmi").write_bytes(b"RIFF" + bytes(4) + wrapped)
    run("harmonize", tmp_path / "songs", "--out-dir", tmp_path / "out", *FIXTURE)
    (track, _) = read(tmp_path / "out" / "a.mid").tracks
    assert [note.pitch for note in track.notes] == list(SCALE)


@pytest.mark.parametrize("on_first", [True, False])
def test_filling_a_bar_keeps_the_repeated_notes_beside_it(on_first: bool, tmp_path: Path) -> None:
    strokes = [on(67)]
    for _ in range(11):
        strokes += [on(67, 480), off(67)] if on_first else [off(67, 480), on(67)]
    data = midi([Meta("track_name", name="Melody"), *strokes, off(67, 480)])
    warnings_of("infill", data, tmp_path, "--from-bar", 2, "--to-bar", 2, "--replace")
    kept = read(tmp_path / "o.mid").tracks[0].notes
    beats = [0, 1, 2, 3, 8, 9, 10, 11]
    assert list(kept) == [TickNote(480 * beat, 67, 480, 0, 90) for beat in beats]
