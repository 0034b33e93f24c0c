"""How much of the true harmony plan a network is shown in training: all, a part, or nothing.

Live a plan reaches only so far, and a drawn one is not the composer's. So a share of the windows
is shown none, another one up to a random beat, and single cells are wrong.
"""

from __future__ import annotations

import torch
from torch import Tensor

UNTOLD, CUT, FLIPPED = 0.15, 0.25, 0.02
"""Share of windows shown nothing, of those shown up to a random beat; share of wrong cells."""


def shown_in_part(plan: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`plan` and `planned` of `Inputs` from true plans [B, 24, T]; `generator` decides."""
    size, _, beats = plan.shape
    device = plan.device
    mode, place = torch.rand(2, size, 1, generator=generator, device=device)
    before = torch.arange(beats, device=device)[None] < (place * beats).long()
    planned = (mode >= UNTOLD) & ((mode >= UNTOLD + CUT) | before)  # [B, T]
    flipped = torch.rand(plan.shape, generator=generator, device=device) < FLIPPED
    shown = torch.where(flipped, 1.0 - plan, plan) * planned[:, None]
    return shown, planned.to(plan.dtype)
