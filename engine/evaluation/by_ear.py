"""What ears hear in an accompaniment: figure, bass line, closes, how chords follow. numpy only.

As `metrics`, each measure is a sum (part, whole) over a window, so that any set of windows is
described by adding its rows. Formulas: docs/evaluation.md, "By ear".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.evaluation import chords, closes
from engine.evaluation.metrics import Counts, Pair, Played, note_lengths, sounding_of
from engine.music.grid import ONSET, STEPS_PER_BEAT, STEPS_PER_TOKEN
from engine.music.roll import Floats

_HOLE_STEPS = int(0.8 * STEPS_PER_BEAT)
"""A rest of one pitch of at most so many steps is a hole."""
_NEAR_SEMITONES = 12
"""A bass that moves farther has stopped: what is lowest now is another voice."""
_LEAP_SEMITONES = 7
"""A bass that moves farther than a fifth leaps."""
_LEAST_STEPS = STEPS_PER_BEAT // 4
"""A pitch counts in a beat where it sounds for so many of its steps."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One window. bars: its bar lines, steps from its column 0, some of them outside it.

    voicings: pitches that count in each beat, rising. basses: the lowest of them.
    """

    played: Played
    bars: Sequence[int]
    voicings: list[NDArray[np.int64]]
    basses: list[int | None]


def _listen_to(pair: Pair, scale: NDArray[np.bool_], bars: Sequence[int], low: int) -> Heard:
    """Work out what several measures share."""
    played = sounding_of(pair, scale, low)
    voicings = voicings_of(played.sounding, low)
    return Heard(played, bars, voicings, basses_of(voicings))


def voicings_of(sounding: NDArray[np.bool_], low: int) -> list[NDArray[np.int64]]:
    """Return pitches that sound for a quarter or more of each beat of bool[K, S], rising."""
    beats = np.arange(0, sounding.shape[1], STEPS_PER_BEAT)
    steps = np.add.reduceat(sounding, beats, axis=1, dtype=np.int64)
    return [np.flatnonzero(beat >= _LEAST_STEPS) + low for beat in steps.T]


def basses_of(voicings: Sequence[NDArray[np.int64]]) -> list[int | None]:
    """Return the lowest pitch of each beat; None where there is none."""
    return [int(pitches[0]) if len(pitches) else None for pitches in voicings]


def _rhythm_likeness(window: Heard) -> Floats:
    """Jaccard index of the sixteenths on which something begins, of neighbouring bars."""
    struck = np.asarray(window.played.reply[ONSET].any(axis=0))
    whole = [
        set((np.flatnonzero(struck[start:end]) // STEPS_PER_TOKEN).tolist()) | {-(end - start)}
        for start, end in pairwise(window.bars)
        if start >= 0 and end <= len(struck)
    ]
    return _sums(_jaccard(one, other) for one, other in pairwise(whole))


def _jaccard(one: set[int], other: set[int]) -> float | None:
    """Compare two bars, each with its length as a negative number; None where that is no use."""
    if min(one) != min(other) or len(one | other) == 1:
        return None
    return (len(one & other) - 1) / (len(one | other) - 1)


def _bass_continuity(window: Heard) -> Floats:
    return _sums(
        None if one is None else other is not None and abs(other - one) <= _NEAR_SEMITONES
        for one, other in pairwise(window.basses)
    )


def _bass_leaps(window: Heard) -> Floats:
    return _sums(
        None if one is None or other in (None, one) else abs(other - one) > _LEAP_SEMITONES
        for one, other in pairwise(window.basses)
    )


def _v_i(window: Heard) -> Floats:
    played, tonics = window.played, closes.tonics_of(window.played.scale)
    return _sums(
        any(closes.is_v_i(beat, played.chords, window.basses, tonics) for beat in beats)
        for beats in _rests(played)
    )


def _half_closes(window: Heard) -> Floats:
    played, tonics = window.played, closes.tonics_of(window.played.scale)
    return _sums(closes.is_half_close(beats[-1], played.chords, tonics) for beats in _rests(played))


def _rests(played: Played) -> list[range]:
    return closes.long_notes(played.lead, note_lengths(played.lead))


def _chord_kept(window: Heard) -> Floats:
    return _sums(one == other for one, other in _chord_pairs(window.played.chords))


def _chord_pairs(found: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield chords of neighbouring beats that both have one."""
    for one, other in pairwise(found.tolist()):
        if chords.NO_CHORD not in (one, other):
            yield one, other


def _voice_leading(window: Heard) -> Floats:
    found = window.played.chords.tolist()
    places = zip(pairwise(found), pairwise(window.voicings), strict=True)
    return _sums(
        voice_leading(*voicings)
        for (one, other), voicings in places
        if chords.NO_CHORD not in (one, other) and one != other and all(map(len, voicings))
    )


def voice_leading(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return mean over the notes of both chords of the semitones to the nearest note of the
    other."""
    apart = np.abs(one[:, None] - other)
    return float(np.concatenate([apart.min(axis=1), apart.min(axis=0)]).mean())


def _restrikes(window: Heard) -> Floats:
    rests = _rests_before(window.played)
    return np.array([(rests == 0).sum(), len(rests)], np.float64)


def _holes(window: Heard) -> Floats:
    rests = _rests_before(window.played)
    return np.array([((rests > 0) & (rests <= _HOLE_STEPS)).sum(), len(rests)], np.float64)


def _rests_before(played: Played) -> NDArray[np.int64]:
    """Before each onset of the reply: steps for which its pitch did not sound; -1: never before."""
    steps = np.arange(played.sounding.shape[1])
    latest = np.maximum.accumulate(np.where(played.sounding, steps, -1), axis=1)
    rows, onsets = np.nonzero(played.reply[ONSET])
    before = np.where(onsets > 0, latest[rows, onsets - 1], -1)
    return np.where(before >= 0, onsets - before - 1, -1)


def _note_in_chord(window: Heard) -> Floats:
    played = window.played
    return chords.note_in_chord(played.lead, played.chords, played.low)


def _sums(values: Iterable[float | None]) -> Floats:
    """(sum, count) of what is not None."""
    known = [value for value in values if value is not None]
    return np.array([sum(known), len(known)], np.float64)


BY_EAR: dict[str, Callable[[Heard], Floats]] = {
    "rhythm_likeness": _rhythm_likeness,
    "bass_continuity": _bass_continuity,
    "bass_leaps": _bass_leaps,
    "v_i": _v_i,
    "half_closes": _half_closes,
    "chord_kept": _chord_kept,
    "voice_leading": _voice_leading,
    "restrikes": _restrikes,
    "holes": _holes,
    "note_in_chord": _note_in_chord,
}
"""Rates by name, part / whole, 0 where there is no whole."""


def count_by_ear(
    pairs: Sequence[Pair],
    scales: Sequence[NDArray[np.bool_]],
    bars: Sequence[Sequence[int]],
    low: int,
) -> Counts:
    """Return every measure's sums [N, (part, whole)]; scales and bar lines of each window."""
    windows = [_listen_to(*each, low) for each in zip(pairs, scales, bars, strict=True)]
    return {name: np.stack([of(window) for window in windows]) for name, of in BY_EAR.items()}
