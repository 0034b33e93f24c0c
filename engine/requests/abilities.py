"""What each family of models can be asked for. Plain values: a preset is judged before torch loads.

A family that cannot do what is asked says so in one line that names a preset that can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Mask
from engine.requests.tasks import TASKS

_BARS, _BEATS, _SECONDS = "bars", "beats", "seconds"
"""What a family knows of musical time: where bar lines are, how long a beat is, or neither."""


class AbilityError(ValueError):
    """A request that a family cannot answer; the message names a preset that can."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a family can do.

    tasks: of `engine.requests.tasks`. live: fast enough to answer beat by beat; others answer
    files, triggers and `next-bar`. time: _BARS, _BEATS or _SECONDS. preset: one that ships it.
    """

    tasks: tuple[str, ...]
    live: bool
    time: str
    preset: str


ABILITIES: dict[str, Abilities] = {
    "frame-transformer": Abilities(TASKS, True, _BARS, "default"),
    "paper-unet": Abilities(TASKS, False, _BEATS, "paper"),
    "signorelli": Abilities(TASKS, False, _BEATS, "signorelli"),
    "savkin": Abilities(("continue", "vary", "generate"), False, _SECONDS, "savkin"),
    "ziko-munim": Abilities(TASKS, False, _BARS, "ziko-munim"),
    "kumawat": Abilities(TASKS, False, _BEATS, "kumawat"),
}
"""By family. The first row that can do a task is the one that is recommended."""

SYSTEM_NAMES = tuple(name for name in ABILITIES if name not in ("frame-transformer", "paper-unet"))
"""Families of `engine.systems`, which are trained and played by their own loops."""


def require(family: str, task: str) -> None:
    """Raise AbilityError where a family cannot do a task; families not in the table may try."""
    can = ABILITIES.get(family)
    if can is None or task in can.tasks:
        return
    other = next(each.preset for each in ABILITIES.values() if task in each.tasks)
    raise AbilityError(
        f"{family} cannot {task} (it can {', '.join(can.tasks)}); --preset {other} can"
    )


def task_of(known: Mask, variation: float = 1.0) -> str:
    """Return the task a mask bool[V, P, K, S] stands for.

    One voice known where the other is free: `harmonize`. Nothing known: `generate`, or `vary`
    below variation 1. Known up to a column and free from there: `continue`. Else `infill`.
    """
    known_steps = np.asarray(known.all(axis=(1, 2)))  # [V, S]
    if bool((known_steps[LEAD] != known_steps[ACCOMPANIMENT]).any()):
        return "harmonize"
    if not known_steps.any():
        return "vary" if variation < 1.0 else "generate"
    free = np.flatnonzero(~known_steps[LEAD])
    reaches_end = free.size and free[-1] == known_steps.shape[-1] - 1
    return "continue" if reaches_end and bool((~known_steps[LEAD])[free[0] :].all()) else "infill"
