from __future__ import annotations

import pytest

from engine.music.roll import Note, PianoRoll, notes_to_roll
from engine.requests import tasks
from engine.requests.abilities import ABILITIES, AbilityError, require, task_of

ROLL = notes_to_roll([Note(0, 60, 24, 0), Note(24, 60, 24)], 0, 96)
EMPTY = PianoRoll.empty(96)


def test_masks_say_which_task_they_are() -> None:
    assert task_of(tasks.harmonize_mask(ROLL)) == "harmonize"
    assert task_of(tasks.continue_mask(ROLL, 48)) == "continue"
    assert task_of(tasks.infill_mask(ROLL, 24, 48)) == "infill"
    assert task_of(tasks.generate_mask(EMPTY)) == "generate"
    assert task_of(tasks.generate_mask(ROLL), variation=0.5) == "vary"


def test_what_a_family_cannot_do_names_a_preset_that_can() -> None:
    with pytest.raises(AbilityError) as known_steps:
        require("savkin", "harmonize")
    assert str(known_steps.value) == (
        "savkin cannot harmonize (it can continue, vary, generate); --preset default can"
    )


def test_every_task_can_be_done_and_only_tasks_are_listed() -> None:
    for can in ABILITIES.values():
        assert set(can.tasks) <= set(tasks.TASKS)
    for task in tasks.TASKS:
        require("frame-transformer", task)
    require("fixture", "harmonize")
