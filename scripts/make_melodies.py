"""Write the bundled melodies, presets/melodies/*.mid, from the notes below.

All of them are in the public domain. A line is a few bars; `E4:1.5` is E above middle C for one
and a half quarter notes, `-:2` a rest. An upbeat is filled up with a rest on its left, so that
bar lines fall where the meter says. Run: python scripts/make_melodies.py [FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from engine.music.grid import LEAD, STEPS_PER_BEAT, Meter, MeterMap
from engine.music.roll import Note
from engine.scores.midi_write import NewTrack, new_file, write

FOLDER = Path(__file__).resolve().parent.parent / "presets" / "melodies"
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_LOUD, _SOFT = 92, 80  # first beat of a bar, and the rest


@dataclass(frozen=True, slots=True)
class Tune:
    """A melody as text."""

    file: str
    title: str
    meter: str
    bpm: float
    text: str


TUNES = (
    Tune(
        "ode-to-joy",
        "Ode to Joy (L. van Beethoven, 1824)",
        "4/4",
        112,
        """
        F#4:1 F#4:1 G4:1 A4:1  A4:1 G4:1 F#4:1 E4:1  D4:1 D4:1 E4:1 F#4:1  F#4:1.5 E4:.5 E4:2
        F#4:1 F#4:1 G4:1 A4:1  A4:1 G4:1 F#4:1 E4:1  D4:1 D4:1 E4:1 F#4:1  E4:1.5 D4:.5 D4:2
        E4:1 E4:1 F#4:1 D4:1  E4:1 F#4:.5 G4:.5 F#4:1 D4:1
        E4:1 F#4:.5 G4:.5 F#4:1 E4:1  D4:1 E4:1 A3:1 F#4:2
        F#4:1 G4:1 A4:1  A4:1 G4:1 F#4:1 E4:1  D4:1 D4:1 E4:1 F#4:1  E4:1.5 D4:.5 D4:2
        """,
    ),
    Tune(
        "greensleeves",
        "Greensleeves (English, 16th century)",
        "6/8",
        84,
        """
        -:2.5 A4:.5
        C5:1 D5:.5 E5:.75 F#5:.25 E5:.5  D5:1 B4:.5 G4:.75 A4:.25 B4:.5
        C5:1 A4:.5 A4:.75 G#4:.25 A4:.5  B4:1 G#4:.5 E4:1 A4:.5
        C5:1 D5:.5 E5:.75 F#5:.25 E5:.5  D5:1 B4:.5 G4:.75 A4:.25 B4:.5
        C5:.75 B4:.25 A4:.5 G#4:.75 F#4:.25 G#4:.5  A4:3
        G5:1.5 G5:.75 F#5:.25 E5:.5  D5:1 B4:.5 G4:.75 A4:.25 B4:.5
        C5:1 A4:.5 A4:.75 G#4:.25 A4:.5  B4:1 G#4:.5 E4:1.5
        G5:1.5 G5:.75 F#5:.25 E5:.5  D5:1 B4:.5 G4:.75 A4:.25 B4:.5
        C5:.75 B4:.25 A4:.5 G#4:.75 F#4:.25 G#4:.5  A4:3
        """,
    ),
    Tune(
        "amazing-grace",
        "Amazing Grace (New Britain, 1829)",
        "3/4",
        88,
        """
        -:2 D4:1
        G4:2 B4:.5 G4:.5  B4:2 A4:1  G4:2 E4:1  D4:2 D4:1
        G4:2 B4:.5 G4:.5  B4:2 A4:1  D5:5 B4:1
        D5:1.5 B4:.5 D5:.5 B4:.5  G4:2 D4:1  E4:1.5 G4:.5 G4:.5 E4:.5  D4:2 D4:1
        G4:2 B4:.5 G4:.5  B4:2 A4:1  G4:5 -:1
        """,
    ),
    Tune(
        "auld-lang-syne",
        "Auld Lang Syne (Scots, 18th century)",
        "4/4",
        100,
        """
        -:3 C4:1
        F4:1.5 F4:.5 F4:1 A4:1  G4:1.5 F4:.5 G4:1 A4:1  F4:1.5 F4:.5 A4:1 C5:1  D5:3 D5:1
        C5:1.5 A4:.5 A4:1 F4:1  G4:1.5 F4:.5 G4:1 A4:1  F4:1.5 D4:.5 D4:1 C4:1  F4:3 D5:1
        C5:1.5 A4:.5 A4:1 F4:1  G4:1.5 F4:.5 G4:1 D5:1  C5:1.5 A4:.5 A4:1 C5:1  D5:3 D5:1
        C5:1.5 A4:.5 A4:1 F4:1  G4:1.5 F4:.5 G4:1 A4:1  F4:1.5 D4:.5 D4:1 C4:1  F4:3 -:1
        """,
    ),
    Tune(
        "silent-night",
        "Silent Night (F. X. Gruber, 1818)",
        "6/8",
        66,
        """
        G4:.75 A4:.25 G4:.5 E4:1.5  G4:.75 A4:.25 G4:.5 E4:1.5
        D5:1 D5:.5 B4:1.5  C5:1 C5:.5 G4:1.5
        A4:1 A4:.5 C5:.75 B4:.25 A4:.5  G4:.75 A4:.25 G4:.5 E4:1.5
        A4:1 A4:.5 C5:.75 B4:.25 A4:.5  G4:.75 A4:.25 G4:.5 E4:1.5
        D5:1 D5:.5 F5:.75 D5:.25 B4:.5  C5:1.5 E5:1.5
        C5:.75 G4:.25 E4:.5 G4:.75 F4:.25 D4:.5  C4:3
        """,
    ),
)


def pitch_of(name: str) -> int:
    """MIDI pitch of `F#4`; C4 is 60."""
    return _NATURAL[name[0]] + name.count("#") - name.count("b") + 12 * (int(name[-1]) + 1)


def notes_of(tune: Tune) -> list[Note]:
    """Return the tune's notes, the first beats of bars a little louder."""
    bar = Meter.parse(tune.meter).bar_steps
    notes, step = [], Fraction(0)
    for word in tune.text.split():
        name, _, beats = word.partition(":")
        length = Fraction(beats) * STEPS_PER_BEAT
        if name != "-":
            velocity = _SOFT if step % bar else _LOUD
            notes.append(Note(int(step), pitch_of(name), int(length), LEAD, velocity))
        step += length
    assert step % bar == 0, f"{tune.file} does not end with a full bar"
    return notes


def midi_of(tune: Tune) -> bytes:
    """Return the tune as a MIDI file with one track named Melody."""
    meters = MeterMap(((0, Meter.parse(tune.meter)),))
    return new_file([NewTrack("Melody", notes_of(tune))], tune.bpm, meters, tune.title)


def main(folder: Path) -> None:
    """Write all tunes into `folder`."""
    for tune in TUNES:
        path = folder / f"{tune.file}.mid"
        write(midi_of(tune), path)
        print(f"{path}: {len(notes_of(tune))} notes, {tune.title}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
