"""What a model is to know of density: what composers write, and what comes of what it is given.

Measured on music it was trained on, and kept in its file (`engine.model.density`).
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from engine.diffusion.batch import Batch
from engine.evaluation.evaluate import fill_replies
from engine.evaluation.held_out import EvaluateSettings, draw_windows, task_mask
from engine.model.density import DensityHabits, measure_densities
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, ONSET, STEPS_PER_BEAT
from engine.reports import Report
from engine.requests.request import STYLES, SampleSettings
from engine.training.dataset import Pack, PackError
from engine.training.feed import pack_windows

GIVEN = (0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0, 11.7)
"""Onsets a beat; a network knows twelve densities (`density_bucket`), of which 11.7 is the last."""


def density_facts(
    generator: Generator,
    settings: SampleSettings,
    pack: Pack,
    wanted: EvaluateSettings,
    say: Report,
) -> dict[str, Any]:
    """Return metadata: `densities_by_style`, a table for each style that the music has, and
    `curve`, rising pairs of what was given and what came.

    settings: how the model is played. wanted: which windows it harmonizes for that.
    """
    tables = {}
    for style in STYLES:
        try:
            tables[style] = measure_densities(pack_windows(pack, 0, wanted.seed, style))
        except PackError:
            continue
    plain = copy.copy(generator)
    plain.habits = DensityHabits()  # given as it is, whatever was measured before
    batch = draw_windows(pack, wanted, 0, wanted.windows)
    curve: list[list[float]] = []
    for given in GIVEN:
        came = _onsets_that_come(plain, batch, replace(settings, density=given))
        say(f"given {given:g} onsets a beat, {came:.2f} come")
        if not curve or came > curve[-1][1]:
            curve.append([given, round(came, 3)])
    return {"densities_by_style": tables, "curve": curve}


def _onsets_that_come(generator: Generator, batch: Batch, settings: SampleSettings) -> float:
    steps = batch.target.shape[-1]
    known = np.broadcast_to(task_mask("harmonize", steps), batch.mask.shape)
    replies = fill_replies(generator, replace(batch, mask=known), settings, lambda text: None)
    onsets = [reply[ACCOMPANIMENT, ONSET].sum() for reply in replies]
    return float(np.mean(onsets) * STEPS_PER_BEAT / steps)
