"""MIDI files out: chunks untouched, and what is written is read again."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.keys import Key
from engine.music.roll import Note
from engine.scores import midi_file, midi_write
from engine.scores.midi_events import MidiFileError, read_events
from tests.midi_bytes import Message, Meta, midi, off, on, song


def test_adds_a_track_and_keeps_every_chunk_byte_for_byte() -> None:
    data = song()
    score = midi_file.parse(data)
    reply = [Note(0, 60, 24, ACCOMPANIMENT, 64), Note(24, 62, 12, ACCOMPANIMENT, 65)]
    written = midi_write.add_tracks(score, [midi_write.reply_track(score, reply, score.tracks[0])])
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
    written = midi_write.add_tracks(score, [midi_write.NewTrack("x", [Note(0, 48, 24)])])
    opened = mido.MidiFile(file=BytesIO(written))
    assert (opened.type, len(opened.tracks)) == (1, 2)
    assert written[14 : len(data)] == data[14:]


def test_a_lead_and_its_accompaniment_in_unison_stay_two_notes() -> None:
    score = midi_file.parse(song())
    notes = [Note(0, 60, 48, LEAD, 80), Note(0, 60, 24, ACCOMPANIMENT, 64)]
    written = midi_write.add_tracks(score, [midi_write.reply_track(score, notes, None)])
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
    written = midi_write.add_tracks(score, [midi_write.NewTrack("x", notes)])
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
    again = midi_file.parse(
        midi_write.add_tracks(cut, [midi_write.NewTrack("x", [Note(0, 50, 24)])])
    )
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


def programs_of(body: bytes) -> list[tuple[int, int]]:
    """(channel, program) of the program changes in a track."""
    events = [e for e in read_events(body) if e.status & 0xF0 == 0xC0]
    return [(event.status & 0x0F, event.data[0]) for event in events]


def test_the_reply_takes_channels_nothing_in_the_file_touches() -> None:
    setup = [
        Message("control_change", control=7, value=0, channel=1),
        Message("pitchwheel", pitch=100, channel=2),
        Message("program_change", program=127, channel=3),
    ]
    score = midi_file.parse(midi(setup, [on(60), off(60, 480)]))
    reply = midi_write.reply_track(score, [Note(0, 60, 24)], score.tracks[0])
    assert reply.channels == {ACCOMPANIMENT: 4, LEAD: 5}


def test_where_every_channel_is_in_use_the_reply_sends_no_program() -> None:
    tracks = [
        [Message("program_change", program=30 + c, channel=c), on(60, 0, 90, c), off(60, 480, c)]
        for c in range(16)
    ]
    score = midi_file.parse(midi(*tracks))
    assert midi_write.free_channels(score) == []
    melody = score.tracks[2]
    notes = [Note(0, 64, 24, ACCOMPANIMENT), Note(24, 67, 24, LEAD)]
    written = midi_write.add_tracks(score, [midi_write.reply_track(score, notes, melody)])
    again = midi_file.parse(written)
    assert programs_of(again.chunks[-1][1]) == []
    assert again.chunks[:-1] == score.chunks
    added = again.tracks[-1]
    assert (added.channel, added.program, len(added.notes)) == (2, 32, 2)


def test_markers_stand_in_the_reply_track_and_are_read_again() -> None:
    score = midi_file.parse(song())
    markers = [(0, "C"), (48, "Am7/G")]
    track = midi_write.reply_track(score, [Note(24, 60, 24)], score.tracks[0], markers)
    again = midi_file.parse(midi_write.add_tracks(score, [track]))
    assert again.markers == ((0, "C"), (score.tick_at(48), "Am7/G"))
    assert again.notes_of(again.tracks[-1]) == [Note(24, 60, 24, ACCOMPANIMENT, 80)]


def test_markers_of_a_new_file_stand_in_its_first_track() -> None:
    track = midi_write.NewTrack("x", [Note(0, 60, 24)], markers=[(24, "G")])
    meters = MeterMap(((0, Meter(3, 4)), (72, Meter(4, 4))))
    opened = mido.MidiFile(file=BytesIO(midi_write.new_file([track], 120, meters)))
    first = [(m.type, m.time) for m in opened.tracks[0] if m.type != "end_of_track"]
    assert first == [
        ("set_tempo", 0),
        ("time_signature", 0),
        ("marker", 480),
        ("time_signature", 960),
    ]
    assert all(message.type != "marker" for message in opened.tracks[1])


def test_notes_put_on_a_part_stand_among_its_own() -> None:
    # A note held into the span, one that ends where a new one begins, a pedal at the same tick.
    pedal = Message("control_change", control=64, value=127, time=0)
    data = midi([on(60), off(60, 480), pedal, on(64), off(64, 480)], ticks=480)
    score = midi_file.parse(data)
    new = [Note(24, 60, 24, LEAD, 90), Note(48, 64, 24, LEAD, 91)]
    again = midi_file.parse(
        midi_write.add_tracks(midi_write.put_notes(score, score.tracks[0], new), ())
    )
    assert [(n.onset_step, n.pitch, n.length_steps) for n in again.notes_of(again.tracks[0])] == [
        (0, 60, 24), (24, 60, 24), (24, 64, 24), (48, 64, 24),
    ]  # fmt: skip
    assert {note.channel for note in again.tracks[0].notes} == {0}
    events = list(read_events(again.chunks[-1][1]))
    assert [e.tick for e in events if e.status & 0xF0 == 0xB0] == [480]
    assert sum(e.status == 0xFF and e.kind == 0x2F for e in events) == 1
    assert (events[-1].kind, events[-1].tick) == (0x2F, 72 * 20)


def test_parts_stand_on_tracks_and_channels_of_their_own() -> None:
    score = midi_file.parse(song())
    reply = [Note(0, 40, 24), Note(0, 60, 24), Note(0, 72, 24, LEAD)]
    track = midi_write.reply_track(score, reply, score.tracks[0], [(0, "C")])
    parts = midi_write.part_tracks(score, track)
    again = midi_file.parse(midi_write.add_tracks(score, parts))
    names = ["midi-diffuse bass", "midi-diffuse chords", "midi-diffuse lead"]
    assert [part.name for part in again.tracks[-3:]] == names
    assert [part.program for part in again.tracks[-3:]] == [40, 40, 40]
    channels = [part.channel for part in again.tracks[-3:]]
    assert len(set(channels)) == 3
    assert not set(channels) & score.channels
    assert again.markers == ((0, "C"),)


def test_parts_share_the_last_channel_where_there_is_no_other() -> None:
    busy = midi([Message("note_on", note=60, channel=c, time=0) for c in range(15)])
    score = midi_file.parse(busy)
    track = midi_write.NewTrack("x", [Note(0, 40, 24), Note(0, 60, 24), Note(0, 72, 24, LEAD)])
    parts = midi_write.part_tracks(score, track)
    assert [part.channels for part in parts] == [{0: 15, 1: 15}] * 3
    assert midi_write.part_tracks(score, midi_write.NewTrack("x", [])) == [
        midi_write.NewTrack("x", [])
    ]


@pytest.mark.parametrize(
    ("key", "written"),
    [
        (Key(0), b"\x00\x00"),
        (Key(2), b"\x02\x00"),
        (Key(10), b"\xfe\x00"),
        (Key(9, minor=True), b"\x00\x01"),
        (Key(7, minor=True), b"\xfe\x01"),
        (Key(6), b"\xfa\x00"),
    ],
)
def test_the_key_is_written_as_a_signature(key: Key, written: bytes) -> None:
    track = midi_write.NewTrack("x", [Note(0, 60, 24)], key=key)
    data = midi_write.new_file([track], 120, MeterMap())
    assert b"\xff\x59\x02" + written in data
    assert data.count(b"\xff\x59\x02") == 1
    opened = mido.MidiFile(file=BytesIO(data))
    (found,) = (m.key for m in opened.tracks[0] if m.type == "key_signature")
    names = str(key).split()
    assert found == names[0] + ("m" if key.minor else "")


def test_a_reply_has_the_key_of_the_music_unless_the_file_says_one() -> None:
    scale = [on(p, 0) if i % 2 == 0 else off(p, 240) for p in (60, 62, 64, 67) for i in (0, 1)]
    plain = midi_file.parse(midi(scale))
    chord = [Note(0, p, 96) for p in (48, 52, 55)]
    track = midi_write.reply_track(plain, chord, plain.tracks[0])
    assert track.key == Key(0)
    assert [part.key for part in midi_write.part_tracks(plain, track)] == [Key(0), None]
    said = midi_file.parse(midi([Meta("key_signature", key="Eb"), *scale]))
    assert midi_write.reply_track(said, chord, said.tracks[0]).key is None
