"""Two hymns in plain four-part settings of our own, typed by hand: a sample to score models on.

The tunes are in the public domain and so are these settings. Their lead is the tune.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, Meter, MeterMap
from engine.music.roll import Note
from scripts.make_melodies import TUNES, notes_of, pitch_of


@dataclass(frozen=True, slots=True)
class Hymn:
    """Notes on the grid. Windows of 16 beats are taken one after another from `first_beat` on."""

    title: str
    meters: MeterMap
    notes: tuple[Note, ...]
    first_beat: int
    windows: int


# Old Hundredth (Genevan Psalter, 1551): a chord a beat, from soprano to bass; four lines of verse.
_OLD_HUNDREDTH = """
    G4/D4/B3/G3  G4/D4/B3/G3  F#4/D4/A3/D3  E4/B3/G3/E3  D4/B3/F#3/B2  G4/B3/G3/E3  A4/D4/F#3/D3  B4/D4/G3/G2
    B4/D4/G3/G3  B4/D4/G3/G3  B4/E4/G3/E3  A4/D4/F#3/D3  G4/D4/B3/G2  C5/E4/G3/C3  B4/D4/G3/G2  A4/D4/F#3/D3
    G4/D4/B3/G3  A4/D4/A3/F#3  B4/D4/G3/G3  A4/D4/F#3/D3  G4/B3/G3/E3  E4/C4/G3/C3  F#4/C4/A3/D3  G4/B3/G3/G2
    D5/F#4/A3/D3  B4/D4/G3/G3  G4/E4/B3/E3  A4/D4/A3/F#3  C5/E4/G3/C3  B4/D4/G3/D3  A4/D4/F#3/D3  G4/D4/B3/G2
"""  # noqa: E501
_UPBEAT = 3

# New Britain (1829), "Amazing Grace": the bundled melody, a chord a bar, struck on beats 1 and 3.
_NEW_BRITAIN = "- G G C G G e D D G G C G G D G G"
_CHORDS = {"G": "B3 G3 G2", "C": "C4 G3 C3", "D": "A3 F#3 D3", "e": "B3 G3 E3"}


def _old_hundredth() -> Hymn:
    notes = []
    for beat, chord in enumerate(_OLD_HUNDREDTH.split(), _UPBEAT):
        for part, name in enumerate(chord.split("/")):
            voice = ACCOMPANIMENT if part else LEAD
            notes.append(Note(beat * STEPS_PER_BEAT, pitch_of(name), STEPS_PER_BEAT, voice))
    return Hymn("Old Hundredth", MeterMap(((0, Meter(4, 4)),)), tuple(notes), _UPBEAT, 2)


def _new_britain() -> Hymn:
    tune = next(tune for tune in TUNES if tune.file == "amazing-grace")
    meter = Meter.parse(tune.meter)
    notes = notes_of(tune)
    for bar, chord in enumerate(_NEW_BRITAIN.split()):
        start = bar * meter.bar_steps
        for at, beats in ((start, 2), (start + 2 * STEPS_PER_BEAT, 1)):
            notes += [
                Note(at, pitch_of(name), beats * STEPS_PER_BEAT, ACCOMPANIMENT)
                for name in _CHORDS.get(chord, "").split()
            ]
    return Hymn("New Britain", MeterMap(((0, meter),)), tuple(notes), 2, 3)


HYMNS = (_old_hundredth(), _new_britain())
