"""Note images to learn from: the windows that `train` draws, as images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.music.grid import STEPS_PER_BEAT, STEPS_PER_TOKEN
from engine.systems.common.image import image_of
from engine.training.dataset import Pack
from engine.training.feed import make_windows

_TOKENS = STEPS_PER_BEAT // STEPS_PER_TOKEN


class Images:
    """Windows of one split, `beats` long; transposed in training."""

    def __init__(self, pack: Pack, split: int, beats: int) -> None:
        self.windows = make_windows(pack, split, 0)
        self.beats, self.augment = beats, float(split == 0)

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """(images, known, place, style, density).

        images: 0/1 [B, 2, 2, 88, 8 T]. known: 0/1 [B, 2, T], beats a task knows of each voice.
        place: int64 [B, T, 2], beats since the bar line and beats in the bar, whole ones.
        style, density: int64 [B] as `Batch` has them.
        """
        self.windows.rng = rng
        batch = self.windows.batch(size, self.beats, self.augment)
        known = batch.mask.reshape(size, 2, self.beats, STEPS_PER_BEAT).all(axis=3)
        place = np.stack([batch.phase[:, ::_TOKENS], batch.bar[:, ::_TOKENS]], axis=2)
        return (
            torch.from_numpy(image_of(batch.target)).float(),
            torch.from_numpy(known).float(),
            torch.from_numpy(place // STEPS_PER_BEAT),
            torch.from_numpy(np.asarray(batch.style)),
            torch.from_numpy(np.asarray(batch.density)),
        )

    def facts(self) -> dict[str, float]:
        """sounding: share of the cells of 100 windows' images that sound."""
        images, *_ = self.batch(100, np.random.default_rng(0))
        return {"sounding": float(images.mean())}
