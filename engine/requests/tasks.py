"""The five tasks as masks: one mechanism, which cells are known and which are to be filled.

All positions are absolute steps; `known` is True where a cell must come back bit-exact.
"""

from __future__ import annotations

import numpy as np

from engine.music.grid import LEAD, GridError
from engine.music.roll import Mask, PianoRoll

TASKS = ("harmonize", "continue", "infill", "vary", "generate")


def _nothing(roll: PianoRoll) -> Mask:
    return np.zeros(roll.cells.shape, np.bool_)


def harmonize_mask(roll: PianoRoll) -> Mask:
    """Return the mask of a lead known throughout and a free accompaniment."""
    known = _nothing(roll)
    known[LEAD] = True
    return known


def continue_mask(roll: PianoRoll, step: int) -> Mask:
    """Return the mask in which all before `step` is known and the rest is free."""
    known = _nothing(roll)
    known[..., : max(step - roll.first_step, 0)] = True
    return known


def infill_mask(roll: PianoRoll, from_step: int, to_step: int) -> Mask:
    """Return the mask in which all but [from_step, to_step) is known."""
    if to_step <= from_step:
        raise GridError(f"nothing to fill between steps {from_step} and {to_step}")
    known = ~_nothing(roll)
    known[..., max(from_step - roll.first_step, 0) : max(to_step - roll.first_step, 0)] = False
    return known


def generate_mask(roll: PianoRoll) -> Mask:
    """Return the mask in which nothing is known: from noise, or (vary) the roll at noise level
    `variation`."""
    return _nothing(roll)
