from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from engine.scores.heat import save_heat


def test_least_is_black_most_is_white_and_row_0_at_the_bottom(tmp_path: Path) -> None:
    array = np.array([[0.0, 1.0], [3.0, 2.0]], np.float32)
    save_heat([array], ["one"], tmp_path / "heat.png")
    with Image.open(tmp_path / "heat.png") as picture:
        assert picture.size == (1152, 18 + 400 + 8)
        corners = [(1, 417), (1150, 417), (1, 19), (1150, 19)]
        assert [picture.getpixel(at) for at in corners] == [0, 85, 255, 170]


def test_an_array_all_alike_is_drawn_too(tmp_path: Path) -> None:
    save_heat([np.ones((1, 8), np.float32)] * 2, ["a", "b"], tmp_path / "flat.png")
    with Image.open(tmp_path / "flat.png") as picture:
        assert picture.size == (1152, 2 * (18 + 144 + 8))
