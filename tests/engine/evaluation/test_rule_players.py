"""The rule on held-out windows: the lead as it is, live from where `live` comes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.evaluation.held_out import EvaluateSettings, draw_windows
from engine.evaluation.rollout import LiveSettings, Rollout
from engine.evaluation.rule_players import rule_live, rule_replies, under_lead
from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, MeterMap
from engine.music.roll import Note
from engine.training.dataset import load_pack


def test_the_lead_stays_and_every_bar_begins_with_four_notes(made_pack: Path) -> None:
    batch = draw_windows(load_pack(made_pack), EvaluateSettings(beats=8), 1, 4)
    for target, phase, bar, cells in zip(
        batch.target, batch.phase, batch.bar, rule_replies(batch), strict=True
    ):
        assert (cells[LEAD] == target[LEAD]).all()
        onsets = cells[ACCOMPANIMENT, ONSET].sum(axis=0)
        lines = [0, *range(int(bar[0] - phase[0]), 192, int(bar[0]))]
        assert np.flatnonzero(onsets).tolist() == sorted({line for line in lines if line < 192})
        assert set(onsets[onsets > 0]) <= {3, 4}


def test_live_it_comes_in_after_a_bar() -> None:
    lead = tuple(Note(24 * beat, 72, 24, LEAD) for beat in range(16))
    notes = rule_live(Rollout(lead, MeterMap(), 384, LiveSettings()))
    assert sorted({note.onset_step for note in notes}) == [96, 192, 288]
    cells = np.zeros((2, 2, 88, 384), np.bool_)
    cells[LEAD, ONSET, 0, 0] = True
    assert under_lead(cells, notes)[ACCOMPANIMENT, ONSET].sum() == len(notes)
    assert under_lead(cells, notes)[LEAD].sum() == 1
