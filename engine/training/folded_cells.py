"""Folded cells, as the frame transformer has them inside, and what can be read off them.

B window, N token (a sixteenth), C channel (voice x plane x step of the token, 24), K pitch
T beat; cells are uint8 of 0s and 1s
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoisers.harmony import LEAD_FEATURES, plan_of_steps
from engine.denoisers.key_shift import key_of_classes, key_profiles
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, STEPS_PER_TOKEN

_PROFILES = key_profiles()


def folded(roll: Tensor) -> Tensor:
    """[B, 2, 2, K, S] to tokens [B, N, C, K]."""
    size, voices, planes, pitches, steps = roll.shape
    tokens = roll.view(size, voices * planes, pitches, steps // STEPS_PER_TOKEN, STEPS_PER_TOKEN)
    return tokens.permute(0, 3, 1, 4, 2).reshape(
        size, -1, voices * planes * STEPS_PER_TOKEN, pitches
    )


def plan_of_tokens(cells: Tensor) -> Tensor:
    """Return the plan [B, 24, T] of folded cells [B, N, C, K]."""
    size, tokens = cells.shape[:2]
    ours = cells.view(size, tokens, 2, 2, 6, PIANO.size)[:, :, ACCOMPANIMENT].amax(dim=2)
    steps = ours.float().sum(dim=2).view(size, tokens // 4, 4, -1).sum(dim=2)
    return plan_of_steps(steps.transpose(1, 2), PIANO.low)


def lead_of_tokens(cells: Tensor) -> Tensor:
    """Lead features [B, T, 96] of folded cells [B, N, C, K]."""
    size, tokens = cells.shape[:2]
    lead = cells.view(size, tokens, 2, 2, 6, PIANO.size)[:, :, LEAD].amax(dim=3).float()
    rows = torch.arange(PIANO.size, device=cells.device) + PIANO.low
    fold = (rows[:, None] % 12 == torch.arange(12, device=cells.device)).float()
    classes = (lead @ fold > 0.5).float()  # [B, N, 2, 12]
    return classes.view(size, tokens // 4, LEAD_FEATURES)


def texture_key(target: Tensor, context: Tensor, mask: Tensor) -> Tensor:
    """Return semitones to C, [B], from what is known (`denoisers.key_shift`); from all if nothing
    is.

    target, context: [B, N, 24, K]; mask: bool [B, 2, N].
    """
    voices = context.view(*context.shape[:2], 2, 12, -1).float().sum(dim=3)  # [B, N, 2, K]
    known = (voices * mask.transpose(1, 2)[..., None]).sum(dim=1)  # [B, 2, K]
    weights = known[:, LEAD] + 0.05 * known[:, ACCOMPANIMENT]
    nothing = weights.sum(dim=1, keepdim=True) < 0.01
    weights = torch.where(nothing, target.float().sum(dim=(1, 2)), weights)
    rows = torch.arange(PIANO.size, device=target.device) + PIANO.low
    fold = (rows[:, None] % 12 == torch.arange(12, device=target.device)).float()
    return key_of_classes(weights @ fold, _PROFILES)


def without_orphans(cells: Tensor) -> Tensor:
    """Folded cells without the accompaniment's sustains that no onset leads into."""
    size, tokens, _, pitches = cells.shape
    planes = cells.view(size, tokens, 4, 6, pitches).transpose(2, 3).reshape(size, -1, 4, pitches)
    onset, sustain = planes[:, :, 2] > 0, planes[:, :, 3] > 0
    step = torch.arange(tokens * 6, device=cells.device)[None, :, None]
    last = torch.where(sustain & ~onset, -1, step.expand_as(onset)).cummax(dim=1).values
    led = torch.gather(onset, 1, last.clamp_min(0)) | (last < 0)
    planes = planes.clone()
    planes[:, :, 3] = (sustain & ~onset & led).to(cells.dtype)
    return planes.view(size, tokens, 6, 4, pitches).transpose(2, 3).reshape(cells.shape)
