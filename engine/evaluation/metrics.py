"""What a reply sounds like, counted window by window. numpy only.

A pair is (lead, accompaniment), each bool[plane, K, S]; row 0 is MIDI pitch `low`. Everything here
is a sum over a window, so that any set of windows is described by adding its rows:
`distances` compares such sets. Descriptive, never a lone goal: a model can match all of
these and still bore.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.evaluation import chords
from engine.music.grid import ONSET, STEPS_PER_BEAT, SUSTAIN
from engine.music.roll import Floats

Cells2 = NDArray[np.bool_]
"""bool[plane, pitch, step] of one voice"""
Pair = tuple[Cells2, Cells2]
Counts = Mapping[str, Floats]
"""By name: a histogram's classes [N, classes], or a rate's [N, (part, whole)], of N windows."""

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_LENGTH_EDGES = (1, 3, 6, 12, 24, 48, 96)
_MOST_NOTES = 8
_MOST_ONSETS = 12
_NEAR_STEPS = 3
"""Onsets so close, half a sixteenth, count as the same in `note_f1`."""


@dataclass(frozen=True, slots=True)
class Played:
    """What sounds in one window. lead, reply: bool[2, K, S]. sounding: of the reply, bool[K, S].

    scale: bool[12], the composer's. chords: of the reply, one a beat. lengths: of its notes.
    """

    lead: Cells2
    reply: Cells2
    scale: NDArray[np.bool_]
    low: int
    sounding: NDArray[np.bool_]
    chords: NDArray[np.int64]
    lengths: NDArray[np.int64]


def sounding_of(pair: Pair, scale: NDArray[np.bool_], low: int) -> Played:
    """Work out what several measures share."""
    lead, reply = pair
    sounding = np.asarray(reply.any(axis=0))
    return Played(
        lead, reply, scale, low, sounding, chords.chords_of(sounding, low), note_lengths(reply)
    )


def _pitch_classes(window: Played) -> Floats:
    return pitch_class_steps(window.sounding, window.low)


def _notes_per_frame(window: Played) -> Floats:
    return _histogram(window.sounding.sum(axis=0), _MOST_NOTES)


def _onsets_per_beat(window: Played) -> Floats:
    onsets = window.reply[ONSET].sum(axis=0)
    beats = np.add.reduceat(onsets, np.arange(0, len(onsets), STEPS_PER_BEAT))
    return _histogram(beats, _MOST_ONSETS)


def _lengths(window: Played) -> Floats:
    return _histogram(np.searchsorted(_LENGTH_EDGES, window.lengths), len(_LENGTH_EDGES))


def _dissonant(window: Played) -> Floats:
    return np.array(_dissonance(np.asarray(window.lead.any(axis=0)), window.sounding))


def _out_of_scale(window: Played) -> Floats:
    steps = _pitch_classes(window)
    return np.array([steps[~window.scale].sum(), steps.sum()])


def _ctnctr(window: Played) -> Floats:
    return chords.ctnctr(window.lead, window.chords, window.low)


def _pcs(window: Played) -> Floats:
    return chords.pcs(window.lead, window.chords, window.low)


def _mctd(window: Played) -> Floats:
    return chords.mctd(window.lead, window.chords, window.low)


def _onset_count(window: Played) -> Floats:
    return np.array([window.reply[ONSET].sum(), window.reply.shape[-1] / STEPS_PER_BEAT])


def _note_count(window: Played) -> Floats:
    return np.array([window.sounding.sum(), window.sounding.shape[-1]], np.float64)


def _silent(window: Played) -> Floats:
    return np.array([(~window.sounding.any(axis=0)).sum(), window.sounding.shape[-1]], np.float64)


def _repeats(window: Played) -> Floats:
    """Return beats with the pitch classes of the beat before, of those (from the second) that
    sound."""
    beats = np.arange(0, window.sounding.shape[1], STEPS_PER_BEAT)
    sounding_beats = np.add.reduceat(window.sounding, beats, axis=1) > 0
    sets = np.zeros((12, len(beats)), np.bool_)
    np.logical_or.at(sets, (np.arange(len(sounding_beats)) + window.low) % 12, sounding_beats)
    same = (sets[:, 1:] == sets[:, :-1]).all(axis=0)
    sounds = sets[:, 1:].any(axis=0)
    return np.array([(same & sounds).sum(), sounds.sum()], np.float64)


def _one_beat(window: Played) -> Floats:
    return np.array([(window.lengths == STEPS_PER_BEAT).sum(), len(window.lengths)], np.float64)


HISTOGRAMS: dict[str, Callable[[Played], Floats]] = {
    "pitch_classes": _pitch_classes,  # sounding steps of each
    "notes_per_frame": _notes_per_frame,  # steps with 0, 1, .. 8 or more notes
    "onsets_per_beat": _onsets_per_beat,  # beats with 0, 1, .. 12 or more onsets
    "lengths": _lengths,  # notes of up to 1, 3, 6, 12, 24, 48, 96 steps, more
}
COMPARED: dict[str, Callable[[Played], Floats]] = {
    "dissonant": _dissonant,
    "out_of_scale": _out_of_scale,
    "ctnctr": _ctnctr,
    "pcs": _pcs,
    "mctd": _mctd,
}
DESCRIBED: dict[str, Callable[[Played], Floats]] = {
    "mean_onsets_per_beat": _onset_count,
    "mean_notes_per_frame": _note_count,
    "silent": _silent,
    "repeats": _repeats,
    "one_beat": _one_beat,
}
NINE = (*HISTOGRAMS, *COMPARED)
"""The nine measures whose distance to human music is reported (docs/evaluation.md)."""
RATES = (*COMPARED, *DESCRIBED)
"""Single numbers, each part / whole, 0 where there is no whole."""
_EVERY = HISTOGRAMS | COMPARED | DESCRIBED


def count(pairs: Sequence[Pair], scales: Sequence[NDArray[np.bool_]], low: int) -> Counts:
    """Return every measure's sums, a row a window; `scales` are bool[12] of each window."""
    windows = [sounding_of(pair, scale, low) for pair, scale in zip(pairs, scales, strict=True)]
    return {name: np.stack([of(window) for window in windows]) for name, of in _EVERY.items()}


def profile(counts: Counts) -> dict[str, float]:
    """Return the rates of all windows together."""
    return rates({name: counts[name] for name in RATES})


def rates(counts: Counts) -> dict[str, float]:
    """part / whole of all windows together, of each of these rates."""
    return {name: float(rate(rows.sum(axis=0))) for name, rows in counts.items()}


def rate(sums: Floats) -> Floats:
    """part / whole of [..., (part, whole)]; 0 where whole is 0."""
    return np.asarray(sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.inf))


def _dissonance(lead: NDArray[np.bool_], reply: NDArray[np.bool_]) -> tuple[float, float]:
    """Dissonant and all pairs of sounding notes with at least one of the reply; bool[K, S] each.

    Semitones apart are counted as pitch classes: 1, 2 and 6 (so 10 and 11 too) are dissonant.
    """
    steps_reply, steps_lead = reply.astype(np.float64), (lead & ~reply).astype(np.float64)
    inner, outer = steps_reply @ steps_reply.T, steps_reply @ steps_lead.T
    rows = np.arange(len(reply))
    apart = (rows[:, None] - rows[None]) % 12
    clash = np.isin(apart, (1, 2, 6, 10, 11))
    below = rows[:, None] > rows[None]  # each pair of the reply once
    bad = (inner * (clash & below)).sum() + (outer * clash).sum()
    every = (inner * below).sum() + outer.sum()
    return float(bad), float(every)


def pitch_class_steps(sounding: NDArray[np.bool_], low: int) -> Floats:
    """Sounding steps of each pitch class, [12], of bool[K, S]."""
    counts = np.zeros(12)
    np.add.at(counts, (np.arange(len(sounding)) + low) % 12, sounding.sum(axis=1))
    return counts


def scale_of(counts: Floats) -> NDArray[np.bool_]:
    """Return the seven-note major scale, bool[12], that holds the most of `counts` [12]."""
    scales = np.zeros((12, 12), np.bool_)
    for tonic in range(12):
        scales[tonic, [(tonic + tone) % 12 for tone in _MAJOR]] = True
    best: NDArray[np.bool_] = scales[int(np.argmax(scales @ counts))]
    return best


def note_f1(reply: Cells2, truth: Cells2) -> tuple[int, int, int]:
    """Return matched notes, notes of the reply, notes of the truth: same pitch, onsets at most 3
    steps apart, each note matched once. F1 = 2 matched / (reply + truth)."""
    matched = 0
    for row in np.flatnonzero(reply[ONSET].any(axis=1) & truth[ONSET].any(axis=1)):
        ours, theirs = np.flatnonzero(reply[ONSET, row]), np.flatnonzero(truth[ONSET, row])
        i = j = 0
        while i < len(ours) and j < len(theirs):
            if abs(int(ours[i]) - int(theirs[j])) <= _NEAR_STEPS:
                matched, i, j = matched + 1, i + 1, j + 1
            elif ours[i] < theirs[j]:
                i += 1
            else:
                j += 1
    return matched, int(reply[ONSET].sum()), int(truth[ONSET].sum())


def note_lengths(reply: Cells2) -> NDArray[np.int64]:
    """Length in steps of each note with an onset in the window, by pitch, then onset."""
    sustain, steps = reply[SUSTAIN], reply.shape[-1]
    rests = np.where(sustain, steps, np.arange(steps))
    # over[:, s]: the first step from s on without a sustain.
    over = np.minimum.accumulate(rests[:, ::-1], axis=1)[:, ::-1]
    rows, onsets = np.nonzero(reply[ONSET])
    after = np.minimum(onsets + 1, steps - 1)
    lengths: NDArray[np.int64] = np.where(onsets + 1 < steps, over[rows, after], steps) - onsets
    return lengths


def _histogram(values: NDArray[np.int64], most: int) -> Floats:
    """Return how many are 0, 1, .. `most` (or more), [most + 1]."""
    return np.bincount(np.minimum(values, most), minlength=most + 1).astype(np.float64)
