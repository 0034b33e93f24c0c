"""The paper's denoiser: a U-Net over the whole piano-roll (Atassi 2023, section 5 and figure 2).

One voice and one plane of 56 pitches x 384 steps; every level halves both axes with a convolution
of stride 2; nearest-neighbour upsampling; skips are stacked on; one filter in the last layer. It
is given neither the time nor which cells are known: those are written over the noise, as the paper
does. What the paper leaves open, and our choice: the widths (64, 128, 256, 512), 3x3 kernels, two
convolutions a level, group normalisation and SiLU, a sigmoid on the output.

    B batch, K pitch (a multiple of 8), S step (a multiple of 8), C channels of a level
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoisers.inputs import Denoiser, Inputs
from engine.music.grid import PAPER
from engine.network_sizes import SizeRule, SizeRules, exactly

_GROUPS = 8


@dataclass(frozen=True)
class PaperUnetConfig:
    """Channels of each level, finest first. The default has 11.7 M parameters."""

    full: int = 64
    half: int = 128
    quarter: int = 256
    eighth: int = 512
    pitches: int = 56

    rules: ClassVar[SizeRules] = {
        **dict.fromkeys(
            ("full", "half", "quarter", "eighth"), SizeRule(multiple=_GROUPS, free_below=_GROUPS)
        ),
        "pitches": exactly(PAPER.size),
    }


def _level(channels_in: int, channels: int) -> nn.Sequential:
    """Two convolutions that keep the size."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1),
        nn.GroupNorm(min(_GROUPS, channels), channels),
        nn.SiLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.GroupNorm(min(_GROUPS, channels), channels),
        nn.SiLU(),
    )


class PaperUnet(Denoiser):
    """Noisy roll with the known cells written over it, to logits of x0."""

    def __init__(self, config: PaperUnetConfig) -> None:
        super().__init__()
        self.config = config
        full, half, quarter, eighth = config.full, config.half, config.quarter, config.eighth
        self.down_1 = _level(1, full)
        self.shrink_1 = nn.Conv2d(full, half, 3, stride=2, padding=1)
        self.down_2 = _level(half, half)
        self.shrink_2 = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.down_3 = _level(quarter, quarter)
        self.shrink_3 = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.bottom = _level(eighth, eighth)
        self.narrow_3 = nn.Conv2d(eighth, quarter, 3, padding=1)
        self.up_3 = _level(2 * quarter, quarter)
        self.narrow_2 = nn.Conv2d(quarter, half, 3, padding=1)
        self.up_2 = _level(2 * half, half)
        self.narrow_1 = nn.Conv2d(half, full, 3, padding=1)
        self.up_1 = _level(2 * full, full)
        self.out = nn.Conv2d(full, 1, 3, padding=1)
        # Most cells are silent; not so far down that the L2 loss has no slope there.
        nn.init.constant_(self.out.bias, -2.0)  # type: ignore[arg-type]

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits of x0, [B, 1, 1, K, S]; of the inputs only `noisy` and `known` are used.

        noisy: 0/1 cells, zero where known. known: 0/1 cells, zero where free. Both
        [B, 1, 1, K, S].
        """
        fine = self.down_1((inputs.noisy + inputs.known).flatten(0, 2)[:, None])
        half = self.down_2(self.shrink_1(fine))
        quarter = self.down_3(self.shrink_2(half))
        h = self.bottom(self.shrink_3(quarter))
        h = self.up_3(torch.cat([quarter, self.narrow_3(_twice(h))], dim=1))
        h = self.up_2(torch.cat([half, self.narrow_2(_twice(h))], dim=1))
        h = self.up_1(torch.cat([fine, self.narrow_1(_twice(h))], dim=1))
        out: Tensor = self.out(h)[:, :, None]
        return out


def _twice(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling of both axes."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
