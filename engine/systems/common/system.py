"""What a system is to the rest of the engine: a network, how it learns and how it plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from engine.music.roll import Cells, PianoRoll
from engine.requests.request import FillRequest
from engine.systems.common.draws import Draws, Mean
from engine.systems.common.note_lists import Lost
from engine.training.dataset import Pack

Facts = Mapping[str, float]
"""What was measured of the training music and is needed to play, such as notes a beat."""


class Mended(NamedTuple):
    """Of the notes that were made, how many had to be put right; both counts."""

    made: int = 0
    mended: int = 0

    def also(self, other: Mended) -> Mended:
        """Both together."""
        return Mended(self.made + other.made, self.mended + other.mended)


class SystemAnswer(NamedTuple):
    """Cells bool[V, P, K, S] before the rules of `constraints`, and what was mended."""

    cells: Cells
    mended: Mended


class Recoded(NamedTuple):
    """A roll of whole beats as a family's format, and its network, can hold it; what that loses of
    the notes before any network hears them."""

    roll: PianoRoll
    lost: Lost


class Material(Protocol):
    """Music as a system's network is given it."""

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """`size` windows; `rng` decides everything."""
        ...

    def facts(self) -> dict[str, float]:
        """See Facts."""
        ...


Loss = Callable[[nn.Module, tuple[Tensor, ...], Draws, int], Mean]
"""From network, own rows of a batch, noise and the number of the step to the mean loss."""


@dataclass(frozen=True, slots=True)
class System:
    """One family.

    config, build: of its network. material: from a pack, a split (0 train, 1 valid) and the
    network's config. loss: see Loss. fill: answers a request. recode: see Recoded. listen:
    numbers to log now and then in training, from the network and a seed. settle: called with
    network, averaged network and number before each step. steps: calls it is shipped with.
    beats: the music its network hears at once, or about so much.
    """

    config: type[Any]
    build: Callable[[Any], nn.Module]
    material: Callable[[Pack, int, Any], Material]
    loss: Loss
    fill: Callable[[nn.Module, FillRequest, Facts], SystemAnswer]
    recode: Callable[[nn.Module, PianoRoll], Recoded]
    listen: Callable[[nn.Module, Material, int], dict[str, float]] | None = None
    settle: Callable[[Any, Any, int], None] | None = None
    steps: int = 50
    beats: int = 16
