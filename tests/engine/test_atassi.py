"""The preset `atassi` plays where the literal reading of Algorithm 1 hardly does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import pytest

from bridge.cli.options import knobs_for
from bridge.settings.presets import load
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, PitchRange
from engine.music.roll import Mask, Note, PianoRoll, notes_to_roll, roll_to_notes
from engine.requests import tasks
from engine.requests.request import FillRequest, SampleSettings
from tests.stage_figures import figure

TUNE = [72, 74, 76, 77, 79, 77, 76, 74]
CHORDS = [(48, 55, 64), (53, 57, 60), (55, 59, 62), (48, 52, 60)]
TASKS: dict[str, tuple[Callable[[PianoRoll], Mask], float]] = {
    "generate": (tasks.generate_mask, 1.0),
    "continue": (lambda roll: tasks.continue_mask(roll, roll.steps // 2), 1.0),
    "middle": (lambda roll: tasks.infill_mask(roll, roll.steps // 4, 3 * roll.steps // 4), 1.0),
    "variation from 25": (tasks.generate_mask, 0.25),
    "variation from 75": (tasks.generate_mask, 0.75),
    "variation from 95": (tasks.generate_mask, 0.95),
    "harmonize": (tasks.harmonize_mask, 1.0),
}
TOGETHER = 10


@lru_cache
def played() -> tuple[Generator, SampleSettings]:
    preset = load("atassi")
    assert preset.model is not None
    knobs = knobs_for(preset, {}, mode="generate")
    generator = Generator.load(preset.model, "cpu")
    return generator, replace(knobs.sample_settings(knobs.integer("steps")), variation=1.0)


def music(task: str, beats: int, pitches: PitchRange) -> PianoRoll:
    tune = [Note(24 * i, TUNE[i % 8], 24, LEAD) for i in range(beats)]
    chords = [
        Note(48 * i, pitch, 48, ACCOMPANIMENT) for i in range(beats // 2) for pitch in CHORDS[i % 4]
    ]
    notes = {"generate": [], "harmonize": tune}.get(task, [*tune, *chords])
    return notes_to_roll(notes, 0, 24 * beats, pitches)


def counts(task: str, seeds: int, beats: int, **others: object) -> list[int]:
    """New notes of each seed."""
    generator, settings = played()
    mask, variation = TASKS[task]
    wanted = replace(settings, variation=variation, **others)  # type: ignore[arg-type]
    roll = music(task, beats, generator.pitches)
    known = mask(roll)
    found = []
    for first in range(0, seeds, TOGETHER):
        requests = [
            FillRequest(roll, known, settings=replace(wanted, seed=seed))
            for seed in range(first, min(first + TOGETHER, seeds))
        ]
        for filled in generator.fill_many(requests):
            new = replace(filled, cells=filled.cells & ~known)
            found.append(len(roll_to_notes(new)))
    return found


@pytest.mark.parametrize("task", ["generate", "continue", "harmonize"])
def test_five_seeds_have_notes(task: str) -> None:
    assert min(counts(task, 5, 8, steps=20)) > 0


def test_the_literal_reading_has_hardly_a_note() -> None:
    drawn, literal = (
        sum(counts("generate", 5, 4, steps=20, sampler=sampler))
        for sampler in ("ancestral", "algorithm1-threshold")
    )
    assert literal < drawn / 2


@pytest.mark.stage
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("task", TASKS)
def test_a_hundred_seeds_have_notes(task: str) -> None:
    heard = sum(count > 0 for count in counts(task, 100, 16))
    figure(f"atassi, {task}: seeds with notes", f"{heard} of 100", "95")
    assert heard >= 95
