"""The five tasks as masks: one mechanism, which cells are known and which are to be filled.

All positions are absolute steps; `known` is True where a cell must come back bit-exact.
"""

from __future__ import annotations

import numpy as np

from engine.music.grid import ACCOMPANIMENT, LEAD, GridError
from engine.music.roll import Mask, PianoRoll

TASKS = ("harmonize", "continue", "infill", "vary", "generate")


def _nothing(roll: PianoRoll) -> Mask:
    return np.zeros(roll.cells.shape, np.bool_)


def harmonize(roll: PianoRoll) -> Mask:
    """The lead is known throughout; the accompaniment is free."""
    known = _nothing(roll)
    known[LEAD] = True
    return known


def anticipate(roll: PianoRoll, now_step: int, horizon_step: int) -> Mask:
    """What `live` needs: the lead known before `now_step`, the accompaniment before `horizon_step`.

    Raises GridError when the horizon lies before now.
    """
    if horizon_step < now_step:
        raise GridError(f"horizon {horizon_step} lies before now {now_step}")
    known = _nothing(roll)
    known[LEAD, ..., : max(now_step - roll.first_step, 0)] = True
    known[ACCOMPANIMENT, ..., : max(horizon_step - roll.first_step, 0)] = True
    return known


def continue_from(roll: PianoRoll, step: int) -> Mask:
    """Everything before `step` is known; the rest is free."""
    known = _nothing(roll)
    known[..., : max(step - roll.first_step, 0)] = True
    return known


def infill(roll: PianoRoll, from_step: int, to_step: int) -> Mask:
    """Everything but [from_step, to_step) is known."""
    if to_step <= from_step:
        raise GridError(f"nothing to fill between steps {from_step} and {to_step}")
    known = ~_nothing(roll)
    known[..., max(from_step - roll.first_step, 0) : max(to_step - roll.first_step, 0)] = False
    return known


def vary(roll: PianoRoll) -> Mask:
    """Nothing is known; the sampler starts from the roll at noise level `variation`."""
    return _nothing(roll)


def generate(roll: PianoRoll) -> Mask:
    """Nothing is known and the sampler starts from pure noise."""
    return _nothing(roll)
