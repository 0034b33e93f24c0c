"""MIDI files as bytes, made by mido or by hand."""

from __future__ import annotations

import struct
from io import BytesIO

import mido

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
            Meta("track_name", name="SongMemory"),
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
