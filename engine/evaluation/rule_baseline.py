"""What a user would pick instead of a network: one diatonic triad a bar. numpy only.

The key is read from the melody (`engine.music.keys`). The chords are its six plain triads: I ii
iii IV V vi, in minor i III iv V VI VII. A bar's chord is worth

    how well it fits     steps of the melody in the chord less those outside, of all; steps of the
                         bar's first beat count double: -1 to 1
    how usual it is      .2 for the tonic, .1 for the chords on the fourth and the fifth
    how it follows       .3 for a root a fifth below the one before, .2 for a fifth or a step above,
                         .1 for a third or a step below

and the series worth most is played (Viterbi), the root in the bass, the triad above it in close
position as near to the one before as can be, under the melody, held for the bar. Live the rule
knows of a bar its first beat alone, and all before it; what it played stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from engine.music.grid import ACCOMPANIMENT, STEPS_PER_BEAT, MeterMap
from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import Floats, Note

RULE = "rule"
_Span = tuple[int, int]
_TRIADS = {
    False: ((0, 4), (2, 3), (4, 3), (5, 4), (7, 4), (9, 3)),
    True: ((0, 3), (3, 4), (5, 3), (7, 4), (8, 4), (10, 4)),
}
"""By `minor`: semitones from the tonic to the root, and from there to the third."""
_USUAL = {0: 0.2, 5: 0.1, 7: 0.1}
_FOLLOWS = {5: 0.3, 7: 0.2, 2: 0.2, 9: 0.1, 8: 0.1, 10: 0.1}
"""By semitones from a root up to the next."""
_AT_THE_END = 1.0
"""The tonic is worth so much more in the last bar of a piece."""
_LOWEST_BASS = 40
_LOWEST_TRIAD = 52
_MIDDLE = 60


@dataclass(frozen=True, slots=True)
class Triad:
    """root: pitch class. third: semitones above it. degree: semitones from the tonic to it."""

    root: int
    third: int
    degree: int

    @property
    def classes(self) -> tuple[int, int, int]:
        """Its three pitch classes, root first."""
        return self.root, (self.root + self.third) % 12, (self.root + 7) % 12


def triads_of(key: Key) -> list[Triad]:
    """Return the chords the rule knows in a key."""
    return [Triad((key.tonic + degree) % 12, third, degree) for degree, third in _TRIADS[key.minor]]


def by_rule(lead: Sequence[Note], meters: MeterMap, span: _Span, *, ends: bool) -> list[Note]:
    """Return the accompaniment of the steps `span`, the whole melody known. ends: the piece does
    there."""
    triads, bars = triads_of(_key_of(lead)), _bars(meters, span)
    worth = np.stack([_worth(triads, lead, bar) for bar in bars])
    if ends:
        worth[-1] += [_AT_THE_END * (triad.degree == 0) for triad in triads]
    chosen = [triads[index] for index in _best_path(worth, _moves(triads))]
    return _voiced(zip(chosen, bars, [_lowest(lead, bar) for bar in bars], strict=True))


def by_rule_live(lead: Sequence[Note], meters: MeterMap, span: _Span) -> list[Note]:
    """Return the same, each chord decided once the first beat of its bar is known, for good."""
    found: list[tuple[Triad, _Span, int]] = []
    for bar in _bars(meters, span):
        first_beat = bar[0], min(bar[0] + STEPS_PER_BEAT, bar[1])
        known = _until(lead, first_beat[1])
        triads = triads_of(_key_of(known))
        worth = _worth(triads, known, first_beat)
        if found:
            before = found[-1][0].root
            worth += [_FOLLOWS.get((triad.root - before) % 12, 0.0) for triad in triads]
        found.append((triads[int(np.argmax(worth))], bar, _lowest(known, first_beat)))
    return _voiced(found)


def _key_of(lead: Iterable[Note]) -> Key:
    """Return the key of the notes; C major where they do not say."""
    return read_key(class_weights(lead)) or Key(0)


def _bars(meters: MeterMap, span: _Span) -> list[_Span]:
    """Return bars of the span, the first and last cut by it."""
    first, end = span
    lines = pairwise(meters.bar_lines(first, end))
    return [(max(low, first), min(high, end)) for low, high in lines]


def _until(lead: Iterable[Note], end: int) -> list[Note]:
    """Return what is known of the melody at step `end`."""
    began = [note for note in lead if note.onset_step < end]
    return [replace(n, length_steps=min(n.end_step, end) - n.onset_step) for n in began]


def _steps_within(note: Note, span: _Span) -> int:
    return max(min(note.end_step, span[1]) - max(note.onset_step, span[0]), 0)


def _lowest(lead: Iterable[Note], span: _Span) -> int:
    """Lowest pitch of the melody in the span; 128 where it rests."""
    return min((note.pitch for note in lead if _steps_within(note, span)), default=128)


def _worth(triads: Sequence[Triad], lead: Iterable[Note], bar: _Span) -> Floats:
    """Return the worth of each chord in a bar, whatever came before it, [chords]."""
    first_beat = bar[0], min(bar[0] + STEPS_PER_BEAT, bar[1])
    weights = np.zeros(12)
    for note in lead:
        weights[note.pitch % 12] += _steps_within(note, bar) + _steps_within(note, first_beat)
    every = max(weights.sum(), 1.0)
    inside = np.array([weights[list(triad.classes)].sum() for triad in triads])
    usual = np.array([_USUAL.get(triad.degree, 0.0) for triad in triads])
    return np.asarray((2 * inside - weights.sum()) / every + usual)


def _moves(triads: Sequence[Triad]) -> Floats:
    """[from, to]"""
    return np.array(
        [[_FOLLOWS.get((b.root - a.root) % 12, 0.0) for b in triads] for a in triads], np.float64
    )


def _best_path(worth: Floats, moves: Floats) -> list[int]:
    """Viterbi: the series of choices with the greatest sum; worth [bars, n], moves [n, n]."""
    best, came_from = worth[0], []
    for row in worth[1:]:
        reached = best[:, None] + moves
        came_from.append(reached.argmax(axis=0))
        best = reached.max(axis=0) + row
    path = [int(np.argmax(best))]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return path[::-1]


def _voiced(chords: Iterable[tuple[Triad, _Span, int]]) -> list[Note]:
    """Return notes of (chord, bar, lowest pitch of the melody)."""
    notes: list[Note] = []
    upper: tuple[int, ...] = ()
    for triad, (start, end), ceiling in chords:
        upper = _close_position(triad, upper, ceiling)
        bass = _LOWEST_BASS + (triad.root - _LOWEST_BASS) % 12
        notes += [Note(start, p, end - start, ACCOMPANIMENT) for p in sorted({bass, *upper})]
    return notes


def _close_position(triad: Triad, before: tuple[int, ...], ceiling: int) -> tuple[int, ...]:
    """Three pitches from E3 up, nearest to those before, under the melody where that can be."""
    found = []
    for lowest in range(_LOWEST_TRIAD, _LOWEST_TRIAD + 12):
        if lowest % 12 in triad.classes:
            above = sorted((each - lowest) % 12 for each in triad.classes)
            found.append(tuple(lowest + each for each in above))
    under = [pitches for pitches in found if pitches[-1] < ceiling] or found
    wanted = before or (_MIDDLE - 4, _MIDDLE, _MIDDLE + 3)
    return min(under, key=lambda p: sum(abs(a - b) for a, b in zip(p, wanted, strict=True)))
