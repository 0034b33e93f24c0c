"""Arrays as grey pictures, one below the other, each with a title. numpy and Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_WIDTH, _TITLE, _GAP = 1152, 18, 8
_LEAST_HEIGHT, _MOST_HEIGHT = 96, 400


def _heat(arrays: Sequence[NDArray[np.float32]], titles: Sequence[str]) -> Image.Image:
    """Return each array [row, column] from its least (black) to its most (white), row 0 at the
    bottom."""
    strips = [_strip(array) for array in arrays]
    height = sum(strip.height + _TITLE + _GAP for strip in strips)
    picture = Image.new("L", (_WIDTH, height), 255)
    pen, y = ImageDraw.Draw(picture), 0
    for strip, title in zip(strips, titles, strict=True):
        pen.text((4, y + 2), title, fill=0)
        picture.paste(strip, (0, y + _TITLE))
        y += strip.height + _TITLE + _GAP
    return picture


def save_heat(arrays: Sequence[NDArray[np.float32]], titles: Sequence[str], path: Path) -> None:
    """Write `heat` as a PNG."""
    _heat(arrays, titles).save(path)


def _strip(array: NDArray[np.float32]) -> Image.Image:
    low, high = float(array.min()), float(array.max())
    grey = np.uint8(255 * (array[::-1] - low) / max(high - low, 1e-9))
    rows, columns = array.shape
    height = min(max(_WIDTH * rows // columns, _LEAST_HEIGHT), _MOST_HEIGHT)
    return Image.fromarray(grey, "L").resize((_WIDTH, height), Image.Resampling.NEAREST)
