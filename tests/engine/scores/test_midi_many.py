"""Work that grows with a file is bounded: linear, or refused in one line."""

from __future__ import annotations

import struct
import time

import pytest

from bridge.files.tasks import SourcePiece, harmonize
from engine.music.grid import PIANO
from engine.requests.request import SampleSettings
from engine.scores.midi_file import MidiFileError, parse
from tests.midi_bytes import Meta, midi, off, on

SOON_S = 2.0


def test_eight_thousand_meter_changes_are_read_and_harmonized_soon() -> None:
    meters = [
        Meta("time_signature", numerator=3 + number % 2, denominator=4, time=480 * 3)
        for number in range(8000)
    ]
    tune = [each for _ in range(60) for each in (on(72), off(72, 480))]
    begun_s = time.process_time()
    piece = SourcePiece.of(parse(midi(meters, [Meta("track_name", name="Melody"), *tune])))
    job = harmonize(piece, SampleSettings(), PIANO)
    assert time.process_time() - begun_s < SOON_S
    assert job.melody is not None
    assert len(job.melody.lead) == 60


def test_sixty_five_thousand_tracks_are_read_or_refused_soon() -> None:
    empty = struct.pack(">4sL", b"MTrk", 4) + b"\x00\xff\x2f\x00"
    header = struct.pack(">4sLHHH", b"MThd", 6, 1, 65_535, 480)
    begun_s = time.process_time()
    with pytest.raises(MidiFileError) as caught:
        SourcePiece.of(parse(header + empty * 65_535))
    assert "\n" not in str(caught.value)
    assert time.process_time() - begun_s < SOON_S
