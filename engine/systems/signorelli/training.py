"""Triples to learn from, by the document's rules as far as a packed corpus has their objects.

Of its section 2: a piece's longest track is all of its notes here, both voices, since the pack
has no tracks and harmony needs both; segments with a duration or delta beyond the limits are left
out; what is shorter than a segment is left out; features are divided by their largest value.
Ours: a segment begins at any note, not only at multiples of its length, and is transposed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.music.grid import PIANO
from engine.music.roll import Note
from engine.systems.common.draws import Draws, Mean
from engine.systems.common.gaussian import diffuse, velocity
from engine.systems.common.music import Excerpt, Pieces, turn
from engine.systems.signorelli.codec import (
    FURTHEST_BEATS,
    Triples,
    to_triples,
)
from engine.systems.signorelli.network import CausalUnet, CausalUnetConfig
from engine.training.dataset import Pack

_MOST_TRIES = 200
_FIRST = 100
"""Batches whose moments are taken."""


class Segments:
    """Segments of one split."""

    def __init__(self, pack: Pack, split: int, config: CausalUnetConfig) -> None:
        self.pieces, self.length, self.augment = Pieces(pack, split), config.length, split == 0

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """(triples,): [size, 3, length], each 0..1."""
        drawn = np.stack([self._segment(rng) for _ in range(size)])
        return (torch.from_numpy(drawn).float().transpose(1, 2).contiguous(),)

    def facts(self) -> dict[str, float]:
        """notes_per_beat: of both voices, over the segments of 400 draws."""
        rng = np.random.default_rng(0)
        beats = [float(self._segment(rng)[:, 2].sum()) * FURTHEST_BEATS for _ in range(400)]
        return {"notes_per_beat": self.length * len(beats) / sum(beats)}

    def _segment(self, rng: np.random.Generator) -> Triples:
        """Return one that keeps the limits; of many tries the last, cut, where that is rare."""
        triples = np.zeros((self.length, 3))
        for _ in range(_MOST_TRIES):
            piece = self.pieces.any(rng)
            if len(piece.onset) <= self.length:
                continue
            start = int(rng.integers(0, len(piece.onset) - self.length))
            part = piece.part(start, start + self.length).turned(turn(rng, self.augment))
            triples, lost = to_triples(_notes(part), int(piece.onset[max(start - 1, 0)]))
            if not lost.total and bool(np.isin(part.pitch, _PIANO_PITCHES).all()):
                break
        return triples


_PIANO_PITCHES = np.arange(PIANO.low, PIANO.high + 1)


def _notes(part: Excerpt) -> list[Note]:
    return [
        Note(int(onset), int(pitch), max(int(end - onset), 1))
        for onset, end, pitch in zip(*part, strict=True)
    ]


def loss(network: nn.Module, batch: tuple[Tensor, ...], draws: Draws, step: int) -> Mean:
    """Return mean squared error of v; the first `_FIRST` batches tell the triples' moments."""
    assert isinstance(network, CausalUnet)
    (triples,) = batch
    if step < _FIRST and network.training:
        network.standard.note(triples, 1.0 / (step + 1), draws.together)
    x0 = network.standard(triples)
    level = draws.levels(len(x0)).to(x0.device)
    noise = draws.normal(x0)
    guess: Tensor = network(diffuse(x0, level, noise), level)
    error = (guess - velocity(x0, level, noise)).pow(2)
    return Mean(error.mean(), error.numel())


def settle(network: Any, averaged: Any, step: int) -> None:
    """Give the averaged network the same moments once they are told."""
    if step == _FIRST:
        averaged.standard.load_state_dict(network.standard.state_dict())
