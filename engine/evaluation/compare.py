"""Replies of several players to the same leads, side by side with the composers'. numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation import by_ear, distances, metrics
from engine.evaluation.consistency import consistency
from engine.evaluation.halves import Partition
from engine.evaluation.metrics import Counts, Pair

WRONG_PIECE = "wrong piece"
"""The composer's accompaniment of another window: right in all that does not look at the lead."""


def compare(
    replies: Mapping[str, Sequence[Pair]],
    human: Sequence[Pair],
    partition: Partition,
    low: int,
) -> dict[str, Any]:
    """Return everything docs/evaluation.md says of replies, as plain JSON values.

    replies: by player, a pair (lead, accompaniment) for each window, bool[2, K, S] each, only the
    steps that were theirs to fill. human: what the composer wrote there, same order and shapes.
    partition: of the windows. low: MIDI pitch of row 0. The wrong piece is added.

    {"human": {"profile", "half_split"}, "replies": {name: {"note_f1", "profile", "distance",
    "ratio", "within_1x", "within_2x", "whole_distance", "consistency"}}}
    """
    scales = [composers_scale(pair, low) for pair in human]
    truth = metrics.count(human, scales, low)
    half_split = distances.across(truth, truth, partition)
    players = {**replies, WRONG_PIECE: wrong_piece(human, partition)}
    return {
        "human": {"profile": metrics.profile(truth), "half_split": half_split},
        "replies": {
            name: {
                "note_f1": overall_note_f1(pairs, human),
                **_distances(metrics.count(pairs, scales, low), truth, half_split, partition),
                "consistency": consistency([r for _, r in pairs], [r for _, r in human]),
            }
            for name, pairs in players.items()
        },
    }


def compare_by_ear(
    replies: Mapping[str, Sequence[Pair]],
    human: Sequence[Pair],
    bars: Sequence[Sequence[int]],
    partition: Partition,
    low: int,
) -> dict[str, Any]:
    """Return the measures of `by_ear`, for the same players as `compare`, as plain JSON values.

    bars: bar lines of each window, in steps from its column 0.

    {"human": {"profile", "half_split"}, "replies": {name: {"profile", "distance", "ratio",
    "mean_ratio"}}}; mean_ratio: of the measures that have a ratio, None where none has.
    """
    scales = [composers_scale(pair, low) for pair in human]

    def counted(pairs: Sequence[Pair]) -> Counts:
        return by_ear.count_by_ear(pairs, scales, bars, low)

    truth = counted(human)
    half_split = distances.across(truth, truth, partition, by_ear.BY_EAR)
    players = {**replies, WRONG_PIECE: wrong_piece(human, partition)}
    return {
        "human": {"profile": metrics.rates(truth), "half_split": half_split},
        "replies": {
            name: _ear_distances(counted(pairs), truth, half_split, partition)
            for name, pairs in players.items()
        },
    }


def _ear_distances(
    ours: Counts, truth: Counts, half_split: dict[str, float], partition: Partition
) -> dict[str, Any]:
    found = distances.across(ours, truth, partition, by_ear.BY_EAR)
    ratio = distances.ratios(found, half_split)
    known = {name: value for name, value in ratio.items() if value is not None}
    return {
        "profile": metrics.rates(ours),
        "distance": found,
        "ratio": ratio,
        "mean_ratio": distances.mean_ratio(known) if known else None,
    }


def wrong_piece(human: Sequence[Pair], partition: Partition) -> list[Pair]:
    """Return each lead with the accompaniment of its window's partner."""
    theirs = (human[partner][1] for partner in partition.partners)
    return [(lead, reply) for (lead, _), reply in zip(human, theirs, strict=True)]


def overall_note_f1(replies: Sequence[Pair], human: Sequence[Pair]) -> float:
    """F1 of the accompaniments' notes over all windows together, 0 to 1 (`metrics.note_f1`)."""
    matched, ours, theirs = np.sum(
        [metrics.note_f1(mine[1], true[1]) for mine, true in zip(replies, human, strict=True)],
        axis=0,
    )
    return float(2 * matched / max(ours + theirs, 1))


def composers_scale(pair: Pair, low: int) -> NDArray[np.bool_]:
    """bool[12]: the major scale that holds the most of both voices."""
    lead, reply = pair
    return metrics.scale_of(metrics.pitch_class_steps(np.asarray((lead | reply).any(axis=0)), low))


def _distances(
    ours: Counts, truth: Counts, half_split: dict[str, float], partition: Partition
) -> dict[str, Any]:
    found = distances.across(ours, truth, partition)
    ratio = distances.ratios(found, half_split)
    return {
        "profile": metrics.profile(ours),
        "distance": found,
        "ratio": ratio,
        "within_1x": distances.ratios_within(ratio, 1.0),
        "within_2x": distances.ratios_within(ratio, 2.0),
        "whole_distance": distances.whole(ours, truth),
    }
