"""Lead sheets given to the file commands, and the chords of an answer as markers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge.files.tasks import Job
from engine.music.chord_names import Chord
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.heard_chords import heard_chords, named, with_lead
from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import PianoRoll, roll_to_notes
from engine.requests.lead_sheet import LeadSheetError, SheetBar, chord_cells, place, read_sheet
from engine.requests.request import ChordCell


def load_sheet(path: Path | None) -> list[SheetBar]:
    """Return the file's bars; none without a file. Raises LeadSheetError with the file's name."""
    if path is None:
        return []
    try:
        return read_sheet(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise LeadSheetError(f"{path}: cannot be read ({err.strerror or err})") from None
    except UnicodeDecodeError:
        raise LeadSheetError(f"{path}: not a text file; want chord symbols over bars") from None
    except LeadSheetError as err:
        raise LeadSheetError(f"{path}: {err}") from None


def with_sheet(job: Job, sheet: Sequence[SheetBar]) -> Job:
    """Return the job with the sheet's chords in the bars it is to make; tells of the others.

    Raises LeadSheetError where a bar's chords do not fit its meter.
    """
    if not sheet:
        return job
    meters = job.request.meters
    placed = place(sheet, lambda bar: meter_of(meters, bar))
    cells = chord_cells(placed, meters.bar_lines(0, max(job.to_step, 1)))
    inside = [c for c in cells if job.from_step <= c.first_step < job.to_step]
    first, last = job.bars
    outside = sorted({bar.number for bar in sheet if not first <= bar.number <= last})
    warnings = job.warnings
    if outside:
        bars = f"bar {outside[0]}" if len(outside) == 1 else f"bars {outside[0]} to {outside[-1]}"
        warnings += (
            f"{bars} of the lead sheet: not among the bars {first} to {last} that are made",
        )
    request = replace(job.request, chords=(*job.request.chords, *inside))
    return replace(job, request=request, warnings=warnings)


def meter_of(meters: MeterMap, bar: int) -> Meter:
    """Return the meter of bar `bar`, from 1."""
    line, current = 0, meters.changes[0][1]
    for _ in range(1, bar):
        line = meters.bar_lines(line, line + 1)[-1]
    for start, meter in meters.changes:
        current = meter if start <= line else current
    return current


def chord_markers(job: Job, answer: PianoRoll, cells: Sequence[ChordCell]) -> list[tuple[int, str]]:
    """(step, name) of each change of chord in the bars that were made.

    As the harmony plan says, or, without one, as the accompaniment sounds.
    """
    notes = roll_to_notes(answer)
    lead = [note for note in notes if note.voice == LEAD]
    below = [note for note in notes if note.voice == ACCOMPANIMENT]
    read_off = heard_chords(below, job.from_step, job.to_step)
    planned = [(cell.first_step, Chord(cell.classes, cell.bass)) for cell in cells]
    chords = [each for each in planned or read_off if job.from_step <= each[0] < job.to_step]
    names = (read_key(class_weights(notes)) or Key(0)).names
    return named(with_lead(chords, lead), names)
