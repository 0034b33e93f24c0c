from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Mask, Note, PianoRoll, notes_to_roll, roll_to_notes
from engine.requests import tasks
from engine.requests.abilities import ABILITIES, SYSTEM_NAMES, AbilityError
from engine.requests.request import ChordCell, FillRequest, PlanRequest, SampleSettings, Span
from engine.systems import registry
from engine.systems.player import SystemPlayer

STEPS = 192
TUNE = [Note(24 * i, 72 + i % 5, 24, LEAD) for i in range(8)]
UNDER = [Note(48 * i, 48 + i % 3, 48, ACCOMPANIMENT) for i in range(4)]
ROLL = notes_to_roll([*TUNE, *UNDER], 0, STEPS)
MASKS: dict[str, Callable[[PianoRoll], Mask]] = {
    "harmonize": tasks.harmonize_mask,
    "continue": lambda roll: tasks.continue_mask(roll, 96),
    "infill": lambda roll: tasks.infill_mask(roll, 48, 96),
    "vary": tasks.generate_mask,
    "generate": tasks.generate_mask,
}
PLAYED = SampleSettings(steps=3, sampler="ddim", seed=4)
CAN = [(family, task) for family in SYSTEM_NAMES for task in ABILITIES[family].tasks]
CANNOT = [(f, task) for f in SYSTEM_NAMES for task in MASKS if task not in ABILITIES[f].tasks]


def asked(task: str, **settings: object) -> FillRequest:
    roll = PianoRoll.empty(STEPS) if task == "generate" else ROLL
    variation = 0.5 if task == "vary" else 1.0
    mine = replace(PLAYED, variation=variation, **settings)  # type: ignore[arg-type]
    return FillRequest(roll, MASKS[task](roll), settings=mine)


def test_the_table_of_abilities_has_every_system() -> None:
    assert set(SYSTEM_NAMES) == set(registry.SYSTEMS)


@pytest.mark.parametrize(("family", "task"), CAN)
def test_known_cells_stay_and_the_seed_decides(
    small_player: Callable[[str], SystemPlayer], family: str, task: str
) -> None:
    player, request = small_player(family), asked(task)
    roll, mended = player.fill_told(request)
    assert np.array_equal(roll.cells & request.known, request.roll.cells & request.known)
    assert 0 <= mended.mended <= mended.made
    assert np.array_equal(player.fill_many([request])[0].cells, roll.cells)


@pytest.mark.parametrize(("family", "task"), CAN)
def test_new_notes_keep_the_register(
    small_player: Callable[[str], SystemPlayer], family: str, task: str
) -> None:
    request = asked(task, low=48, high=60)
    new = small_player(family).fill(request).cells & ~request.known
    rows = np.flatnonzero(new[ACCOMPANIMENT].any(axis=(0, 2))) + 21
    assert all(48 <= pitch <= 60 for pitch in rows)


@pytest.mark.parametrize(("family", "task"), CANNOT)
def test_what_it_cannot_do_is_told_in_one_line(
    small_player: Callable[[str], SystemPlayer], family: str, task: str
) -> None:
    with pytest.raises(AbilityError, match=f"^{family} cannot {task} .*--preset default can$"):
        small_player(family).fill(asked(task))


@pytest.mark.parametrize("family", SYSTEM_NAMES)
def test_a_sampler_of_another_process_is_refused(
    small_player: Callable[[str], SystemPlayer], family: str
) -> None:
    with pytest.raises(AbilityError, match="samples by ddim or ancestral, not 'renoise'"):
        small_player(family).fill(asked("generate", sampler="renoise"))


@pytest.mark.parametrize("family", SYSTEM_NAMES)
def test_what_a_format_holds_of_a_roll_has_its_steps_and_is_counted(
    small_player: Callable[[str], SystemPlayer], family: str
) -> None:
    roll = notes_to_roll([Note(12, 60, 24, LEAD), Note(12, 60, 24, ACCOMPANIMENT)], 12, 100)
    found, lost = small_player(family).recode(roll)
    assert (found.first_step, found.steps) == (12, 88)
    images = family in ("kumawat", "ziko-munim")
    assert lost.doubled == (0 if images else 1)
    assert images or roll_to_notes(found) == [Note(12, 60, 24)]


def test_chord_symbols_are_refused_not_ignored(
    small_player: Callable[[str], SystemPlayer],
) -> None:
    wanted = replace(asked("generate"), chords=(ChordCell(0, 24, frozenset({0, 4, 7})),))
    with pytest.raises(AbilityError, match="savkin hears no chord symbols; --preset default does"):
        small_player("savkin").fill(wanted)


@pytest.mark.parametrize("family", SYSTEM_NAMES)
def test_a_plan_goes_on_from_what_is_known(
    small_player: Callable[[str], SystemPlayer], family: str
) -> None:
    past = (Span(LEAD, -96, 0), Span(ACCOMPANIMENT, -96, 0))
    notes = (Note(-96, 60, 24, LEAD), Note(-48, 48, 48, ACCOMPANIMENT))
    request = PlanRequest(7, -96, 96, notes, past, settings=PLAYED)
    player = small_player(family)
    plan = player.plan(request)
    assert plan.id == 7
    assert [each.notes for each in player.plan_many([request] * 2)] == [plan.notes] * 2
    assert [n for n in plan.notes if n.onset_step < 0] == sorted(notes)
