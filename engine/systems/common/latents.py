"""Requests answered through codes of note images, window by window. Shapes as in `autoencoder`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.music.grid import ONSET, STEPS_PER_BEAT, SUSTAIN
from engine.music.roll import Cells, Mask, PianoRoll, roll_to_notes
from engine.requests.request import FillRequest
from engine.systems.common.autoencoder import EVEN, SIZE, Coder
from engine.systems.common.image import begun, cells_of, image_of, orphans
from engine.systems.common.settle import answered
from engine.systems.common.spans import given_by
from engine.systems.common.system import SystemAnswer


@dataclass(frozen=True, slots=True, eq=False)
class LatentWindow:
    """What a network is asked: codes [1, 2, Z, R, T] of both voices, and which beats of them are
    known, bool[2, T]. first_step: absolute; number: of the window in its request."""

    codes: Tensor
    known: NDArray[np.bool_]
    first_step: int
    number: int


Sample = Callable[[LatentWindow], Tensor]
"""From a window to its codes, all of them, [1, 2, Z, R, T]."""


def codes_of(coder: Coder, images: Tensor) -> Tensor:
    """Images 0/1 [B, 2, 2, 88, C] to codes [B, 2, Z, R, T]."""
    codes = coder.encode(images.flatten(0, 1))
    return codes.reshape(-1, 2, *codes.shape[1:])


def _images_of(coder: Coder, codes: Tensor) -> Tensor:
    """Codes to the chance of each cell, [B, 2, 2, 88, C]."""
    chance = torch.sigmoid(coder.decode(codes.flatten(0, 1)))
    return chance.reshape(-1, 2, *chance.shape[1:])


def _drawn_image(coder: Coder, codes: Tensor) -> NDArray[np.bool_]:
    """Return the likelier value of each cell, bool[2, 2, 88, C]; of both planes the likelier
    one."""
    chance = _images_of(coder, codes)[0].cpu().numpy()
    image = chance > EVEN
    image[:, SUSTAIN] &= chance[:, SUSTAIN] > chance[:, ONSET]
    image[:, ONSET] &= ~image[:, SUSTAIN]
    return np.asarray(image)


def through_code(coder: Coder, roll: PianoRoll) -> PianoRoll:
    """Return what is left of a roll of whole beats that goes through its code."""
    device = next(coder.parameters()).device
    image = torch.from_numpy(image_of(roll.cells))[None].float().to(device)
    with torch.inference_mode():
        cells = cells_of(begun(_drawn_image(coder, codes_of(coder, image))))
    return PianoRoll(cells, roll.pitches, roll.first_step)


def fill_by_windows(coder: Coder, request: FillRequest, beats: int, sample: Sample) -> SystemAnswer:
    """Fill windows of `beats`; each has the half before it as known. A note without an onset
    begins where it sounds first, and counts as mended."""
    sheet = _Sheet.of(request, beats)
    device = next(coder.parameters()).device
    half = beats // 2 * STEPS_PER_BEAT
    total, size = sheet.cells.shape[-1], beats * STEPS_PER_BEAT
    wrong = 0
    for number, at in enumerate(range(0, max(total - size, 0) + half, half)):
        part = slice(min(at, total - size), min(at, total - size) + size)
        known = sheet.known_beats(part)
        if not known.all():
            image = torch.from_numpy(image_of(sheet.cells[..., part]))[None].float().to(device)
            with torch.inference_mode():
                window = LatentWindow(
                    codes_of(coder, image), known, sheet.first_step + part.start, number
                )
                found = _drawn_image(coder, sample(window))
            free = np.repeat(~known, SIZE, axis=1)[:, None]
            wrong += int((orphans(found) & free).sum())
            sheet.take(part, cells_of(begun(found)))
        sheet.done[..., : part.start + half] = True
        if part.stop == total:
            break
    return sheet.answer(wrong)


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """A request stretched to whole beats, at least one window long.

    cells, known: bool[V, P, K, S]; what is beyond the request is free before it is filled.
    done: bool[V, S], filled by earlier windows.
    """

    request: FillRequest
    first_step: int
    cells: Cells
    known: Mask
    done: NDArray[np.bool_]

    @classmethod
    def of(cls, request: FillRequest, beats: int) -> _Sheet:
        roll = request.roll
        first = roll.first_step // STEPS_PER_BEAT * STEPS_PER_BEAT
        count = max(-(-(roll.end_step - first) // STEPS_PER_BEAT), beats)
        end = first + count * STEPS_PER_BEAT
        cells = roll.window(first, end).cells.copy()
        known = PianoRoll(request.known, roll.pitches, roll.first_step).window(first, end).cells
        known = known.copy()
        known[..., : roll.first_step - first] = True
        return cls(request, first, cells, known, np.zeros((2, end - first), np.bool_))

    def known_beats(self, part: slice) -> NDArray[np.bool_]:
        """bool[V, T]: all of a voice's cells in a beat are known, or filled by now."""
        columns = self.known[..., part].all(axis=(1, 2)) | self.done[:, part]
        return np.asarray(columns.reshape(2, -1, STEPS_PER_BEAT).all(axis=2))

    def take(self, part: slice, filled: Cells) -> None:
        """Take a window's answer, where nothing was known."""
        free = ~self.known[..., part] & ~self.done[:, None, None, part]
        self.cells[..., part] = np.where(free, filled, self.cells[..., part])

    def answer(self, wrong: int) -> SystemAnswer:
        """Return the notes that begin in free cells, by the request's register and locks."""
        given, roll = given_by(self.request), PianoRoll(self.cells, first_step=self.first_step)
        new = [
            note
            for note in roll_to_notes(roll)
            if any(
                note.voice in f.voices and f.first <= note.onset_step < f.end for f in given.free
            )
        ]
        return answered(self.request, given, new, wrong)
