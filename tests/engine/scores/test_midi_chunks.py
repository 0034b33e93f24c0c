"""Wrappers and chunks: what is around the tracks of a MIDI file."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.music.roll import Note
from engine.scores.midi_events import (
    END_OF_TRACK,
    ESCAPE,
    META,
    MOST_TRACKS,
    SYSEX,
    Event,
    MidiFileError,
    channel_event,
    read_events,
    split_chunks,
    write_events,
)
from engine.scores.midi_file import parse
from engine.scores.midi_write import NewTrack, add_tracks
from tests.midi_bytes import midi, off, on

TUNE = midi([on(60), off(60, 480)])
TWO = midi([on(60), off(60, 480)], [on(40, 0, 90, 1), off(40, 480, 1)])
ALIEN = struct.pack(">4sL", b"XFIH", 3) + b"abc"
REPLY = NewTrack("x", [Note(0, 64, 24)])


def counting(data: bytes, tracks: int) -> bytes:
    """The file with another count of tracks in its header."""
    return data[:10] + struct.pack(">H", tracks) + data[12:]


def riff(data: bytes, before: bytes = b"") -> bytes:
    inside = b"RMID" + before + struct.pack("<4sL", b"data", len(data)) + data
    inside += b"\0" * (len(data) % 2)
    return struct.pack("<4sL", b"RIFF", len(inside)) + inside


@pytest.mark.parametrize("before", [b"", struct.pack("<4sL", b"DISP", 3) + b"abc\0"])
def test_a_file_in_a_riff_wrapper_is_read(before: bytes) -> None:
    assert parse(riff(TUNE, before)).tracks == parse(TUNE).tracks
    assert add_tracks(parse(riff(TUNE, before)), [REPLY]) == add_tracks(parse(TUNE), [REPLY])


def test_a_damaged_riff_wrapper_is_told() -> None:
    whole = riff(TUNE)
    with pytest.raises(MidiFileError, match="without MIDI in it"):
        parse(whole[:16])
    with pytest.raises(MidiFileError, match="cut off"):
        parse(whole[:-4])
    with pytest.raises(MidiFileError, match="is not a MIDI file"):
        parse(b"RIFF" + bytes(4) + b"WAVE" + whole[12:])


def test_tracks_the_header_does_not_count_are_kept() -> None:
    score = parse(counting(TWO, 1))
    assert score.tracks == parse(TWO).tracks
    again = parse(add_tracks(score, [REPLY]))
    assert [track.channel for track in again.tracks] == [0, 1, 0]
    assert again.chunks[:2] == score.chunks


def test_tracks_the_header_counts_and_a_cut_one_are_missed() -> None:
    with pytest.raises(MidiFileError, match="is cut off: 1 of 2 tracks are there"):
        parse(counting(TUNE, 2))
    with pytest.raises(MidiFileError, match="is cut off in track 2 of 2"):
        parse(counting(TWO, 1)[:-1])


def test_a_chunk_behind_the_last_track_is_kept() -> None:
    written = add_tracks(parse(TUNE + ALIEN), [REPLY])
    assert ALIEN in written
    assert parse(written).chunks[:-1] == parse(TUNE + ALIEN).chunks


@pytest.mark.parametrize(
    "junk", [bytes(40), b"junk" * 9, ALIEN[:-1], b"\xff\xfe\xfd\xfc" + bytes(4)]
)
def test_junk_behind_the_last_track_is_not_a_chunk(junk: bytes) -> None:
    assert parse(TUNE + junk).chunks == parse(TUNE).chunks


def test_more_tracks_than_a_header_can_count_with_ours_are_refused() -> None:
    head = counting(TUNE, MOST_TRACKS)[:14]
    empty = struct.pack(">4sL", b"MTrk", 0)
    assert len(split_chunks(head + empty * MOST_TRACKS)[2]) == MOST_TRACKS
    with pytest.raises(MidiFileError, match="holds 65,535 tracks; want at most 65,534"):
        split_chunks(head + empty * (MOST_TRACKS + 1))


TICKS = st.integers(0, 0x0FFFFFFF)
EVENTS = st.one_of(
    st.builds(Event, TICKS, st.just(META), st.integers(0, 0x2E), st.binary(max_size=300)),
    st.builds(Event, TICKS, st.sampled_from((SYSEX, ESCAPE)), st.just(0), st.binary(max_size=9)),
    st.builds(
        lambda tick, kind, channel, data: channel_event(
            tick, [kind | channel, *data[: 1 if kind in (0xC0, 0xD0) else 2]]
        ),
        TICKS,
        st.sampled_from((0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0)),
        st.integers(0, 15),
        st.tuples(st.integers(0, 127), st.integers(0, 127)),
    ),
)


@given(st.lists(EVENTS, max_size=20))
def test_written_events_are_read_back(events: list[Event]) -> None:
    ordered = sorted(events, key=lambda event: event.tick)
    end = Event(ordered[-1].tick if ordered else 0, META, END_OF_TRACK, b"")
    assert list(read_events(write_events([*ordered, end]))) == [*ordered, end]


@pytest.mark.parametrize(
    "message", [(), (0xF8,), (0x90, 60), (0xC0, 1, 2), (0x90, 60, 128), (0xF0, 1, 2), (60, 64, 9)]
)
def test_what_is_no_channel_message_is_no_event(message: tuple[int, ...]) -> None:
    assert channel_event(0, message) is None
