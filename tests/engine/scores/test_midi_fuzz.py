"""Damaged MIDI files: a score or MidiFileError, in bounded time and memory.

In CI 1,500; `make stage` 100,000.
"""

from __future__ import annotations

import mido
import pytest

from engine.music.grid import MeterMap
from engine.music.roll import Note
from engine.scores.midi_events import MidiFileError
from engine.scores.midi_file import LONGEST_BEATS, parse
from engine.scores.midi_write import NewTrack, add_tracks, new_file, reply_track
from engine.scores.parts import REPLY_NAME
from tests.fuzz import growth_bytes, mutants
from tests.stage_figures import figure

FEW, MANY = 1_500, 100_000
COUNTS = [FEW, pytest.param(MANY, marks=[pytest.mark.stage, pytest.mark.timeout(1800)])]

NOTES = [Note(24 * i, 60 + i, 24, i % 2) for i in range(8)]


def with_everything() -> bytes:
    """Tempo, meter, text, sysex, running status, drums and controllers, as type 0."""
    from io import BytesIO

    track = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=400_000),
            mido.MetaMessage("time_signature", numerator=3, denominator=8),
            mido.MetaMessage("key_signature", key="Eb"),
            mido.Message("sysex", data=(1, 2, 3)),
            mido.Message("program_change", program=5),
        ]
    )
    for pitch in (60, 64, 67):
        track.append(mido.Message("note_on", note=pitch, velocity=80, time=10))
        track.append(mido.Message("note_on", note=pitch, velocity=0, time=200))
        track.append(mido.Message("note_on", note=36, channel=9, velocity=80))
        track.append(mido.Message("control_change", control=64, value=127))
    buffer = BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=96, tracks=[track]).save(file=buffer)
    return buffer.getvalue()


CORPUS = [
    new_file([NewTrack("a", NOTES), NewTrack("b", NOTES[:3])], 120.0, MeterMap(), "title"),
    new_file([NewTrack("", NOTES[:1])], 60.0, MeterMap()),
    with_everything(),
]


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_file_is_a_score_or_an_error_in_one_line(count: int) -> None:
    read = 0
    for data in mutants(CORPUS, count, seed=31):
        try:
            score = parse(data)
        except MidiFileError as err:
            text = str(err)
        else:
            read += 1
            text = ""
            assert score.end_step <= LONGEST_BEATS * 24 + 1
            assert all(0 <= n.pitch <= 127 for track in score.tracks for n in track.notes)
            assert score.meter_map().changes
        assert "\n" not in text
        assert len(text) < 200
    assert count // 20 < read < count
    if count == MANY:
        figure("malformed MIDI files survived", f"{count:,} of {count:,}", "100 % of 100,000")


def test_what_was_read_can_be_written_and_read_again() -> None:
    written = 0
    for data in mutants(CORPUS, 400, seed=32):
        try:
            score = parse(data)
        except MidiFileError:
            continue
        again = parse(add_tracks(score, [reply_track(score, NOTES, None)]))
        assert again.tracks[-1].name == REPLY_NAME
        assert {note.pitch for note in again.tracks[-1].notes} <= set(range(60, 68))
        written += 1
    assert written > 20


def test_damaged_files_leave_no_memory_behind() -> None:
    files = list(mutants(CORPUS, 300, seed=33))

    def act() -> None:
        for data in files:
            try:
                parse(data)
            except MidiFileError:
                continue

    assert growth_bytes(act, enough=4096) < 4096
