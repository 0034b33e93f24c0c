"""What one training step draws, and how several processes share it out.

Every process draws the whole batch's noise and takes its own rows of it, so that a run is that of
one process whatever their number (`engine.training.processes`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.systems.common.gaussian import draw_levels


class Mean(NamedTuple):
    """A mean loss, and the number of equal parts that it is the mean of."""

    value: Tensor
    weight: Tensor | int


def alone(sums: Tensor) -> Tensor:
    """Return sums over one process: they are whole."""
    return sums


@dataclass(frozen=True, slots=True)
class Draws:
    """Noise for `rows` of a batch of `whole`; for all of a batch where there are no rows.

    together: sums a tensor over all processes.
    """

    generator: torch.Generator
    rows: slice | None = None
    whole: int = 0
    together: Callable[[Tensor], Tensor] = alone

    def normal(self, like: Tensor) -> Tensor:
        """Return normal noise of the shape and on the device of `like`, whose axis 0 is rows."""
        return self._own(lambda size: self._normal(size, like), len(like)).to(like.device)

    def levels(self, size: int) -> Tensor:
        """Return noise levels [size], see `gaussian.draw_levels`."""
        return self._own(lambda whole: draw_levels(whole, self.generator), size)

    def below(self, end: int, size: int) -> Tensor:
        """Return whole numbers from 0 to end - 1, int64 [size]."""
        return self._own(
            lambda whole: torch.randint(0, end, (whole,), generator=self.generator), size
        )

    def chances(self, size: int) -> Tensor:
        """Return numbers from 0 to 1, [size]."""
        return self._own(lambda whole: torch.rand(whole, generator=self.generator), size)

    def _normal(self, size: int, like: Tensor) -> Tensor:
        return torch.randn((size, *like.shape[1:]), generator=self.generator)

    def _own(self, draw: Callable[[int], Tensor], size: int) -> Tensor:
        """Draw for the whole batch and take the own rows; `size` is of these, or a multiple where a
        row of the batch is several here."""
        if self.rows is None:
            return draw(size)
        several = size // (self.rows.stop - self.rows.start)
        return draw(several * self.whole)[several * self.rows.start : several * self.rows.stop]
