"""What a reply sounds like, in a few numbers, and how far two sets of replies lie apart.

numpy only. Works on windows of cells; a pair is (lead, accompaniment), each bool[2, K, S], row 0 is
MIDI pitch `low`. Descriptive, never a lone goal: a model can match all of these and still bore.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.grid import ONSET, STEPS_PER_BEAT, SUSTAIN

Cells2 = NDArray[np.bool_]
"""bool[plane, pitch, step] of one voice"""
Pair = tuple[Cells2, Cells2]

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_LENGTH_EDGES = (1, 3, 6, 12, 24, 48, 96)
MOST_NOTES = 8
NEAR_STEPS = 3
"""Onsets so close, half a sixteenth, count as the same in `note_f1`."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Accompaniments of some windows together.

    pitch_classes [12], notes_per_frame [9] (the last: 8 or more), lengths [8] (up to 1, 3, 6, 12,
    24, 48, 96 steps, more): shares that sum to 1. onsets_per_beat; dissonant: share of sounding
    pairs (with the lead's notes) 1, 2 or 6 semitones apart as pitch classes; out_of_scale: share of
    notes outside the window's scale; silent: share of steps without a note.
    """

    pitch_classes: NDArray[np.float64]
    notes_per_frame: NDArray[np.float64]
    lengths: NDArray[np.float64]
    onsets_per_beat: float
    dissonant: float
    out_of_scale: float
    silent: float

    def numbers(self) -> dict[str, float]:
        """The single numbers, for tables."""
        mean_notes = float(np.arange(MOST_NOTES + 1) @ self.notes_per_frame)
        return {
            "onsets_per_beat": self.onsets_per_beat,
            "notes_per_frame": mean_notes,
            "dissonant": self.dissonant,
            "out_of_scale": self.out_of_scale,
            "silent": self.silent,
        }


def profile(pairs: Sequence[Pair], scales: Sequence[NDArray[np.bool_]], low: int) -> Profile:
    """Describe the accompaniments of `pairs`; `scales` are bool[12] of each window."""
    classes, frames = np.zeros(12), np.zeros(MOST_NOTES + 1)
    lengths, onsets, steps = np.zeros(len(_LENGTH_EDGES) + 1), 0, 0
    clashes, intervals, outside = 0.0, 0.0, 0.0
    for (lead, reply), scale in zip(pairs, scales, strict=True):
        sounding = np.asarray(reply.any(axis=0))
        here = pitch_class_steps(sounding, low)
        classes += here
        outside += here[~scale].sum()
        frames += np.bincount(np.minimum(sounding.sum(axis=0), MOST_NOTES), minlength=9)
        lengths += _length_counts(reply)
        onsets += int(reply[ONSET].sum())
        steps += reply.shape[-1]
        bad, all_pairs = dissonance(np.asarray(lead.any(axis=0)), sounding)
        clashes, intervals = clashes + bad, intervals + all_pairs
    return Profile(
        pitch_classes=_shares(classes),
        notes_per_frame=_shares(frames),
        lengths=_shares(lengths),
        onsets_per_beat=onsets / max(steps, 1) * STEPS_PER_BEAT,
        dissonant=clashes / max(intervals, 1.0),
        out_of_scale=float(outside / max(classes.sum(), 1.0)),
        silent=float(frames[0] / max(frames.sum(), 1.0)),
    )


def distances(a: Profile, b: Profile) -> dict[str, float]:
    """How far apart: total variation (0 to 1) of histograms, absolute difference of numbers."""
    found = {
        f"{name}_tv": float(np.abs(getattr(a, name) - getattr(b, name)).sum() / 2)
        for name in ("pitch_classes", "notes_per_frame", "lengths")
    }
    ours, theirs = a.numbers(), b.numbers()
    return found | {name: abs(ours[name] - theirs[name]) for name in ours}


def dissonance(lead: NDArray[np.bool_], reply: NDArray[np.bool_]) -> tuple[float, float]:
    """Dissonant and all pairs of sounding notes with at least one of the reply; bool[K, S] each.

    Semitones apart are counted as pitch classes: 1, 2 and 6 (so 10 and 11 too) are dissonant.
    """
    bad = every = 0.0
    steps_reply, steps_lead = reply.astype(np.float64), (lead & ~reply).astype(np.float64)
    inner, outer = steps_reply @ steps_reply.T, steps_reply @ steps_lead.T
    rows = np.arange(len(reply))
    apart = (rows[:, None] - rows[None]) % 12
    clash = np.isin(apart, (1, 2, 6, 10, 11))
    below = rows[:, None] > rows[None]  # each pair of the reply once
    bad += (inner * (clash & below)).sum() + (outer * clash).sum()
    every += (inner * below).sum() + outer.sum()
    return float(bad), float(every)


def pitch_class_steps(sounding: NDArray[np.bool_], low: int) -> NDArray[np.float64]:
    """Sounding steps of each pitch class, [12], of bool[K, S]."""
    counts = np.zeros(12)
    np.add.at(counts, (np.arange(len(sounding)) + low) % 12, sounding.sum(axis=1))
    return counts


def scale_of(counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The seven-note major scale, bool[12], that holds the most of `counts` [12]."""
    scales = np.zeros((12, 12), np.bool_)
    for tonic in range(12):
        scales[tonic, [(tonic + tone) % 12 for tone in _MAJOR]] = True
    best: NDArray[np.bool_] = scales[int(np.argmax(scales @ counts))]
    return best


def note_f1(reply: Cells2, truth: Cells2) -> tuple[int, int, int]:
    """Matched notes, notes of the reply, notes of the truth: same pitch, onsets at most 3 steps
    apart, each note matched once. F1 = 2 matched / (reply + truth).
    """
    matched = 0
    for row in np.flatnonzero(reply[ONSET].any(axis=1) & truth[ONSET].any(axis=1)):
        ours, theirs = np.flatnonzero(reply[ONSET, row]), np.flatnonzero(truth[ONSET, row])
        i = j = 0
        while i < len(ours) and j < len(theirs):
            if abs(int(ours[i]) - int(theirs[j])) <= NEAR_STEPS:
                matched, i, j = matched + 1, i + 1, j + 1
            elif ours[i] < theirs[j]:
                i += 1
            else:
                j += 1
    return matched, int(reply[ONSET].sum()), int(truth[ONSET].sum())


def _length_counts(reply: Cells2) -> NDArray[np.float64]:
    """Notes in each class of length, [8]."""
    run = np.zeros(reply.shape[1:], np.int64)
    running = np.zeros(reply.shape[1], np.int64)
    for step in range(reply.shape[-1] - 1, -1, -1):
        run[:, step] = 1 + running
        running = np.where(reply[SUSTAIN, :, step], running + 1, 0)
    classes = np.searchsorted(_LENGTH_EDGES, run[reply[ONSET]])
    return np.bincount(classes, minlength=len(_LENGTH_EDGES) + 1).astype(np.float64)


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(counts / max(counts.sum(), 1.0))
