"""Scores of causal rollout (rollout.py): quality against horizon, beside two yardsticks.

Every model plays the same held-out leads at each horizon; beside it stand what it answers when it
knows the whole lead, the composer's accompaniment, and the composer's of another piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.diffusion.batch import Batch
from engine.evaluation.compare import WRONG_PIECE, compare, compare_by_ear
from engine.evaluation.evaluate import (
    Candidate,
    common_pitches,
    fill_replies,
    partition_of,
    rows_of,
    sampling_of,
)
from engine.evaluation.halves import Partition
from engine.evaluation.held_out import EvaluateSettings, bar_lines_of, draw_held_out, meters_of
from engine.evaluation.likelihood import Report, named
from engine.evaluation.metrics import Pair
from engine.evaluation.rollout import LiveSettings, Performance, Rollout
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, PitchRange
from engine.music.roll import Cells, PianoRoll, notes_to_roll, roll_to_notes
from engine.training.corpus import SPLITS
from engine.training.dataset import Pack, PackError

HORIZONS_BEATS = (0.0, 1.0, 4.0)
LEAD_IN_BEATS = 8
"""Not scored: in them the player is listened to. Who is answered later than that is left out."""
FEWEST_WINDOWS = 4
"""Of those drawn, so many must be answered after the lead-in at every horizon."""


def rollout_scores(
    candidates: Mapping[str, Candidate],
    pack: Pack,
    wanted: EvaluateSettings,
    report: Report = lambda text: None,
    horizons_beats: Sequence[float] = HORIZONS_BEATS,
    live: LiveSettings | None = None,
) -> dict[str, Any]:
    """Each model at each horizon, as plain JSON values.

    "harmony" is what `compare` says, over the beats after the lead-in, of the players "NAME +H",
    H beats ahead, and "NAME all", who knows the whole lead. "horizons" has for each model and
    horizon {"model", "player", "horizon_beats", "flicker", "towards_wrong": {"note_f1",
    "dissonant"}}; flicker: share of planned notes that the next plan took back.

    Raises PackError where fewer than four windows are answered in time.
    """
    stage = _set_up(pack, wanted, live or LiveSettings(), max(horizons_beats), candidates)
    players: dict[str, list[Pair]] = {}
    rows: list[dict[str, Any]] = []
    for name, each in candidates.items():
        low = max(each.settings.low, stage.pitches.low)
        high = min(each.settings.high, stage.pitches.high)
        candidate = replace(each, settings=replace(each.settings, low=low, high=high))
        full = fill_replies(candidate.generator, stage.batch, candidate.settings, report)
        players[all_known(name)] = stage.scored(full)
        for beats in horizons_beats:
            player = at_horizon(name, beats)
            played = _perform(candidate, stage.rollouts, _steps(beats), named(report, player))
            players[player] = stage.scored(stage.with_leads(played))
            rows.append(
                {
                    "model": name,
                    "player": player,
                    "horizon_beats": beats,
                    "flicker": flicker(played),
                }
            )
    human, low = stage.scored(list(stage.batch.target)), stage.pitches.low
    harmony = compare(players, human, stage.partition, low)
    bars = bar_lines_of(stage.batch, LEAD_IN_BEATS * STEPS_PER_BEAT)
    for row in rows:
        row["towards_wrong"] = towards_wrong(harmony["replies"], row["player"], row["model"])
    return {
        "models": list(candidates),
        "task": "replay",
        "split": wanted.split,
        "windows": len(stage.rollouts),
        "beats": wanted.beats,
        "lead_in_beats": LEAD_IN_BEATS,
        "seed": wanted.seed,
        "style": wanted.style,
        "harmony": {
            "pitches": [stage.pitches.low, stage.pitches.high],
            "sampling": {name: sampling_of(each.settings) for name, each in candidates.items()},
            **harmony,
            "by_ear": compare_by_ear(players, human, bars, stage.partition, low),
        },
        "horizons": rows,
    }


@dataclass(frozen=True, slots=True)
class _Stage:
    """The windows, what sounds in each, and the pitches on which all players are compared."""

    batch: Batch
    rollouts: list[Rollout]
    pitches: PitchRange
    partition: Partition

    def scored(self, rolls: Sequence[Cells]) -> list[Pair]:
        """Of each window's roll, the steps and pitches that are compared."""
        rows, first = rows_of(self.pitches), LEAD_IN_BEATS * STEPS_PER_BEAT
        return [
            (roll[LEAD, :, rows, first:], roll[ACCOMPANIMENT, :, rows, first:]) for roll in rolls
        ]

    def with_leads(self, played: Sequence[Performance]) -> list[Cells]:
        """Rolls of the performances, each below its window's lead."""
        rolls = []
        for target, one in zip(self.batch.target, played, strict=True):
            cells = notes_to_roll(one.notes, 0, target.shape[-1]).cells
            cells[LEAD] = target[LEAD]
            rolls.append(cells)
        return rolls


def _set_up(
    pack: Pack,
    wanted: EvaluateSettings,
    live: LiveSettings,
    longest_beats: float,
    candidates: Mapping[str, Candidate],
) -> _Stage:
    wanted = replace(wanted, task="harmonize")
    drawn = draw_held_out(pack, wanted, SPLITS.index(wanted.split), wanted.windows)
    whole = np.stack([whole_notes(cells) for cells in drawn.batch.target])
    drawn = replace(drawn, batch=replace(drawn.batch, target=whole))
    batch = drawn.batch
    rollouts = [_rollout(batch, index, live) for index in range(len(batch.target))]
    rows = [row for row, rollout in enumerate(rollouts) if _in_time(rollout, _steps(longest_beats))]
    if len(rows) < FEWEST_WINDOWS:
        raise PackError(
            f"only {len(rows)} of {len(rollouts)} windows of {wanted.beats} beats are answered by "
            f"beat {LEAD_IN_BEATS} and last longer; want more or longer windows"
        )
    drawn = drawn.only(np.array(rows))
    return _Stage(
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


def _perform(
    candidate: Candidate, rollouts: Sequence[Rollout], horizon_steps: int, report: Report
) -> list[Performance]:
    """Every window with a seed of its own, the one it has when all is known."""
    played = []
    for index, rollout in enumerate(rollouts):
        seed = candidate.settings.seed + index
        rollout = replace(rollout, settings=replace(candidate.settings, seed=seed))
        played.append(rollout.perform(candidate.generator, horizon_steps))
        report(f"rollout {index + 1} of {len(rollouts)}")
    return played


def flicker(played: Sequence[Performance]) -> float:
    """Share of planned notes that the next plan took back, over all windows."""
    return sum(one.taken_back for one in played) / max(sum(one.planned for one in played), 1)


def at_horizon(name: str, beats: float) -> str:
    """The player who answers so many beats ahead."""
    return f"{name} +{beats:g}"


def all_known(name: str) -> str:
    """The player who hears the whole lead before it answers."""
    return f"{name} all"


def towards_wrong(
    replies: Mapping[str, Mapping[str, Any]], player: str, name: str
) -> dict[str, float | None]:
    """How far from all known (0) to the wrong piece (1) a player scores; None where these agree."""

    def scores(of: str) -> dict[str, float]:
        reply = replies[of]
        return {"note_f1": reply["note_f1"], "dissonant": reply["profile"]["dissonant"]}

    mine, full, wrong = scores(player), scores(all_known(name)), scores(WRONG_PIECE)
    return {
        key: (mine[key] - full[key]) / (wrong[key] - full[key]) if wrong[key] != full[key] else None
        for key in mine
    }


def _steps(beats: float) -> int:
    return round(beats * STEPS_PER_BEAT)


def whole_notes(cells: Cells) -> Cells:
    """Without what began before the window: nobody hears a note that was struck earlier."""
    return notes_to_roll(roll_to_notes(PianoRoll(cells)), 0, cells.shape[-1]).cells
