"""Where a played note begins: from a fractional absolute step to the grid, bar by bar.

Knows nothing of clocks; tempo comes in as an argument because 45 ms is not a number of steps.
"""

from __future__ import annotations

import math

from engine.music.grid import STEPS_PER_BEAT, MeterMap

GRIDS: dict[str, tuple[int, ...]] = {
    "16+triplet": (0, 6, 8, 12, 16, 18),
    "16": (0, 6, 12, 18),
    "8": (0, 12),
    "off": tuple(range(STEPS_PER_BEAT)),
}
"""Grid lines within one beat, for every choice of the parameter `input_quantize`."""

_EARLY_MS = 45.0
"""An onset at most this long before a bar line belongs to the new bar: real DAWs send their notes
ahead of their clock (Ardour 7.3: two periods, 21 to 43 ms)."""

_EARLY_CAP_STEPS = 5.0
"""... but never a whole sixteenth: above 278 bpm that would swallow the bar's last one."""

LEGATO_STEPS = 4.0
"""A note that ends this close to the next onset was meant to reach it."""


def quantize(step: float, grid: str) -> int:
    """Return the grid line nearest to `step`, counted from step 0. Halfway goes to the straight
    line, or else to the later one. Raises KeyError for a grid that is not in GRIDS."""
    beat = math.floor(step / STEPS_PER_BEAT) * STEPS_PER_BEAT
    lines = (*GRIDS[grid], STEPS_PER_BEAT)
    within = step - beat
    return beat + min(lines, key=lambda line: (abs(line - within), line % 6 != 0, -line))


def quantize_in_bar(step: float, grid: str, meters: MeterMap) -> int:
    """Do as `quantize`, with the grid counted from the bar line: a bar may start anywhere."""
    first, end = meters.bar_span(math.floor(step))
    return min(first + quantize(step - first, grid), end)


def early_steps(bpm: float) -> float:
    """Return how many steps before a bar line still count as the new bar."""
    return min(_EARLY_MS / 60_000 * bpm * STEPS_PER_BEAT, _EARLY_CAP_STEPS)


def quantize_onset(step: float, grid: str, meters: MeterMap, bpm: float) -> int:
    """Return where a note played at `step` (input offset already added) begins."""
    _, end = meters.bar_span(math.floor(step))
    if end - step <= early_steps(bpm):
        return end
    return quantize_in_bar(step, grid, meters)


def quantize_end(
    end_step: float,
    onset_step: int,
    grid: str,
    meters: MeterMap,
    next_onset_step: int | None = None,
) -> int:
    """Return where a note that begins at `onset_step` and was let go at `end_step` ends.

    On the grid line nearest, or where the next note (already quantised) begins when that is at
    most LEGATO_STEPS away. A note shorter than the grid keeps its length in steps, at least 1.
    """
    target = next_onset_step
    if target is not None and target > onset_step and abs(end_step - target) <= LEGATO_STEPS:
        return target
    end = quantize_in_bar(end_step, grid, meters)
    if end > onset_step:
        return end
    return onset_step + max(1, math.floor(end_step - onset_step + 0.5))
