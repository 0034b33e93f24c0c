"""Lead sheets on their way to the engine, and its chords on their way to the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.files import lead_sheets
from bridge.files.tasks import Job
from engine.music.grid import ACCOMPANIMENT, PIANO, Meter, MeterMap
from engine.music.roll import Note, PianoRoll, notes_to_roll
from engine.requests import tasks
from engine.requests.lead_sheet import LeadSheetError, read_sheet
from engine.requests.request import ChordCell, FillRequest
from engine.scores import midi_file
from tests.song_files import FIXTURE, reply_of, run, song

C, G = frozenset({0, 4, 7}), frozenset({7, 11, 2})


def job(from_step: int = 0, to_step: int = 192, bars: tuple[int, int] = (1, 2)) -> Job:
    roll = PianoRoll.empty(192, 0, PIANO)
    return Job(
        FillRequest(roll, tasks.generate_mask(roll)), from_step, to_step, (ACCOMPANIMENT,), bars
    )


def test_a_sheet_becomes_the_requests_chords() -> None:
    found = lead_sheets.with_sheet(job(), read_sheet("| C | G/B |"))
    assert found.request.chords == (
        ChordCell(0, 24, C, 0),
        ChordCell(24, 96, C),
        ChordCell(96, 120, G, 11),
        ChordCell(120, 192, G, 11),
    )
    assert lead_sheets.with_sheet(job(), []).request.chords == ()


def test_bars_that_are_not_made_are_told_and_left_out() -> None:
    found = lead_sheets.with_sheet(job(96, 192, (2, 2)), read_sheet("| C | G | C | F |"))
    assert [cell.first_step for cell in found.request.chords] == [96, 120]
    assert found.warnings == (
        "bars 1 to 4 of the lead sheet: not among the bars 2 to 2 that are made",
    )


def test_the_meter_of_a_bar() -> None:
    meters = MeterMap(((0, Meter(4, 4)), (192, Meter(3, 4))))
    assert [str(lead_sheets.meter_of(meters, bar)) for bar in (1, 2, 3, 9)] == [
        "4/4",
        "4/4",
        "3/4",
        "3/4",
    ]


def test_markers_are_the_plans_chords_or_what_sounds() -> None:
    notes = [Note(0, p, 96) for p in (48, 52, 55)] + [Note(96, p, 96) for p in (47, 50, 55)]
    answer = notes_to_roll(notes, 0, 192, PIANO)
    assert lead_sheets.chord_markers(job(), answer, ()) == [(0, "C"), (96, "G/B")]
    cells = [ChordCell(step, step + 24, G, 7) for step in range(0, 192, 24)]
    assert lead_sheets.chord_markers(job(), answer, cells) == [(0, "G")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"| C |\n| H |", "line 2: chord 'H'"),
        (b"\xff\xfe\x00", "not a text file"),
        (None, "cannot be read"),
    ],
)
def test_bad_sheets_are_told_with_their_name(
    tmp_path: Path, content: bytes | None, text: str
) -> None:
    path = tmp_path / "tune.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LeadSheetError, match=r"tune\.txt") as err:
        lead_sheets.load_sheet(path)
    assert text in str(err.value)


def test_harmonize_follows_a_sheet_and_marks_its_chords(tmp_path: Path) -> None:
    source, target, sheet = song(tmp_path / "in.mid"), tmp_path / "out.mid", tmp_path / "tune.txt"
    sheet.write_text("| F | Bb . . C | | |")
    run("harmonize", source, "-o", target, "--chords", sheet, *FIXTURE)
    heard: dict[int, set[int]] = {}
    for note in reply_of(target):
        heard.setdefault(note.onset_step, set()).add(note.pitch % 12)
    assert [heard[step] for step in (0, 72, 96, 168)] == [{5, 9, 0}, {5, 9, 0}, {10, 2, 5}, C]
    score = midi_file.read(target)
    markers = {score.step_at(tick): text for tick, text in score.markers}
    assert [markers[step] for step in (0, 96, 168)] == ["F", "Bb", "C"]
    run("generate", "-o", target, "--bars", 2, "--chords", sheet, *FIXTURE)
    assert {"F", "Bb", "C"} <= {text for _, text in midi_file.read(target).markers}


def test_a_sheet_that_does_not_fit_is_told_in_one_line(tmp_path: Path) -> None:
    source, sheet = song(tmp_path / "in.mid"), tmp_path / "tune.txt"
    sheet.write_text("| C F G |")
    told = run("harmonize", source, "-o", tmp_path / "o.mid", "--chords", sheet, *FIXTURE, code=2)
    assert "bar 1 has 3 chords in 4/4; want 1, 2 or 4" in told.stderr
    assert not (tmp_path / "o.mid").exists()
