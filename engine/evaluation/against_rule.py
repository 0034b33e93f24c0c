"""Every player beside the rule baseline, on the same windows and splits. numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.evaluation import by_ear, distances, metrics
from engine.evaluation.compare import composers_scale
from engine.evaluation.halves import Partition
from engine.evaluation.metrics import Pair
from engine.evaluation.rule_baseline import RULE
from engine.music.roll import Floats


def against_rule(
    replies: Mapping[str, Sequence[Pair]],
    human: Sequence[Pair],
    bars: Sequence[Sequence[int]],
    partition: Partition,
    low: int,
) -> dict[str, Any]:
    """Compare each player but the rule with it, by measure: {"nearer", "difference"}.

    See `distances.paired`. replies: RULE among them; arguments as `compare_by_ear` has them. Also
    "note_f1": share of windows in which the player's is higher than the rule's, equals count half,
    and the mean difference.
    """
    scales = [composers_scale(pair, low) for pair in human]

    def nine(pairs: Sequence[Pair]) -> metrics.Counts:
        return metrics.count(pairs, scales, low)

    def ear(pairs: Sequence[Pair]) -> metrics.Counts:
        return by_ear.count_by_ear(pairs, scales, bars, low)

    truth, truth_ear = nine(human), ear(human)
    rule, rule_ear = nine(replies[RULE]), ear(replies[RULE])
    return {
        name: {
            "note_f1": _note_f1(pairs, replies[RULE], human),
            **distances.paired(nine(pairs), rule, truth, partition),
            **distances.paired(ear(pairs), rule_ear, truth_ear, partition, by_ear.BY_EAR),
        }
        for name, pairs in replies.items()
        if name != RULE
    }


def _note_f1(
    ours: Sequence[Pair], theirs: Sequence[Pair], human: Sequence[Pair]
) -> dict[str, float]:
    gains = _window_f1(ours, human) - _window_f1(theirs, human)
    nearer = (gains > 0) + (gains == 0) / 2
    return {"nearer": float(nearer.mean()), "difference": float(gains.mean())}


def _window_f1(replies: Sequence[Pair], human: Sequence[Pair]) -> Floats:
    """note F1 of each window, [N]."""
    counts = np.array(
        [metrics.note_f1(mine[1], true[1]) for mine, true in zip(replies, human, strict=True)],
        np.float64,
    )
    return np.asarray(2 * counts[:, 0] / np.maximum(counts[:, 1] + counts[:, 2], 1))
