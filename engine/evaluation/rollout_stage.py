"""The stage of causal rollout (rollout.py): held-out windows to be played live, and who plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.diffusion.batch import Batch
from engine.evaluation.evaluate import Candidate, common_pitches, partition_of, rows_of
from engine.evaluation.halves import Partition
from engine.evaluation.held_out import EvaluateSettings, draw_held_out, meters_of
from engine.evaluation.metrics import Pair
from engine.evaluation.rollout import LiveSettings, Performance, Rollout
from engine.evaluation.rule_players import under_lead
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, PitchRange
from engine.music.roll import Cells, Note, PianoRoll, notes_to_roll, roll_to_notes
from engine.reports import Report
from engine.training.corpus import SPLITS
from engine.training.dataset import Pack, PackError

LEAD_IN_BEATS = 8
"""Not scored: in them the player is listened to. Who is answered later than that is left out."""
_FEWEST_WINDOWS = 4
"""Of those drawn, so many must be answered after the lead-in at every horizon."""


@dataclass(frozen=True, slots=True)
class RolloutStage:
    """The windows, what sounds in each, and the pitches on which all players are compared."""

    batch: Batch
    rollouts: list[Rollout]
    pitches: PitchRange
    partition: Partition

    def scored(self, rolls: Sequence[Cells]) -> list[Pair]:
        """Return the steps and pitches of each window's roll that are compared."""
        rows, first = rows_of(self.pitches), LEAD_IN_BEATS * STEPS_PER_BEAT
        return [
            (roll[LEAD, :, rows, first:], roll[ACCOMPANIMENT, :, rows, first:]) for roll in rolls
        ]

    def with_leads(self, played: Sequence[Sequence[Note]]) -> list[Cells]:
        """Return rolls of the accompaniments, each below its window's lead."""
        return [under_lead(*each) for each in zip(self.batch.target, played, strict=True)]

    def within(self, candidate: Candidate) -> Candidate:
        """Return the same, playing these pitches only."""
        low = max(candidate.settings.low, self.pitches.low)
        high = min(candidate.settings.high, self.pitches.high)
        return replace(candidate, settings=replace(candidate.settings, low=low, high=high))


def set_up(
    pack: Pack,
    wanted: EvaluateSettings,
    live: LiveSettings,
    longest_beats: float,
    candidates: Mapping[str, Candidate],
) -> RolloutStage:
    """Draw the windows; those that are answered too late for `longest_beats` are left out.

    Raises PackError where fewer than four are left.
    """
    wanted = replace(wanted, task="harmonize")
    drawn = draw_held_out(pack, wanted, SPLITS.index(wanted.split), wanted.windows)
    whole = np.stack([notes_begun_inside(cells) for cells in drawn.batch.target])
    drawn = replace(drawn, batch=replace(drawn.batch, target=whole))
    batch = drawn.batch
    rollouts = [_rollout(batch, index, live) for index in range(len(batch.target))]
    rows = [
        row for row, rollout in enumerate(rollouts) if _in_time(rollout, steps_of(longest_beats))
    ]
    if len(rows) < _FEWEST_WINDOWS:
        raise PackError(
            f"only {len(rows)} of {len(rollouts)} windows of {wanted.beats} beats are answered by "
            f"beat {LEAD_IN_BEATS} and last longer; want more or longer windows"
        )
    drawn = drawn.only(np.array(rows))
    return RolloutStage(
        drawn.batch,
        [rollouts[row] for row in rows],
        common_pitches(candidates),
        partition_of(drawn, wanted),
    )


def _in_time(rollout: Rollout, horizon_steps: int) -> bool:
    places, lead_in = rollout.places(horizon_steps), LEAD_IN_BEATS * STEPS_PER_BEAT
    return bool(places) and places[0] <= lead_in < rollout.steps


def _rollout(batch: Batch, index: int, live: LiveSettings) -> Rollout:
    cells = batch.target[index]
    lead = tuple(note for note in roll_to_notes(PianoRoll(cells)) if note.voice == LEAD)
    return Rollout(lead, meters_of(batch.phase[index], batch.bar[index]), cells.shape[-1], live)


def perform(
    candidate: Candidate, rollouts: Sequence[Rollout], horizon_steps: int, report: Report
) -> list[Performance]:
    """Return every window with a seed of its own, the one it has when all is known."""
    played = []
    for index, rollout in enumerate(rollouts):
        seed = candidate.settings.seed + index
        rollout = replace(rollout, settings=replace(candidate.settings, seed=seed))
        played.append(rollout.perform(candidate.generator, horizon_steps))
        report(f"rollout {index + 1} of {len(rollouts)}")
    return played


def steps_of(beats: float) -> int:
    """Return it in whole steps."""
    return round(beats * STEPS_PER_BEAT)


def notes_begun_inside(cells: Cells) -> Cells:
    """Drop what began before the window: nobody hears a note that was struck earlier."""
    return notes_to_roll(roll_to_notes(PianoRoll(cells)), 0, cells.shape[-1]).cells
