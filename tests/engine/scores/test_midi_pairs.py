"""Which off ends which on, and what else ends a note."""

from __future__ import annotations

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scores.midi_file import parse
from engine.scores.midi_write import NewTrack, add_tracks, without_notes
from tests.midi_bytes import Message, bare, midi, off, on

Notes = list[tuple[int, int]]


def notes_of(data: bytes, track: int = 0) -> Notes:
    """(onset, length) in ticks of one part."""
    return [(note.onset_tick, note.length_ticks) for note in parse(data).tracks[track].notes]


def repeated(count: int, *, on_first: bool) -> bytes:
    """So many quarters of one key; where they meet, the new on or the old off is written first."""
    messages = [on(67)]
    for _ in range(count - 1):
        messages += [on(67, 480), off(67)] if on_first else [off(67, 480), on(67)]
    return midi([*messages, off(67, 480)])


QUARTERS = [(480 * i, 480) for i in range(12)]


@pytest.mark.parametrize("on_first", [True, False])
def test_repeated_quarters_are_quarters_whichever_is_written_first(on_first: bool) -> None:
    assert notes_of(repeated(8, on_first=on_first)) == QUARTERS[:8]


@pytest.mark.parametrize("on_first", [True, False])
def test_taking_a_bar_of_repeated_quarters_out_keeps_the_others(on_first: bool) -> None:
    score = parse(repeated(12, on_first=on_first))
    cut = without_notes(score, score.tracks, 96, 192)
    again = parse(add_tracks(cut, [NewTrack("x", [])]))
    assert again.tracks == cut.tracks
    kept = [(note.onset_tick, note.length_ticks) for note in again.tracks[0].notes]
    assert kept == QUARTERS[:4] + QUARTERS[8:]


def test_an_off_ends_the_oldest_of_two_overlapping_notes() -> None:
    data = midi([on(67), on(67, 400), off(67, 80), off(67, 400)])
    assert notes_of(data) == [(0, 480), (400, 480)]


def test_a_missing_off_does_not_shift_the_notes_behind_it() -> None:
    tune = [on(67)]
    for _ in range(3):
        tune += [on(67, 480), off(67, 240)]
    assert notes_of(midi(tune)) == [(0, 480), (480, 240), (1200, 240), (1920, 240)]
    tune = [on(67), on(67, 480)]
    for _ in range(3):
        tune += [on(67, 480), off(67)]
    assert notes_of(midi([*tune, off(67, 480)])) == QUARTERS[:5]


def test_notes_that_never_end_end_with_the_next_of_their_key() -> None:
    assert notes_of(midi([on(67), on(67, 480), on(67, 480), off(60, 96)])) == [
        (0, 480),
        (480, 480),
        (960, 96),
    ]


@pytest.mark.parametrize("controller", [120, 123, 124, 125, 126, 127])
def test_all_notes_off_ends_the_notes_of_its_channel(controller: int) -> None:
    silence = Message("control_change", control=controller, value=0, time=480)
    pedal = Message("control_change", control=64, value=0, time=100)
    other = [on(50, 0, 90, 1)]
    tune = [m for pitch in (60, 62, 64) for m in (on(pitch), silence)]
    data = midi([*other, *tune, on(65), silence, pedal])
    assert notes_of(data) == [(480 * i, 480) for i in range(4)]
    assert notes_of(data, 1) == [(0, 4 * 480 + 100)]


def test_a_velocity_byte_above_127_is_a_loud_note() -> None:
    body = bytes([0, 0x90, 60, 0x80, 96, 0x80, 60, 0, 0, 0x90, 62, 0xFF, 96, 0x90, 62, 0])
    (track,) = parse(bare(body)).tracks
    assert [(n.pitch, n.length_ticks, n.velocity) for n in track.notes] == [
        (60, 96, 127),
        (62, 96, 127),
    ]


STROKES = st.lists(st.tuples(st.booleans(), st.integers(60, 61), st.integers(0, 30)), min_size=1)


def stream(strokes: list[tuple[bool, int, int]]) -> list[mido.Message]:
    return [
        on(60),
        *(on(pitch, time) if begins else off(pitch, time) for begins, pitch, time in strokes),
    ]


@given(STROKES, st.integers(0, 10), st.integers(1, 10))
def test_what_is_kept_stays_as_it_was(
    strokes: list[tuple[bool, int, int]], first: int, count: int
) -> None:
    messages = stream(strokes)
    # Every note ends: offs too many mean nothing. What never ends is tried by the tests above.
    messages += [off(pitch, 5) for pitch in (60, 61) for _ in strokes] + [off(60), off(61)]
    score = parse(midi(messages, ticks=24))
    cut = without_notes(score, score.tracks, first, first + count)
    if not cut.tracks:
        return
    assert parse(add_tracks(cut, [NewTrack("x", [])])).tracks == cut.tracks


@given(STROKES, st.integers(0, 10), st.integers(1, 10))
def test_what_is_taken_out_is_gone_whatever_is_missing(
    strokes: list[tuple[bool, int, int]], first: int, count: int
) -> None:
    score = parse(midi(stream(strokes), ticks=24))
    cut = without_notes(score, score.tracks, first, first + count)
    left = {(n.onset_tick, n.pitch) for track in cut.tracks for n in track.notes}
    written = add_tracks(cut, [NewTrack("x", [])])
    found = (
        {(n.onset_tick, n.pitch) for t in parse(written).tracks for n in t.notes} if left else left
    )
    assert found == left


def test_an_off_in_another_track_ends_the_note_that_has_none_of_its_own() -> None:
    tune = [on(60), on(62, 480), off(62, 480), on(64), Message("control_change", time=960)]
    ends = [off(60, 480), off(64, 1440), off(67, 10)]
    assert notes_of(midi(tune, ends)) == [(0, 480), (480, 480), (960, 960)]
    # In the same track, and of another channel, nothing changes.
    assert notes_of(midi(tune, [off(60, 480, channel=3)])) == [(0, 1920), (480, 480), (960, 960)]
    assert notes_of(midi(tune)) == [(0, 1920), (480, 480), (960, 960)]
