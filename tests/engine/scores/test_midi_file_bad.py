"""MIDI files that are damaged, absurd or too much: one clear error."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.music.roll import Note
from engine.scores import midi_file, midi_write
from engine.scores.midi_events import MidiFileError
from tests.midi_bytes import Meta, bare, midi, off, on, song


def tempo(bpm: float) -> bytes:
    tune = [Meta("set_tempo", tempo=round(60e6 / bpm)), on(60), off(60, 480)]
    return midi(tune)


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(40), "is not a MIDI file"),
    "text": (b"hello", "is not a MIDI file"),
    "header only": (song()[:14], "is cut off: 0 of 3 tracks are there"),
    "half a header": (song()[:9], "is cut off in its header"),
    "half a track": (song()[:60], "is cut off in track 1 of 3"),
    "type 2": (song()[:9] + b"\2" + song()[10:], "is of type 2"),
    "type 7": (song()[:9] + b"\7" + song()[10:], "is of unknown type 7"),
    "SMPTE": (song()[:12] + b"\xe7\x28" + song()[14:], "counts time in SMPTE frames"),
    "no division": (song()[:12] + b"\0\0" + song()[14:], "0 ticks per beat"),
    "no notes": (midi([Meta("track_name", name="x")]), "holds no notes"),
    "no tracks": (struct.pack(">4sLHHH", b"MThd", 6, 1, 0, 480), "holds no notes"),
    "too slow": (tempo(4), "absurd tempo of 4 bpm at beat 1"),
    "too fast": (tempo(1200), "absurd tempo of 1200 bpm"),
    "tempo 0": (bare(bytes([0, 0xFF, 0x51, 3, 0, 0, 0])), "absurd tempo of inf bpm"),
    "too many beats": (midi([on(60), off(60, 480 * 20_001)]), "is absurdly long: 20,001 beats"),
    "too many hours": (
        midi([Meta("set_tempo", tempo=6_000_000), on(60), off(60, 480 * 2500)]),
        "4.2 hours",
    ),
    "a status byte there is not": (bare(bytes([0, 0xF5, 1])), "track 1 of 1 holds an unknown"),
    "data without a status": (bare(bytes([0, 60, 90])), "holds an unknown event"),
    "half an event": (bare(bytes([0, 0x90, 60])), "ends in the middle of an event"),
    "an endless length": (bare(bytes([0xFF] * 9)), "holds a damaged length"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_told_in_one_line_with_their_name(name: str, tmp_path: Path) -> None:
    data, expected = BAD[name]
    path = tmp_path / "bad.mid"
    path.write_bytes(data)
    with pytest.raises(MidiFileError) as caught:
        midi_file.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(MidiFileError, match="no such file"):
        midi_file.read(tmp_path / "none.mid")
    with pytest.raises(MidiFileError, match="is a folder"):
        midi_file.read(tmp_path)


def test_truncated_at_every_byte_is_an_error_never_a_crash() -> None:
    data = song()
    assert len(midi_file.parse(data).tracks) == 2
    for end in range(len(data)):
        with pytest.raises(MidiFileError):
            midi_file.parse(data[:end])


@given(st.data())
def test_damaged_bytes_are_an_error_or_a_file(data: st.DataObject) -> None:
    broken = bytearray(song())
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        score = midi_file.parse(bytes(broken))
    except MidiFileError:
        return
    # What can be read can be written and read again.
    track = midi_write.NewTrack("x", [Note(0, 60, 24)])
    again = midi_file.parse(midi_write.add_tracks(score, [track]))
    assert again.tracks[:-1] == score.tracks


@given(st.binary(max_size=200))
def test_any_bytes_as_a_track(body: bytes) -> None:
    try:
        midi_file.parse(bare(body))
    except MidiFileError:
        return


def test_junk_behind_and_unknown_chunks_between_are_no_obstacle() -> None:
    data = song()
    alien = struct.pack(">4sL", b"XFIH", 3) + b"abc"
    score = midi_file.parse(data[:14] + alien + data[14:] + b"junk")
    assert len(score.tracks) == 2
    written = midi_write.add_tracks(score, [midi_write.NewTrack("x", [Note(0, 60, 24)])])
    assert alien in written


# -- Too much ------------------------------------------------------------------------------------

ONE_NOTE = bytes([0, 0x90, 60, 90, 1, 60, 0])
DENSE = {
    "restruck notes": (bytes([1, 60, 90]), 20_000),
    "tempo changes": (bytes([1, 0xFF, 0x51, 3, 7, 0xA1, 0x20]), 20_000),
    "meter changes": (bytes([1, 0xFF, 0x58, 2, 4, 2]), 20_000),
    "empty sysex": (bytes([0, 0xF0, 0]), 20_000),
}


def peak_bytes(data: bytes) -> int:
    """The most memory held at once while `data` is read."""
    tracemalloc.start()
    try:
        midi_file.parse(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", DENSE)
def test_the_densest_file_that_is_read_stays_within_half_a_gigabyte(kind: str) -> None:
    event, count = DENSE[kind]
    peak = peak_bytes(bare(ONE_NOTE + event * count))
    assert peak / count * midi_file.MOST_EVENTS < 512e6


def test_empty_chunks_stay_within_half_a_gigabyte() -> None:
    one = bare(ONE_NOTE)
    data = one[:14] + struct.pack(">4sL", b"XFIH", 0) * 20_000 + one[14:]
    assert peak_bytes(data) / len(data) * midi_file.LARGEST_FILE_BYTES < 512e6


def test_too_many_events_are_told_whatever_track_they_are_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(midi_file, "MOST_EVENTS", 6)
    path = tmp_path / "dense.mid"
    path.write_bytes(midi([on(60), off(60, 9)], [on(62), off(62, 9)]))
    assert len(midi_file.read(path).tracks) == 2  # each has an End of Track too
    monkeypatch.setattr(midi_file, "MOST_EVENTS", 5)
    with pytest.raises(MidiFileError) as caught:
        midi_file.read(path)
    assert str(caught.value) == f"{path}: holds more than 5 events, in 2 tracks"


def test_too_large_a_file_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(midi_file, "LARGEST_FILE_BYTES", 2_000_000)
    path = tmp_path / "large.mid"
    path.write_bytes(bare(ONE_NOTE) + bytes(2_000_000))
    with pytest.raises(MidiFileError, match="is larger than 2 MB"):
        midi_file.read(path)
