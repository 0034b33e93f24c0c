"""The shipped model goes on from a melody that was played alone, in the melody's key."""

from __future__ import annotations

from pathlib import Path

from bridge.files import tasks
from bridge.files.tasks import SourcePiece
from engine.model.generator import Generator
from engine.music.roll import roll_to_notes
from engine.requests.request import SampleSettings
from engine.scores.midi_file import read

PRESETS = Path(__file__).parents[3] / "presets"
MAJOR = {0, 2, 4, 5, 7, 9, 11}


def test_continue_keeps_the_key_of_a_melody_alone() -> None:
    """Measured .05; told that the accompaniment is silent .14, each window for itself .45."""
    import torch

    torch.set_num_threads(1)
    generator = Generator.load(PRESETS / "default.pt", "cpu")
    strange = notes = 0
    for name, tonic in (("ode-to-joy", 2), ("silent-night", 0), ("auld-lang-syne", 5)):
        piece = SourcePiece.of(read(PRESETS / "melodies" / f"{name}.mid"))
        for seed in (1, 2):
            settings = SampleSettings(steps=4, chord_calls=8, chord_choices=1, seed=seed)
            job = tasks.continue_(piece, settings, generator.pitches, 12)
            new = [
                note
                for note in roll_to_notes(generator.fill(job.request))
                if note.onset_step >= job.from_step
            ]
            strange += sum((note.pitch - tonic) % 12 not in MAJOR for note in new)
            notes += len(new)
    assert notes > 300
    assert strange / notes < 0.1, (strange, notes)
