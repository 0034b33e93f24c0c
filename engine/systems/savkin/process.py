"""A request answered with events: from nothing, or by going on from a known beginning.

The known beginning is written over the noise in each step, as the document's own idea of
conditioning is. What is to come has no known place in a sequence of numbers, so nothing but a
beginning can be known: no harmony to a melody, no filling of gaps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.music.roll import Note, PianoRoll
from engine.requests.request import FillRequest, SampleSettings
from engine.systems.common.gaussian import Walk, reverse
from engine.systems.common.mending import snapped
from engine.systems.common.note_lists import ordered_notes
from engine.systems.common.settle import answered, in_voices
from engine.systems.common.spans import Free, given_by
from engine.systems.common.system import Facts, Recoded, SystemAnswer
from engine.systems.savkin.codec import (
    SHIFT,
    SHIFTS_PER_STEP,
    Numbers,
    decode,
    encode,
    from_numbers,
    scaled,
    to_numbers,
    unscaled,
)

_SPARE_WINDOWS = 4
"""A sequence without a single shift would go on for ever; what is not reached stays silent."""


def fill(network: nn.Module, request: FillRequest, facts: Facts) -> SystemAnswer:
    """Return the request's cells; see the module."""
    given, settings = given_by(request), request.settings
    generator = torch.Generator().manual_seed(settings.seed)
    made: list[Note] = []
    mended = dropped = 0
    for span in given.free:
        source = [n for n in given.source if span.first <= n.onset_step < span.end]
        if settings.variation < 1.0 and source:
            numbers = _varied(network, source, span, settings, generator)
        else:
            numbers = _gone_on(network, [*given.known, *made], span, settings, generator)
        notes, faults = from_numbers(numbers, span.first)
        inside = [n for n in map(snapped, notes) if span.first <= n.onset_step < span.end]
        kept, doubled = ordered_notes(inside)
        made += in_voices(kept, span, given)
        mended += faults.nearest + faults.ons + faults.endless
        dropped += doubled + faults.offs + faults.beyond
    return answered(request, given, made, mended, dropped)


def _gone_on(
    network: nn.Module,
    before: list[Note],
    span: Free,
    settings: SampleSettings,
    generator: torch.Generator,
) -> Numbers:
    """Return numbers from `span.first` on that reach its end, window by window."""
    config: Any = network.config
    half, wanted = int(config.length) // 2, (span.end - span.first) * SHIFTS_PER_STEP
    past, _ = ordered_notes(n for n in before if n.onset_step < span.first)
    start = max(
        span.first - 2 * half // SHIFTS_PER_STEP, past[0].onset_step if past else span.first
    )
    recent = [n for n in past if n.onset_step >= start]
    so_far = to_numbers(recent, start, span.first)
    silent = (span.first - start) * SHIFTS_PER_STEP - int((so_far == SHIFT).sum())
    so_far = np.concatenate([so_far, np.full(silent, SHIFT)])
    new = np.zeros(0, np.int64)
    for _ in range(_SPARE_WINDOWS + 4 * wanted // half):
        context = np.concatenate([so_far, new])[-half:]
        new = np.concatenate([new, _window(network, context, settings, generator)])
        if int((new == SHIFT).sum()) >= wanted:
            break
    over = np.flatnonzero(np.cumsum(new == SHIFT) >= wanted)
    return new[: over[0]] if over.size else new


def _window(
    network: nn.Module, context: Numbers, settings: SampleSettings, generator: torch.Generator
) -> Numbers:
    """Return what follows `context` in one sequence of the network's length."""
    config: Any = network.config
    known = np.zeros(int(config.length), np.bool_)
    known[: len(context)] = True
    values = np.zeros(len(known))
    values[: len(context)] = scaled(context)
    return _sampled(network, values, known, _walk(settings, 1.0), generator)[len(context) :]


def _varied(
    network: nn.Module,
    source: list[Note],
    span: Free,
    settings: SampleSettings,
    generator: torch.Generator,
) -> Numbers:
    """Return the source's own numbers, noised to the level `variation` and made anew, in pieces."""
    config: Any = network.config
    length = int(config.length)
    notes, _ = ordered_notes(source)
    numbers = to_numbers(notes, span.first, span.end)
    parts: list[Numbers] = []
    for at in range(0, len(numbers), length):
        part = numbers[at : at + length]
        values = np.zeros(length)
        values[: len(part)] = scaled(part)
        nothing = np.zeros(length, np.bool_)
        walk = _walk(settings, settings.variation)
        parts.append(_sampled(network, values, nothing, walk, generator)[: len(part)])
    return np.concatenate(parts)


def _walk(settings: SampleSettings, start: float) -> Walk:
    way = "ancestral" if settings.sampler == "ancestral" else "ddim"
    return Walk(settings.steps, way, start)


def _sampled(
    network: nn.Module,
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    walk: Walk,
    generator: torch.Generator,
) -> Numbers:
    device = next(network.parameters()).device

    def as_input(array: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> Tensor:
        return torch.from_numpy(array).float()[None, None].to(device)

    with torch.inference_mode():
        found = reverse(network, as_input(values), as_input(known), walk, generator)
    return unscaled(found[0, 0].cpu().numpy())


def recode(network: nn.Module, roll: PianoRoll) -> Recoded:
    """Return a roll as numbers hold it; the network has no part in that."""
    numbers, lost = encode(roll)
    return Recoded(decode(numbers, roll.steps, roll.first_step), lost)
