"""Chords read off notes, a chord a beat. Where there is no harmony plan that says them.

The rule is the plan's (`engine.denoisers.harmony`): a pitch class counts when it sounds for a
quarter of the beat or more, all octaves together; the bass is the lowest pitch that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.music.chord_names import Chord
from engine.music.grid import STEPS_PER_BEAT
from engine.music.roll import Note

_LEAST_STEPS = STEPS_PER_BEAT // 4
_BARE = 2


def heard_chords(notes: Sequence[Note], first_step: int, end_step: int) -> list[tuple[int, Chord]]:
    """(first step, chord) of every whole beat in [first_step, end_step), on the beats of step 0."""
    first = -(-first_step // STEPS_PER_BEAT)
    sounding: list[dict[int, int]] = [{} for _ in range(first, end_step // STEPS_PER_BEAT)]
    for note in notes:
        start = max(note.onset_step // STEPS_PER_BEAT, first)
        for beat in range(start, min(-(-note.end_step // STEPS_PER_BEAT), first + len(sounding))):
            here = sounding[beat - first]
            here[note.pitch] = here.get(note.pitch, 0) + _overlap(note, beat * STEPS_PER_BEAT)
    return [((first + i) * STEPS_PER_BEAT, _chord(each)) for i, each in enumerate(sounding)]


def with_lead(chords: Iterable[tuple[int, Chord]], lead: Sequence[Note]) -> list[tuple[int, Chord]]:
    """Bare chords, of one or two classes, with what the melody adds to them in their beat."""
    chords = list(chords)
    if not chords:
        return []
    above = dict(heard_chords(lead, chords[0][0], chords[-1][0] + STEPS_PER_BEAT))
    return [
        (step, Chord(each.classes | above[step].classes, each.bass))
        if 1 <= len(each.classes) <= _BARE and step in above
        else (step, each)
        for step, each in chords
    ]


def named(chords: Iterable[tuple[int, Chord]], names: tuple[str, ...]) -> list[tuple[int, str]]:
    """(step, name); a name that repeats the one before is left out."""
    found: list[tuple[int, str]] = []
    for step, chord in chords:
        name = chord.name(names)
        if not found or found[-1][1] != name:
            found.append((step, name))
    return found


def _overlap(note: Note, step: int) -> int:
    return min(note.end_step, step + STEPS_PER_BEAT) - max(note.onset_step, step)


def _chord(steps: dict[int, int]) -> Chord:
    """Name it by how long each pitch sounds."""
    by_class: dict[int, int] = {}
    for pitch, length in steps.items():
        by_class[pitch % 12] = by_class.get(pitch % 12, 0) + length
    classes = frozenset(each for each, length in by_class.items() if length >= _LEAST_STEPS)
    lasting = [pitch for pitch, length in steps.items() if length >= _LEAST_STEPS]
    return Chord(classes, min(lasting) % 12 if lasting else None)
