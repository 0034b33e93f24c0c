"""Score models on held-out music, side by side: likelihood, and replies beside the composers'.

The protocol is written down in docs/evaluation.md. Likelihoods come from `likelihood`,
what is said of replies from `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.batch import Batch
from engine.evaluation.against_rule import against_rule
from engine.evaluation.compare import compare, compare_by_ear
from engine.evaluation.given_chords import composers_chords
from engine.evaluation.halves import Partition
from engine.evaluation.held_out import (
    MASKS,
    EvaluateSettings,
    HeldOut,
    bar_lines_of,
    draw_held_out,
    draw_windows,
    meters_of,
    task_mask,
)
from engine.evaluation.likelihood import likelihood, report_as
from engine.evaluation.metrics import Pair
from engine.evaluation.rule_baseline import RULE
from engine.evaluation.rule_players import rule_replies
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, PitchRange
from engine.music.roll import Cells, PianoRoll
from engine.reports import Report
from engine.requests.candidates import BestOf, ManyFiller
from engine.requests.request import ChordCell, FillRequest, SampleSettings
from engine.systems.player import SystemPlayer
from engine.training.corpus import SPLITS
from engine.training.dataset import Pack, PackError

__all__ = [
    "REPLIERS",
    "SCORED_TASKS",
    "WITH_CHORDS",
    "Candidate",
    "EvaluateSettings",
    "Replier",
    "draw_windows",
    "evaluate",
    "fill_replies",
    "meters_of",
    "task_mask",
]

SCORED_TASKS = tuple(MASKS)
"""What can be scored."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model and how it is played. settings.seed is of the first window; each has its own.

    best_of: answers to each request, of which one is chosen (`engine.requests.candidates`).
    """

    generator: Generator | SystemPlayer
    settings: SampleSettings
    best_of: int = 1


Replier = Callable[[ManyFiller, Batch, SampleSettings, Report], list[Cells]]
"""What a model makes of each window of a batch: bool[2, 2, 88, S], known cells and all.

`batch.mask` says what is known. Gives one roll a window, in order, on the 88 pitches of PIANO.
"""


_TOGETHER = 8
"""Windows filled in one batch: more would only take more memory."""


def fill_replies(
    generator: ManyFiller, batch: Batch, settings: SampleSettings, report: Report
) -> list[Cells]:
    """Return the free cells filled in one go by the whole pipeline: the Replier of every mask
    task."""
    return _filled(generator, batch, settings, report, [()] * len(batch.target))


def _replies_with_chords(
    generator: ManyFiller, batch: Batch, settings: SampleSettings, report: Report
) -> list[Cells]:
    """Return the same where the composer's chords are given: what the notes alone lack."""
    mine = rows_of(generator.pitches)
    chords = [composers_chords(cells[:, :, mine], generator.pitches) for cells in batch.target]
    return _filled(generator, batch, settings, report, chords)


def _filled(
    generator: ManyFiller,
    batch: Batch,
    settings: SampleSettings,
    report: Report,
    chords: Sequence[tuple[ChordCell, ...]],
) -> list[Cells]:
    mine = rows_of(generator.pitches)
    requests = []
    for index, target in enumerate(batch.target):
        cells = target[:, :, mine]
        known = np.broadcast_to(batch.mask[index][:, None, None, :], cells.shape)
        roll = PianoRoll(cells & known, generator.pitches)
        meters = meters_of(batch.phase[index], batch.bar[index])
        seeded = replace(settings, seed=settings.seed + index)
        requests.append(FillRequest(roll, known, meters, seeded, chords[index]))
    replies = []
    for first in range(0, len(requests), _TOGETHER):
        for filled in generator.fill_many(requests[first : first + _TOGETHER]):
            reply = np.zeros_like(batch.target[0])
            reply[:, :, mine] = filled.cells
            replies.append(reply)
        report(f"reply {len(replies)} of {len(requests)}")
    return replies


REPLIERS: dict[str, Replier] = {
    "harmonize": fill_replies,
    "live": fill_replies,
    "continue": fill_replies,
    "infill": fill_replies,
}
"""Who answers in each task whose replies can be set beside the composer's."""

WITH_CHORDS: dict[str, Replier] = {"harmonize": _replies_with_chords}
"""Who answers where the composer's chords are given."""


_RULES: dict[str, Callable[[Batch], list[Cells]]] = {"harmonize": rule_replies}
"""What the rule baseline replies, in tasks in which it knows what the models know."""


def rows_of(pitches: PitchRange) -> slice:
    """Return where these pitches lie among PIANO's 88."""
    return slice(pitches.low - PIANO.low, pitches.high + 1 - PIANO.low)


def common_pitches(candidates: Mapping[str, Candidate]) -> PitchRange:
    """Return the pitches every candidate has: replies are given and scored within them."""
    ranges = [candidate.generator.pitches for candidate in candidates.values()]
    return PitchRange(max(each.low for each in ranges), min(each.high for each in ranges))


def _harmony(
    candidates: Mapping[str, Candidate], pack: Pack, wanted: EvaluateSettings, report: Report
) -> dict[str, Any]:
    """Return what each candidate replies to the same windows, beside the composer's (`compare`).

    Only the steps in which the accompaniment is free are compared, on the pitches that all have.
    """
    drawn = draw_held_out(pack, wanted, SPLITS.index(wanted.split), wanted.windows)
    batch, partition = drawn.batch, partition_of(drawn, wanted)
    shared = common_pitches(candidates)
    steps = _free_span(batch.mask)

    def pair(cells: Cells) -> Pair:
        part = cells[:, :, rows_of(shared), steps]
        return part[LEAD], part[ACCOMPANIMENT]

    replier = (WITH_CHORDS if wanted.chords == "composers" else REPLIERS)[wanted.task]
    replies = {}
    for name, each in candidates.items():
        low, high = max(each.settings.low, shared.low), min(each.settings.high, shared.high)
        settings = replace(each.settings, low=low, high=high)
        player = BestOf(each.generator, each.best_of) if each.best_of > 1 else each.generator
        rolls = replier(player, batch, settings, report_as(report, name))
        replies[name] = [pair(cells) for cells in rolls]
    rules = _RULES.get(wanted.task)
    if rules is not None:
        replies[RULE] = [pair(cells) for cells in rules(batch)]
    human, bars = [pair(cells) for cells in batch.target], bar_lines_of(batch, steps.start)
    versus = against_rule(replies, human, bars, partition, shared.low) if rules else {}
    return {
        "pitches": [shared.low, shared.high],
        "sampling": {
            name: sampling_of(each.settings) | {"best_of": each.best_of}
            for name, each in candidates.items()
        },
        **compare(replies, human, partition, shared.low),
        "by_ear": compare_by_ear(replies, human, bars, partition, shared.low),
        "against_rule": versus,
    }


def partition_of(drawn: HeldOut, wanted: EvaluateSettings) -> Partition:
    """Part by piece where a style's corpora alone are drawn, which may be small; else by window.

    Raises PackError where the windows do not allow that.
    """
    try:
        if wanted.style == "any":
            return Partition.by_windows(len(drawn.pieces))
        return Partition.by_pieces(drawn.pieces)
    except ValueError as err:
        raise PackError(f"{err}; want more windows, or more music") from None


def _free_span(mask: NDArray[np.bool_]) -> slice:
    """Return the first step and the last in which the accompaniment is free; bool[B, 2, S]."""
    free = np.flatnonzero(~mask[:, ACCOMPANIMENT].all(axis=0))
    return slice(int(free[0]), int(free[-1]) + 1)


def sampling_of(settings: SampleSettings) -> dict[str, Any]:
    """Return what decides how a model is played, as plain values."""
    names = ("sampler", "steps", "temperature", "guidance", "seed")
    return {name: getattr(settings, name) for name in names}


def evaluate(
    candidates: Mapping[str, Candidate],
    pack: Pack,
    wanted: EvaluateSettings,
    report: Report = lambda text: None,
    replies: bool = True,
) -> dict[str, Any]:
    """Return everything as plain JSON values, every candidate on the very same windows.

    Raises PackError where the split has no piece.
    """
    players = {name: each.generator for name, each in candidates.items()}
    # Systems of Gaussian noise have no bound on the likelihood of notes.
    generators = {name: each for name, each in players.items() if isinstance(each, Generator)}
    found: dict[str, Any] = {
        "models": list(candidates),
        "task": wanted.task,
        "split": wanted.split,
        "windows": wanted.windows,
        "beats": wanted.beats,
        "seed": wanted.seed,
        "style": wanted.style,
        "chords": wanted.chords,
        "nll": likelihood(generators, pack, wanted, report),
    }
    if replies and wanted.task in REPLIERS:
        found["harmony"] = _harmony(candidates, pack, wanted, report)
    return found
