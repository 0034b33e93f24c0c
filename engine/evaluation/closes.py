"""Where music comes to rest: V-I and half closes. numpy only.

Chords are those of `chords.chords_of`, one a beat, of the accompaniment alone.

    V-I         the chord is major or minor, its root is a tonic and lies in the bass; the last
                chord before it with another root is a major triad or dominant seventh on the fifth
    half close  the chord is a major triad or dominant seventh on the fifth of a tonic

A place to rest is a long note of the melody: V-I on any of its beats, a half close on the last.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.chords import NO_CHORD, QUALITIES
from engine.music.grid import ONSET, STEPS_PER_BEAT

_LONG_STEPS = 2 * STEPS_PER_BEAT
_TIMES_MEDIAN = 2
"""A long note lasts two beats or more, and twice the median of the melody's notes or more."""
_FIFTH = 7
_RELATIVE_MINOR = 9
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_NAMES = tuple(QUALITIES)
_RESTFUL = {_NAMES.index(name) for name in ("", "m")}
_DOMINANT = {_NAMES.index(name) for name in ("", "7")}


def tonics_of(scale: NDArray[np.bool_]) -> tuple[int, int]:
    """Tonics of the major scale bool[12] and of its relative minor, as pitch classes."""
    (major,) = (t for t in range(12) if all(scale[(t + tone) % 12] for tone in _MAJOR))
    return major, (major + _RELATIVE_MINOR) % 12


def long_notes(lead: NDArray[np.bool_], lengths: NDArray[np.int64]) -> list[range]:
    """Return the beats in which each long note of the melody, bool[2, K, S], sounds, in order.

    lengths: of its notes, by pitch, then onset (`metrics.note_lengths`).
    """
    if not len(lengths):
        return []
    onsets = np.nonzero(lead[ONSET])[1]
    long = lengths >= max(_LONG_STEPS, _TIMES_MEDIAN * float(np.median(lengths)))
    firsts = onsets[long] // STEPS_PER_BEAT
    ends = -(-(onsets + lengths)[long] // STEPS_PER_BEAT)
    found = {(int(first), int(end)) for first, end in zip(firsts, ends, strict=True)}
    return [range(*each) for each in sorted(found)]


def is_v_i(
    beat: int,
    chords: NDArray[np.int64],
    basses: Sequence[int | None],
    tonics: Collection[int],
) -> bool:
    """Return whether the music comes to rest by V-I on this beat. basses: lowest pitch of each
    beat."""
    quality, root = divmod(int(chords[beat]), 12)
    bass = basses[beat]
    if quality not in _RESTFUL or root not in tonics or bass is None or bass % 12 != root:
        return False
    others = [chord for chord in chords[:beat] if chord != NO_CHORD and chord % 12 != root]
    return bool(others) and _is_dominant(int(others[-1]), (root,))


def is_half_close(beat: int, chords: NDArray[np.int64], tonics: Collection[int]) -> bool:
    """Return whether the chord of this beat is the dominant of one of the tonics."""
    return _is_dominant(int(chords[beat]), tonics)


def _is_dominant(chord: int, tonics: Collection[int]) -> bool:
    quality, root = divmod(chord, 12)
    return quality in _DOMINANT and (root - _FIFTH) % 12 in tonics
