"""Chords by a fixed rule, and how a melody sits on them: CTnCTR, PCS and MCTD. numpy only.

The rule, one chord a beat, from the accompaniment alone:

- w[c] = how many of the beat's steps pitch class c sounds in, in any octave;
- the chord is the template with the largest cosine w.T / |w||T| (template matching as Fujishima
  1999 has it) among 60: the 48 triads of Yeh et al. 2021 (major, minor, diminished, augmented)
  and the 12 dominant sevenths;
- of equals the one in force a beat before; else major and minor before the others, then the one
  whose root (else third, fifth, seventh) is the lowest note, then the first of that list, then the
  one with its root nearest above the lowest note;
- a beat with a single pitch class keeps the chord before where that holds it; else, and where
  nothing sounds, there is no chord.

It commutes with transposition. The measures are those of Yeh et al. 2021 ("Automatic melody
harmonization with triad chords"), the melody being the top sounding note of the lead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ONSET, STEPS_PER_BEAT
from engine.music.roll import Floats

NO_CHORD = -1
QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "7": (0, 4, 7, 10)}
"""Semitones above the root; a chord's number is 12 * quality + root."""
_COMMON = 2
"""The first qualities, major and minor, are preferred."""
_ROOTS = 12
_NEAR_SEMITONES = 2
_CONSONANCE = np.array([1, -1, -1, 1, 1, 0, -1, 1, 1, 1, -1, -1])
"""PCS of a melody note so many semitones above a chord's note, as pitch classes."""


def _templates() -> NDArray[np.int64]:
    """int64[chord, pitch class], 0 or 1."""
    found = np.zeros((len(QUALITIES) * _ROOTS, 12), np.int64)
    for quality, tones in enumerate(QUALITIES.values()):
        for root in range(_ROOTS):
            found[quality * _ROOTS + root, [(root + tone) % 12 for tone in tones]] = 1
    return found


TEMPLATES = _templates()
_WEIGHT = 12 // TEMPLATES.sum(axis=1)  # (w.T)^2 / |T|^2 times 12: whole numbers, so ties are exact


def _tone_numbers() -> NDArray[np.int64]:
    """int64[chord, pitch class]: 0 where it is the chord's root, 1 third, ...; 9 where foreign."""
    found = np.full(TEMPLATES.shape, 9)
    for quality, tones in enumerate(QUALITIES.values()):
        for root in range(_ROOTS):
            found[quality * _ROOTS + root, [(root + t) % 12 for t in tones]] = range(len(tones))
    return found


_TONE = _tone_numbers()


def tonal_centroid(classes: Floats) -> Floats:
    """Return the 6-D centroid [..., 6] of pitch class weights [..., 12] (Harte, Sandler & Gasser
    2006).

    Circles of fifths, minor and major thirds with radii 1, 1 and 0.5, as sine and cosine.
    """
    angles = np.arange(12)[:, None] * np.pi * np.array([7 / 6, 3 / 2, 2 / 3])
    radii = np.array([1.0, 1.0, 0.5])
    circles = np.stack([radii * np.sin(angles), radii * np.cos(angles)], axis=-1).reshape(12, 6)
    total = np.maximum(classes.sum(axis=-1, keepdims=True), 1e-12)
    return np.asarray(classes @ circles / total)


def _melody_tables() -> tuple[Floats, Floats]:
    """PCS summed over a chord's notes, and tonal distance: float[pitch class, chord]."""
    apart = (np.arange(12)[:, None] - np.arange(12)) % 12
    consonance = _CONSONANCE[apart] @ TEMPLATES.T
    notes, chords = tonal_centroid(np.eye(12)), tonal_centroid(TEMPLATES.astype(np.float64))
    return consonance.astype(np.float64), np.linalg.norm(notes[:, None] - chords, axis=-1)


_PCS, _DISTANCE = _melody_tables()


def chords_of(sounding: NDArray[np.bool_], low: int) -> NDArray[np.int64]:
    """Return the chord of each beat, int64[ceil(S / 24)], of an accompaniment bool[K, S].

    Row 0 is MIDI pitch `low`; beats count from column 0.
    """
    beats = -(-sounding.shape[1] // STEPS_PER_BEAT)
    chords = np.full(beats, NO_CHORD)
    before = NO_CHORD
    for beat in range(beats):
        part = sounding[:, beat * STEPS_PER_BEAT : (beat + 1) * STEPS_PER_BEAT]
        before = _chord_of(part, low, before)
        chords[beat] = before
    return chords


def _chord_of(part: NDArray[np.bool_], low: int, before: int) -> int:
    rows = np.flatnonzero(part.any(axis=1))
    if not len(rows):
        return NO_CHORD
    steps = np.zeros((12, part.shape[1]), np.bool_)
    np.logical_or.at(steps, (rows + low) % 12, part[rows])
    weights = steps.sum(axis=1)
    if (weights > 0).sum() == 1:
        held = before != NO_CHORD and TEMPLATES[before, int((rows[0] + low) % 12)]
        return before if held else NO_CHORD
    match = (TEMPLATES @ weights) ** 2 * _WEIGHT
    equals = np.flatnonzero(match == match.max())
    if before in equals:
        return before
    quality, bass = equals // _ROOTS, int(rows[0] + low) % 12
    above_bass = (equals - bass) % _ROOTS
    # np.lexsort: the last key goes first.
    order = np.lexsort((above_bass, quality, _TONE[equals, bass], quality >= _COMMON))
    return int(equals[order[0]])


def melody_of(sounding: NDArray[np.bool_], low: int) -> NDArray[np.int64]:
    """Return the top sounding pitch at each step, int64[S], of a lead bool[K, S]; -1 in rests."""
    top = len(sounding) - 1 - np.argmax(sounding[::-1], axis=0)
    return np.where(sounding.any(axis=0), top + low, -1)


def ctnctr(lead: NDArray[np.bool_], chords: NDArray[np.int64], low: int) -> Floats:
    """Chord tones and proper others, and all notes of the melody where there is a chord: [2].

    CTnCTR = (n_c + n_p) / (n_c + n_n). lead: bool[2, K, S]. Of onsets at one step the top one
    counts. A non-chord tone is proper (n_p, a subset of n_n) when the next note of the melody is
    at most 2 semitones away and a tone of the chord it falls on.
    """
    pitches = melody_of(lead[ONSET], low)
    steps = np.flatnonzero(pitches >= 0)
    pitch, chord = pitches[steps], chords[steps // STEPS_PER_BEAT]
    there = chord != NO_CHORD
    inside = there & (TEMPLATES[chord, pitch % 12] == 1)
    resolved = np.zeros_like(inside)
    resolved[:-1] = inside[1:] & (np.abs(np.diff(pitch)) <= _NEAR_SEMITONES)
    proper = there & ~inside & resolved
    return np.array([inside.sum() + proper.sum(), there.sum()], np.float64)


def pcs(lead: NDArray[np.bool_], chords: NDArray[np.int64], low: int) -> Floats:
    """Return pitch consonance score: its sum, and the pairs of melody note and chord note, [2].

    Each pair scores 1 for 0, 3, 4, 7, 8 or 9 semitones from the chord's note up to the melody's
    (as pitch classes), 0 for 5, else -1; each counts for as many steps as both last.
    """
    classes, chord = _together(lead, chords, low)
    notes = TEMPLATES[chord].sum()
    return np.array([_PCS[classes, chord].sum(), notes], np.float64)


def mctd(lead: NDArray[np.bool_], chords: NDArray[np.int64], low: int) -> Floats:
    """Melody-chord tonal distance: its sum over steps, and the steps where both sound, [2].

    Euclidean distance of the melody note's tonal centroid to the chord's.
    """
    classes, chord = _together(lead, chords, low)
    return np.array([_DISTANCE[classes, chord].sum(), len(chord)], np.float64)


def note_in_chord(lead: NDArray[np.bool_], chords: NDArray[np.int64], low: int) -> Floats:
    """Return steps in which the melody's pitch class is of the chord, and steps that have both,
    [2]."""
    classes, chord = _together(lead, chords, low)
    return np.array([TEMPLATES[chord, classes].sum(), len(chord)], np.float64)


def _together(
    lead: NDArray[np.bool_], chords: NDArray[np.int64], low: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pitch class of the melody and chord of every step that has both."""
    pitch = melody_of(np.asarray(lead.any(axis=0)), low)
    chord = np.repeat(chords, STEPS_PER_BEAT)[: len(pitch)]
    both = (pitch >= 0) & (chord != NO_CHORD)
    return pitch[both] % 12, chord[both]
