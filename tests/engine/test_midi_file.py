"""MIDI files in and out: exact ticks, chunks untouched, and one clear error for bad files."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import midi_file, midi_write
from engine.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.midi_events import MidiFileError, read_events
from engine.roll import Note

Message, Meta = mido.Message, mido.MetaMessage


def on(pitch: int, time: int = 0, velocity: int = 90, channel: int = 0) -> mido.Message:
    return Message("note_on", note=pitch, velocity=velocity, time=time, channel=channel)


def off(pitch: int, time: int = 0, channel: int = 0) -> mido.Message:
    return Message("note_off", note=pitch, velocity=0, time=time, channel=channel)


def midi(*tracks: list[mido.Message], kind: int = 1, ticks: int = 480) -> bytes:
    buffer = BytesIO()
    chunks = [mido.MidiTrack(track) for track in tracks]
    mido.MidiFile(type=kind, ticks_per_beat=ticks, tracks=chunks).save(file=buffer)
    return buffer.getvalue()


def bare(body: bytes, kind: int = 0, division: int = 480, tracks: int = 1) -> bytes:
    """A file of one track whose bytes are given."""
    header = struct.pack(">4sLHHH", b"MThd", 6, kind, tracks, division)
    return header + struct.pack(">4sL", b"MTrk", len(body)) + body


def song() -> bytes:
    """Two tracks, a drum track, tempo and meter changes, text mido cannot decode as Latin-1."""
    return midi(
        [
            Meta("track_name", name="Song"),
            Meta("set_tempo", tempo=600_000),
            Meta("time_signature", numerator=3, denominator=4),
            Meta("set_tempo", tempo=400_000, time=1440),
            Meta("time_signature", numerator=7, denominator=8),
        ],
        [
            Meta("track_name", name="Melody"),
            Message("program_change", program=40, channel=2),
            on(72, 0, 100, 2),
            off(72, 480, 2),
            on(74, 0, 101, 2),
            off(74, 960, 2),
            Message("sysex", data=(1, 2, 3)),
        ],
        [on(36, 0, 90, 9), off(36, 240, 9)],
    )


def test_reads_parts_tempo_and_meter_in_exact_ticks() -> None:
    score = midi_file.parse(song())
    melody, drums = score.tracks
    assert (melody.name, melody.channel, melody.program, melody.chunk) == ("Melody", 2, 40, 1)
    assert [(n.onset_tick, n.pitch, n.length_ticks, n.velocity) for n in melody.notes] == [
        (0, 72, 480, 100),
        (480, 74, 960, 101),
    ]
    assert drums.is_drums
    assert score.pitched == (melody,)
    assert score.tempos == ((0, 600_000), (1440, 400_000))
    assert score.bpm == 100
    assert score.meter_map() == MeterMap(((0, Meter(3, 4)), (72, Meter(7, 8))))
    assert score.seconds_at(1440) == pytest.approx(1.8)
    assert score.seconds_at(1920) == pytest.approx(2.2)
    assert score.end_step == 72


@pytest.mark.parametrize("ticks", [24, 96, 100, 480, 960, 1024])
def test_quantises_to_a_24th_of_a_beat_at_any_resolution(ticks: int) -> None:
    third = round(ticks / 3)
    score = midi_file.parse(midi([on(60, third), off(60, third)], ticks=ticks))
    assert score.notes_of(score.tracks[0]) == [Note(8, 60, 8, ACCOMPANIMENT, 90)]


def test_rounds_to_the_nearest_step_and_never_to_nothing() -> None:
    score = midi_file.parse(midi([on(60, 29), off(60, 1), on(62, 0), off(62, 21)]))
    assert score.notes_of(score.tracks[0], LEAD) == [
        Note(1, 60, 1, LEAD, 90),
        Note(2, 62, 1, LEAD, 90),
    ]


def test_velocity_zero_unmatched_and_overlapping_notes() -> None:
    score = midi_file.parse(
        midi(
            [
                on(60),
                on(60, 100, velocity=0),  # ends the first
                on(62, 0),
                on(62, 50),  # begins again: ends the one before
                off(62, 50),
                off(62, 10),  # nothing sounds any more
                on(64, 0, 70),  # never ends: closed at the end of the track
                Meta("marker", text="x", time=300),
            ]
        )
    )
    assert [(n.onset_tick, n.pitch, n.length_ticks) for n in score.tracks[0].notes] == [
        (0, 60, 100),
        (100, 62, 50),
        (150, 62, 50),
        (210, 64, 300),
    ]


def test_a_unison_written_twice_is_one_note() -> None:
    score = midi_file.parse(midi([on(60), on(60), off(60, 240), off(60, 240)]))
    assert [(n.onset_tick, n.length_ticks) for n in score.tracks[0].notes] == [(0, 240)]


def test_type_0_is_split_by_channel() -> None:
    score = midi_file.parse(
        midi(
            [
                Meta("track_name", name="All"),
                on(60, 0, 90, 0),
                on(48, 0, 80, 1),
                off(60, 480, 0),
                off(48, 0, 1),
            ],
            kind=0,
        )
    )
    assert [(t.channel, t.notes[0].pitch) for t in score.tracks] == [(0, 60), (1, 48)]


def test_a_repeated_meter_moves_bar_lines_only_when_it_says_something_new() -> None:
    four = {"type": "time_signature", "numerator": 4, "denominator": 4}
    score = midi_file.parse(
        midi(
            [
                Meta(**four),
                Meta(**four, time=4 * 480),  # on a bar line: says nothing
                Meta(**four, time=480),  # a beat later: a new count
                on(60),
                off(60, 480),
            ]
        )
    )
    assert score.meter_map().changes == ((0, Meter(4, 4)), (120, Meter(4, 4)))


def test_names_are_utf8_or_latin1_and_fit_to_print() -> None:
    name = "Mélodie".encode()
    latin = "Mélodie".encode("latin-1")
    rest = bytes([0, 0x90, 60, 90, 96, 0x80, 60, 0])
    for written in (name, latin, b"Me\x1blo\x00dy"):
        body = bytes([0, 0xFF, 3, len(written)]) + written + rest
        shown = midi_file.parse(bare(body)).tracks[0].name
        assert shown in ("Mélodie", "Me lo dy")


def test_running_status_and_undecodable_meta_are_no_obstacle() -> None:
    body = (
        bytes([0, 0xFF, 0x59, 2, 99, 7])  # a key signature there is no such thing as
        + bytes([0, 0xFF, 0x54, 1, 0])  # a SMPTE offset that is too short
        + bytes([0, 0x90, 60, 90, 96, 60, 0])  # running status
        + bytes([0, 0xF0, 3, 1, 2, 0xF7, 0, 0xFF, 0x2F, 0])
    )
    score = midi_file.parse(bare(body))
    assert [(n.onset_tick, n.length_ticks) for n in score.tracks[0].notes] == [(0, 96)]


# -- Bad files -------------------------------------------------------------------------------------


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
    "meter 0/4": (bare(bytes([0, 0xFF, 0x58, 4, 0, 2, 24, 8])), "absurd meter at beat 1"),
    "meter 4/2^99": (bare(bytes([0, 0xFF, 0x58, 4, 4, 99, 24, 8])), "absurd meter"),
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
    again = midi_file.parse(midi_write.add_track(score, track))
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
    written = midi_write.add_track(score, midi_write.NewTrack("x", [Note(0, 60, 24)]))
    assert alien in written


# -- Writing ---------------------------------------------------------------------------------------


def test_adds_a_track_and_keeps_every_chunk_byte_for_byte() -> None:
    data = song()
    score = midi_file.parse(data)
    reply = [Note(0, 60, 24, ACCOMPANIMENT, 64), Note(24, 62, 12, ACCOMPANIMENT, 65)]
    written = midi_write.add_track(score, midi_write.reply_track(score, reply, score.tracks[0]))
    assert written[14 : len(data)] == data[14:]
    again = midi_file.parse(written)
    assert again.tempos == score.tempos
    assert again.meters == score.meters
    added = again.tracks[-1]
    assert (added.name, added.program) == ("midi-diffuse", 40)
    assert added.channel not in (2, 9)
    assert again.notes_of(added) == reply


def test_a_type_0_file_becomes_type_1_with_its_track_unchanged() -> None:
    data = midi([on(60), off(60, 480)], kind=0)
    score = midi_file.parse(data)
    written = midi_write.add_track(score, midi_write.NewTrack("x", [Note(0, 48, 24)]))
    opened = mido.MidiFile(file=BytesIO(written))
    assert (opened.type, len(opened.tracks)) == (1, 2)
    assert written[14 : len(data)] == data[14:]


def test_a_lead_and_its_accompaniment_in_unison_stay_two_notes() -> None:
    score = midi_file.parse(song())
    notes = [Note(0, 60, 48, LEAD, 80), Note(0, 60, 24, ACCOMPANIMENT, 64)]
    written = midi_write.add_track(score, midi_write.reply_track(score, notes, None))
    added = midi_file.parse(written).tracks[-1]
    assert [n.length_ticks for n in added.notes] == [480, 960]


@given(
    st.lists(
        st.builds(
            Note,
            onset_step=st.integers(0, 500),
            pitch=st.integers(58, 62),
            length_steps=st.integers(1, 60),
            voice=st.just(ACCOMPANIMENT),
            velocity=st.integers(1, 127),
        ),
        min_size=1,
        unique_by=lambda note: (note.onset_step, note.pitch),
    ),
    st.sampled_from([12, 24, 96, 480, 1000]),
)
def test_what_is_written_is_read_again(notes: list[Note], ticks: int) -> None:
    score = midi_file.parse(midi([on(40), off(40, 96)], ticks=ticks))
    written = midi_write.add_track(score, midi_write.NewTrack("x", notes))
    again = midi_file.parse(written)
    found = again.notes_of(again.tracks[-1])
    if ticks >= 24:
        assert [(n.onset_step, n.pitch, n.velocity) for n in found] == sorted(
            (n.onset_step, n.pitch, n.velocity) for n in notes
        )
        by_pitch: dict[int, list[Note]] = {}
        for note in sorted(notes):
            by_pitch.setdefault(note.pitch, []).append(note)
        for note in found:
            same = by_pitch[note.pitch]
            index = [n.onset_step for n in same].index(note.onset_step)
            cut = [n.onset_step for n in same[index + 1 : index + 2]]
            assert note.end_step == min([same[index].end_step, *cut])
    else:
        assert {n.pitch for n in found} == {n.pitch for n in notes}


def test_a_new_file_has_title_tempo_meter_and_tracks() -> None:
    meters = MeterMap(((0, Meter(3, 4)), (72, Meter(6, 8))))
    tracks = [midi_write.NewTrack("Melody", [Note(0, 60, 24, LEAD)])]
    score = midi_file.parse(midi_write.new_file(tracks, 90, meters, "Tüne"))
    assert score.meter_map() == meters
    assert score.bpm == pytest.approx(90, abs=1e-3)
    assert [track.name for track in score.tracks] == ["Melody"]
    with pytest.raises(MidiFileError, match="before the start"):
        midi_write.new_file([midi_write.NewTrack("x", [Note(-1, 60, 24)])], 90, meters)


def test_taking_notes_out_leaves_everything_else_where_it_was() -> None:
    score = midi_file.parse(
        midi(
            [
                Message("control_change", control=7, value=99),
                on(60),  # held into the span, and struck again there
                on(62, 240),
                off(62, 120),
                on(60, 120, 50),  # step 24: taken out; the first 60 ends here
                Message("control_change", control=64, value=127, time=100),
                off(60, 140),
                on(64, 240),  # step 48: stays
                off(64, 240),
            ],
            [on(40, 480), off(40, 480)],
        )
    )
    cut = midi_write.without_notes(score, score.tracks[:1], 24, 48)
    again = midi_file.parse(midi_write.add_track(cut, midi_write.NewTrack("x", [Note(0, 50, 24)])))
    assert [(n.onset_tick, n.pitch, n.length_ticks) for n in again.tracks[0].notes] == [
        (0, 60, 480),
        (240, 62, 120),
        (960, 64, 240),
    ]
    assert again.tracks[0] == cut.tracks[0]
    assert again.tracks[1] == score.tracks[1]
    controls = [
        (event.tick, event.data)
        for event in read_events(cut.chunks[0][1])
        if event.status & 0xF0 == 0xB0
    ]
    assert controls == [(0, bytes([7, 99])), (580, bytes([64, 127]))]


def test_writing_is_atomic_and_tells_what_the_disk_says(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out.mid"
    midi_write.write(b"one", target)
    midi_write.write(b"two", target)
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["out.mid"]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MidiFileError, match="cannot be written"):
        midi_write.write(b"x", tmp_path / "file" / "out.mid")
