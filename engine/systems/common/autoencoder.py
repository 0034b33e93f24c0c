"""The encoder-decoder of note images: eight pitches and one beat to a few numbers, and back.

Deterministic, as Kumawat's document wants it, and downsampling by 8, as Ziko and Munim's has it.
Both documents take theirs ready-made; ours is learned with the rest. A voice's image goes in by
itself, so that a melody has a code of its own. A little noise on the codes in training keeps near
codes near in sound.

Each number of a code has mean 0 and standard deviation 1 over the music (`standard`); both
are running moments of the training, as in batch normalisation.

    B batch, Z numbers a place, R rows of eight pitches (11), T beats
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.music.grid import PIANO
from engine.systems.common.draws import Draws, Mean
from engine.systems.common.standard import Standard

SIZE = 8
"""Pitches and columns of a place; 8 columns are a beat."""
ROWS = PIANO.size // SIZE
LARGEST = 5.0
"""No number of a code is further from 0, of those that music has."""
_NOISE = 0.2
_RENEWED = 0.02
"""Share of the running moments that a batch replaces."""
_RARE = 4.0
"""How much a cell that sounds weighs beside one that does not; few do."""
EVEN = _RARE / (_RARE + 1.0)
"""What the decoder, so weighed, says of a cell that sounds as likely as not."""


class Mix(nn.Module):
    """Neighbours by a depthwise convolution, then each place by itself (ConvNeXt, Liu 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.wide, self.narrow = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, R, T]."""
        out: Tensor = x + self.narrow(F.gelu(self.wide(self.norm(self.near(x)))))
        return out


class Coder(nn.Module):
    """Image to code and back."""

    def __init__(self, width: int, numbers: int) -> None:
        super().__init__()
        cells = 2 * SIZE * SIZE
        self.enter = nn.Conv2d(2, width, SIZE, stride=SIZE)
        self.encoder = nn.Sequential(Mix(width), Mix(width), nn.Conv2d(width, numbers, 1))
        self.decoder = nn.Sequential(
            nn.Conv2d(numbers, width, 1), Mix(width), Mix(width), nn.Conv2d(width, cells, 1)
        )
        bias = self.decoder[-1].bias
        assert isinstance(bias, nn.Parameter)
        nn.init.constant_(bias, -3.0)
        self.standard = Standard(numbers)

    def encode(self, image: Tensor) -> Tensor:
        """0/1 [B, 2, 88, 8 T] to codes [B, Z, R, T]."""
        code: Tensor = self.standard(self.numbers(image))
        return code

    def numbers(self, image: Tensor) -> Tensor:
        """Return the same codes before they are standard, in -1..1."""
        return torch.tanh(self.encoder(self.enter(image)))

    def decode(self, code: Tensor) -> Tensor:
        """Codes to logits [B, 2, 88, 8 T]."""
        cells = self.decoder(self.standard.back(code))
        parts = cells.unflatten(1, (2, SIZE, SIZE)).permute(0, 1, 4, 2, 5, 3)
        out: Tensor = parts.flatten(4, 5).flatten(2, 3)
        return out


def coder_loss(coder: Coder, image: Tensor, draws: Draws) -> Mean:
    """Cross-entropy of the cells of an image that went through its code, per place; the coder's
    moments follow."""
    numbers = coder.numbers(image)
    coder.standard.note(numbers, _RENEWED, draws.together)
    code: Tensor = coder.standard(numbers)
    logits = coder.decode(code + _NOISE * draws.normal(code))
    weight = 1.0 + (_RARE - 1.0) * image
    cells: Tensor = F.binary_cross_entropy_with_logits(
        logits, image, weight=weight, reduction="sum"
    )
    places = code.shape[0] * code.shape[2] * code.shape[3]
    return Mean(cells / places, places)
