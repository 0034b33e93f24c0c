"""Recovery: the melody jumps by a tritone in mid-phrase; after how many beats do the chords follow?

The test of ReaLchords (Wu et al. 2024) on causal rollouts (rollout.py): from a beat on the lead of
each held-out window goes on six semitones away. Each beat is scored by note-in-chord
(`chords.note_in_chord`), all windows together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.evaluation import chords
from engine.evaluation.evaluate import Candidate
from engine.evaluation.held_out import EvaluateSettings
from engine.evaluation.likelihood import report_as
from engine.evaluation.metrics import rate
from engine.evaluation.rollout import LiveSettings, Rollout
from engine.evaluation.rollout_score import HORIZONS_BEATS, at_horizon
from engine.evaluation.rollout_stage import LEAD_IN_BEATS, perform, set_up, steps_of
from engine.evaluation.rule_baseline import RULE
from engine.evaluation.rule_players import rule_live
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, STEPS_PER_BEAT
from engine.music.roll import Floats, Note, notes_to_roll
from engine.reports import Report
from engine.training.dataset import Pack, PackError

_TRITONE = 6
_BACK_SHARE = 0.9
"""Of note-in-chord before the turn: so much, over so many beats together, is back."""
_BACK_BEATS = 4


def recovery(
    candidates: Mapping[str, Candidate],
    pack: Pack,
    wanted: EvaluateSettings,
    report: Report = lambda text: None,
    horizons_beats: Sequence[float] = HORIZONS_BEATS,
) -> dict[str, Any]:
    """Return each model at each horizon, and the rule, as plain JSON values.

    {"turn_beat", "players": {name: {"before", "after", "back_beats"}}}: note-in-chord from the
    lead-in to the turn, and of each beat from the turn on; back_beats: `beats_until_back`.

    Raises PackError where windows are too short, or fewer than four are answered in time.
    """
    turn = (LEAD_IN_BEATS + wanted.beats) // 2
    if wanted.beats - turn < _BACK_BEATS:
        shortest = LEAD_IN_BEATS + 2 * _BACK_BEATS
        raise PackError(f"recovery wants windows of {shortest} beats or more, not {wanted.beats}")
    stage = set_up(pack, wanted, LiveSettings(), max(horizons_beats), candidates)
    turned = [
        replace(each, lead=turned_away(each.lead, turn * STEPS_PER_BEAT)) for each in stage.rollouts
    ]
    players = {RULE: _scored(turned, [rule_live(each) for each in turned], turn)}
    for name, each in candidates.items():
        for beats in horizons_beats:
            player = at_horizon(name, beats)
            played = perform(stage.within(each), turned, steps_of(beats), report_as(report, player))
            players[player] = _scored(turned, [one.notes for one in played], turn)
    return {
        "models": list(candidates),
        "task": "recovery",
        **{name: getattr(wanted, name) for name in ("split", "beats", "seed", "style")},
        "windows": len(turned),
        "turn_beat": turn,
        "players": players,
    }


def turned_away(lead: Sequence[Note], turn_step: int) -> tuple[Note, ...]:
    """Return the lead, six semitones away from `turn_step` on; what sounds there ends there.

    Up, where all of it stays on the keyboard; else down.
    """
    up = max((note.pitch for note in lead), default=0) + _TRITONE <= PIANO.high
    move = _TRITONE if up else -_TRITONE
    before = (
        replace(note, length_steps=min(note.end_step, turn_step) - note.onset_step)
        for note in lead
        if note.onset_step < turn_step
    )
    after = (
        replace(note, pitch=note.pitch + move) for note in lead if note.onset_step >= turn_step
    )
    return (*before, *after)


def in_chord_by_beat(lead: Sequence[Note], ours: Sequence[Note], steps: int) -> Floats:
    """Count, a beat, steps with the melody in the chord, and those with both, [beats, 2]."""
    cells = notes_to_roll((*lead, *ours), 0, steps).cells
    found = chords.chords_of(np.asarray(cells[ACCOMPANIMENT].any(axis=0)), PIANO.low)
    beats = range(0, steps, STEPS_PER_BEAT)
    return np.stack(
        [
            chords.note_in_chord(
                cells[LEAD, :, :, at : at + STEPS_PER_BEAT], found[[index]], PIANO.low
            )
            for index, at in enumerate(beats)
        ]
    )


def beats_until_back(before: float, sums: Floats) -> int | None:
    """Return the first beat after the turn from which four beats together have .9 of note-in-chord
    before.

    sums: of each beat after the turn, [beats, (in chord, both)]. None where that never comes.
    """
    starts = range(len(sums) - _BACK_BEATS + 1)
    return next(
        (
            start
            for start in starts
            if rate(sums[start : start + _BACK_BEATS].sum(axis=0)) >= _BACK_SHARE * before
        ),
        None,
    )


def _scored(
    rollouts: Sequence[Rollout], played: Sequence[Sequence[Note]], turn: int
) -> dict[str, Any]:
    sums = np.sum(
        [
            in_chord_by_beat(rollout.lead, notes, rollout.steps)
            for rollout, notes in zip(rollouts, played, strict=True)
        ],
        axis=0,
    )
    before = float(rate(sums[LEAD_IN_BEATS:turn].sum(axis=0)))
    return {
        "before": before,
        "after": rate(sums[turn:]).tolist(),
        "back_beats": beats_until_back(before, sums[turn:]),
    }
