"""The rule baseline (rule_baseline.py) as a player of windows, by file and live. numpy only."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diffusion.batch import Batch
from engine.evaluation.held_out import meters_of
from engine.evaluation.rollout import Rollout
from engine.evaluation.rule_baseline import by_rule, by_rule_live
from engine.music.grid import LEAD
from engine.music.roll import Cells, Note, PianoRoll, notes_to_roll, roll_to_notes


def rule_replies(batch: Batch) -> list[Cells]:
    """Return the rule's accompaniment to each window's whole lead: bool[2, 2, 88, S] with that."""
    return [
        under_lead(
            cells,
            by_rule(
                [note for note in roll_to_notes(PianoRoll(cells)) if note.voice == LEAD],
                meters_of(batch.phase[index], batch.bar[index]),
                (0, cells.shape[-1]),
                ends=False,
            ),
        )
        for index, cells in enumerate(batch.target)
    ]


def rule_live(rollout: Rollout) -> list[Note]:
    """Return what the rule plays from where `live` comes in without a horizon."""
    first, *_ = rollout.places(0)
    return by_rule_live(rollout.lead, rollout.meters, (first, rollout.steps))


def under_lead(cells: Cells, notes: Sequence[Note]) -> Cells:
    """Return a roll of these notes of the accompaniment, below the lead of `cells`."""
    roll = notes_to_roll(notes, 0, cells.shape[-1]).cells
    roll[LEAD] = cells[LEAD]
    return roll
