"""MIDI files in: exact ticks, parts, tempo and meter."""

from __future__ import annotations

import pytest

from engine.music.grid import Meter, MeterMap
from engine.scores import midi_file
from tests.midi_bytes import Message, Meta, bare, midi, off, on, song


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


def test_velocity_zero_unmatched_and_overlapping_notes() -> None:
    score = midi_file.parse(
        midi(
            [
                on(60),
                on(60, 100, velocity=0),  # ends the first
                on(62, 0),
                on(62, 50),  # overlaps: each off ends the oldest
                off(62, 50),
                off(62, 10),
                off(62),  # nothing sounds any more
                on(64, 0, 70),  # never ends: closed at the end of the track
                Meta("marker", text="x", time=300),
            ]
        )
    )
    assert [(n.onset_tick, n.pitch, n.length_ticks) for n in score.tracks[0].notes] == [
        (0, 60, 100),
        (100, 62, 100),
        (150, 62, 60),
        (210, 64, 300),
    ]


def test_a_unison_written_twice_is_one_note_the_longer() -> None:
    score = midi_file.parse(midi([on(60), on(60), off(60, 240), off(60, 240)]))
    assert [(n.onset_tick, n.length_ticks) for n in score.tracks[0].notes] == [(0, 480)]


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


def test_a_track_of_several_channels_is_split_in_type_1_too() -> None:
    both = [
        Message("program_change", program=73),
        Message("program_change", program=48, channel=1),
        *(on(pitch, 0, 60, 1) for pitch in (76, 79, 84)),
        on(60),
        off(60, 480),
        *(off(pitch, 480, 1) for pitch in (76, 79, 84)),
    ]
    one, other = (midi_file.parse(midi(both, kind=kind)) for kind in (0, 1))
    assert one.tracks == other.tracks
    assert [(t.channel, t.program, len(t.notes)) for t in other.tracks] == [(0, 73, 1), (1, 48, 3)]


def test_a_reply_of_ours_is_one_part_whatever_its_channels() -> None:
    reply = [Meta("track_name", name="midi-diffuse"), on(60), on(64, 0, 80, 1), off(60, 480)]
    score = midi_file.parse(midi([on(72), off(72, 480)], [*reply, off(64, 480, 1)]))
    assert [len(track.notes) for track in score.tracks] == [1, 2]


def test_a_program_counts_for_its_channel_whatever_track_it_stands_in() -> None:
    setup = [Message("program_change", program=73), Message("program_change", program=9, time=480)]
    own = [Message("program_change", program=40, time=480), on(64), off(64, 480)]
    score = midi_file.parse(midi([on(60), off(60, 480)], setup, own, [on(50, 0, 90, 3)]))
    assert [track.program for track in score.tracks] == [73, 40, 0]


@pytest.mark.parametrize(
    ("beats", "power", "shown"),
    [(0, 2, "0/4"), (1, 6, "1/64"), (5, 7, "5/128"), (255, 2, "255/4"), (4, 99, "4/2^99")],
)
def test_a_meter_there_is_not_is_skipped_and_told(beats: int, power: int, shown: str) -> None:
    junk = bytes([0xFF, 0x58, 4, beats, power, 24, 8])
    waltz = bytes([0, 0xFF, 0x58, 4, 3, 2, 24, 8])
    note = bytes([0, 0x90, 60, 90, 96, 60, 0])
    score = midi_file.parse(bare(b"\0" + junk + note))
    assert score.meter_map() == MeterMap()
    assert score.warnings == (f"an absurd meter of {shown} at beat 1 is skipped",)
    score = midi_file.parse(bare(waltz + b"\x60" + junk + b"\0" + junk + note, division=96))
    assert score.meter_map() == MeterMap(((0, Meter(3, 4)),))
    assert score.warnings == (f"an absurd meter of {shown} at beat 2 is skipped, and 1 more",)
