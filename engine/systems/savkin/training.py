"""Sequences of numbers to learn from, and the document's measure while it trains."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.music.grid import PIANO, STEPS_PER_BEAT
from engine.music.roll import Note
from engine.systems.common.draws import Draws, Mean
from engine.systems.common.gaussian import Walk, diffuse, reverse, velocity
from engine.systems.common.music import Excerpt, Pieces, turn
from engine.systems.savkin.codec import (
    SHIFT,
    SHIFTS_PER_STEP,
    Numbers,
    from_numbers,
    scaled,
    to_numbers,
    unscaled,
)
from engine.systems.savkin.network import Unet1dConfig
from engine.training.dataset import Pack

_LISTEN_CALLS = 50


class Sequences:
    """Sequences of one split; each begins at a note of a piece."""

    def __init__(self, pack: Pack, split: int, config: Unet1dConfig) -> None:
        self.pieces, self.length, self.augment = Pieces(pack, split), config.length, split == 0

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """(numbers,): [size, 1, length], each -1..1."""
        drawn = np.stack([scaled(self.numbers(rng)) for _ in range(size)])
        return (torch.from_numpy(drawn).float()[:, None],)

    def facts(self) -> dict[str, float]:
        """notes_per_sequence, over 200 draws."""
        rng = np.random.default_rng(0)
        counts = [int((self.numbers(rng) < 128).sum()) for _ in range(200)]
        return {"notes_per_sequence": float(np.mean(counts))}

    def numbers(self, rng: np.random.Generator) -> Numbers:
        """Return one sequence, cut to the length.

        A piece that ends before begins anew, as a verse does: filled up with silence, sequences
        taught the network to fall silent for good.
        """
        piece = self.pieces.any(rng).turned(turn(rng, self.augment))
        found = self._from_note(piece, int(rng.integers(0, max(len(piece.onset) - 8, 1))))
        again = self._from_note(piece, 0)
        missing = max(self.length - len(found), 0)
        filling = np.resize(again if again.size else np.array([SHIFT]), missing)
        return np.concatenate([found[: self.length], filling])

    def _from_note(self, piece: Excerpt, start: int) -> Numbers:
        """Return numbers of a piece from one of its notes on, as far as a sequence can reach."""
        first = int(piece.onset[start])
        # No sequence reaches further than one without a single event.
        last = int(np.searchsorted(piece.onset, first + self.length // SHIFTS_PER_STEP))
        notes = [
            Note(int(onset), int(pitch), max(int(end - onset), 1))
            for onset, end, pitch in zip(*piece.part(start, last), strict=True)
            if pitch in PIANO
        ]
        return to_numbers(notes, first, first + 64 * STEPS_PER_BEAT)


def loss(network: nn.Module, batch: tuple[Tensor, ...], draws: Draws, step: int) -> Mean:
    """Return mean squared error of v."""
    (x0,) = batch
    level = draws.levels(len(x0)).to(x0.device)
    noise = draws.normal(x0)
    guess: Tensor = network(diffuse(x0, level, noise), level)
    error = (guess - velocity(x0, level, noise)).pow(2)
    return Mean(error.mean(), error.numel())


def pitch_classes(notes: list[Note]) -> NDArray[np.float64]:
    """Return share of each pitch class among the onsets, [12]; nothing where there are none."""
    counts = np.bincount([n.pitch % 12 for n in notes], minlength=12) if notes else np.zeros(12)
    return np.asarray(counts / max(counts.sum(), 1))


def histogram_distance(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Total variation of two histograms: 0 the same, 1 nothing in common."""
    return float(np.abs(ours - theirs).sum() / 2)


def listen(network: nn.Module, held_out: object, seed: int) -> dict[str, float]:
    """Return the document's log: pitch-class-histogram distance of one sample to one real sequence.

    Also its notes, its time shifts as a share of the sequence, and its faults.
    """
    assert isinstance(held_out, Sequences)
    length = held_out.length
    generator = torch.Generator().manual_seed(seed)
    nothing = torch.zeros(1, 1, length, device=next(network.parameters()).device)
    with torch.inference_mode():
        made = reverse(network, nothing, nothing, Walk(_LISTEN_CALLS), generator)
    numbers = unscaled(made[0, 0].cpu().numpy())
    notes, faults = from_numbers(numbers)
    real, _ = from_numbers(held_out.numbers(np.random.default_rng(seed)))
    return {
        "pitch_class_distance": histogram_distance(pitch_classes(notes), pitch_classes(real)),
        "notes": len(notes),
        "shifts": float((numbers == SHIFT).mean()),
        "faults": faults.total,
    }
