"""A roll as an image and back: a column for each thirty-second, a row for each pitch. numpy only.

An image is bool[voice, plane, pitch, column] with the roll's voices and planes as its colours, 8
columns a beat, so that an autoencoder that downsamples by 8 has a column of its own for each
beat. Exact for notes that begin and end on thirty-seconds; others go to the nearest column.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ONSET, STEPS_PER_BEAT, SUSTAIN
from engine.music.roll import Cells, PianoRoll, drop_orphans, roll_to_notes
from engine.systems.common.note_lists import Lost, held_notes

Image = NDArray[np.bool_]
"""bool[.., plane, pitch, column]"""

_COLUMNS_PER_BEAT = 8
_STEPS = STEPS_PER_BEAT // _COLUMNS_PER_BEAT


def image_of(cells: NDArray[np.bool_]) -> Image:
    """Return cells bool[.., plane, pitch, step], whole beats, to their image.

    An onset goes to the nearest column; of two on one pitch in one column one stays.
    """
    onset, sustain = cells[..., ONSET, :, :], cells[..., SUSTAIN, :, :]
    # One step later, the nearest column is the one a step lies in.
    later = np.zeros_like(onset)
    later[..., 1:] = onset[..., :-1]
    columns = later.reshape(*later.shape[:-1], -1, _STEPS).any(axis=-1)
    goes_on = sustain[..., ::_STEPS] & ~columns
    return np.stack([columns, goes_on], axis=-3)


def cells_of(image: Image) -> Cells:
    """Return the cells of an image bool[V, plane, pitch, column]; a sustain without onset is left
    out."""
    begins, goes_on = image[:, ONSET], image[:, SUSTAIN] & ~image[:, ONSET]
    cells = np.zeros((*image.shape[:3], image.shape[3] * _STEPS), np.bool_)
    cells[:, ONSET, :, ::_STEPS] = begins
    for step in range(_STEPS):
        sounds = (begins | goes_on) if step else goes_on
        cells[:, SUSTAIN, :, step::_STEPS] = sounds
    return drop_orphans(cells)


def orphans(image: Image) -> Image:
    """bool[.., pitch, column]: where a sustain begins that no onset leads into; in column 0 it may
    be held from before."""
    begins, goes_on = image[..., ONSET, :, :], image[..., SUSTAIN, :, :]
    before = np.ones_like(begins)
    before[..., 1:] = (begins | goes_on)[..., :-1]
    return np.asarray(goes_on & ~begins & ~before)


def begun(image: Image) -> Image:
    """Return the image with no sustain alone: a hole of one column in a note is filled, and what
    still has no onset begins where it sounds first."""
    onset, sustain = image[..., ONSET, :, :], image[..., SUSTAIN, :, :]
    sounds, holes = onset | sustain, np.zeros_like(onset)
    holes[..., 1:-1] = ~sounds[..., 1:-1] & sounds[..., :-2] & sustain[..., 2:] & ~onset[..., 2:]
    filled = np.stack([onset, sustain | holes], axis=-3)
    alone = orphans(filled)
    return np.stack([onset | alone, filled[..., SUSTAIN, :, :] & ~alone], axis=-3)


def encode(roll: PianoRoll) -> tuple[Image, Lost]:
    """Return the image of a roll of whole beats, and what it cannot hold."""
    image = image_of(roll.cells)
    notes = roll_to_notes(roll)
    places = [(n.onset_step - roll.first_step, n.end_step - roll.first_step) for n in notes]
    moved = sum(onset % _STEPS > 0 or end % _STEPS > 0 for onset, end in places)
    doubled = len(notes) - int(image[:, ONSET].sum())
    return image, Lost(held=held_notes(roll), doubled=doubled, moved=moved)


def decode(image: Image, first_step: int = 0) -> PianoRoll:
    """Return the roll of an image."""
    return PianoRoll(cells_of(image), first_step=first_step)
