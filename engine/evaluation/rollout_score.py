"""Scores of causal rollout (rollout.py): quality against horizon, beside two yardsticks.

Every model plays the same held-out leads at each horizon; beside it stand what it answers when it
knows the whole lead, the composer's accompaniment, and the composer's of another piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.evaluation.against_rule import against_rule
from engine.evaluation.compare import WRONG_PIECE, compare, compare_by_ear
from engine.evaluation.evaluate import Candidate, fill_replies, sampling_of
from engine.evaluation.held_out import EvaluateSettings, bar_lines_of
from engine.evaluation.likelihood import report_as
from engine.evaluation.metrics import Pair
from engine.evaluation.rollout import LiveSettings, Performance
from engine.evaluation.rollout_stage import (
    LEAD_IN_BEATS,
    RolloutStage,
    perform,
    set_up,
    steps_of,
)
from engine.evaluation.rule_baseline import RULE
from engine.evaluation.rule_players import rule_live, rule_replies
from engine.music.grid import STEPS_PER_BEAT
from engine.reports import Report
from engine.training.dataset import Pack

HORIZONS_BEATS = (0.0, 1.0, 4.0)


def rollout_scores(
    candidates: Mapping[str, Candidate],
    pack: Pack,
    wanted: EvaluateSettings,
    report: Report = lambda text: None,
    horizons_beats: Sequence[float] = HORIZONS_BEATS,
    live: LiveSettings | None = None,
) -> dict[str, Any]:
    """Return each model at each horizon, as plain JSON values.

    "harmony" is what `compare` says, over the beats after the lead-in, of the players "NAME +H",
    H beats ahead, and "NAME all", who knows the whole lead; with the rule baseline, live as RULE
    and "RULE all". "horizons" has for each model and
    horizon {"model", "player", "horizon_beats", "flicker", "towards_wrong": {"note_f1",
    "dissonant"}}; flicker: share of planned notes that the next plan took back.

    Raises PackError where fewer than four windows are answered in time.
    """
    stage = set_up(pack, wanted, live or LiveSettings(), max(horizons_beats), candidates)
    players, rows = _answered(candidates, stage, horizons_beats, report)
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
            "against_rule": against_rule(players, human, bars, stage.partition, low),
        },
        "horizons": rows,
    }


def _answered(
    candidates: Mapping[str, Candidate],
    stage: RolloutStage,
    horizons_beats: Sequence[float],
    report: Report,
) -> tuple[dict[str, list[Pair]], list[dict[str, Any]]]:
    """Return what every player answered, by its name, and a row for each model and horizon."""
    players: dict[str, list[Pair]] = {}
    rows: list[dict[str, Any]] = []
    for name, each in candidates.items():
        candidate = stage.within(each)
        full = fill_replies(candidate.generator, stage.batch, candidate.settings, report)
        players[all_known(name)] = stage.scored(full)
        for beats in horizons_beats:
            player = at_horizon(name, beats)
            played = perform(candidate, stage.rollouts, steps_of(beats), report_as(report, player))
            players[player] = stage.scored(stage.with_leads([one.notes for one in played]))
            row = {"model": name, "player": player, "horizon_beats": beats}
            rows.append(row | {"flicker": _flicker(played)})
    players[RULE] = stage.scored(stage.with_leads([rule_live(each) for each in stage.rollouts]))
    players[all_known(RULE)] = stage.scored(rule_replies(stage.batch))
    return players, rows


def _flicker(played: Sequence[Performance]) -> float:
    """Return share of planned notes that the next plan took back, over all windows."""
    return sum(one.taken_back for one in played) / max(sum(one.planned for one in played), 1)


def at_horizon(name: str, beats: float) -> str:
    """Return the player who answers so many beats ahead."""
    return f"{name} +{beats:g}"


def all_known(name: str) -> str:
    """Return the player who hears the whole lead before it answers."""
    return f"{name} all"


def towards_wrong(
    replies: Mapping[str, Mapping[str, Any]], player: str, name: str
) -> dict[str, float | None]:
    """Return how far from all known (0) to the wrong piece (1) a player scores; None where these
    agree."""

    def scores(of: str) -> dict[str, float]:
        reply = replies[of]
        return {"note_f1": reply["note_f1"], "dissonant": reply["profile"]["dissonant"]}

    mine, full, wrong = scores(player), scores(all_known(name)), scores(WRONG_PIECE)
    return {
        key: (mine[key] - full[key]) / (wrong[key] - full[key]) if wrong[key] != full[key] else None
        for key in mine
    }
