"""The harmony plan: which pitch classes and which bass sound in each beat. Read off a roll.

A plan is a binary roll on a grid of beats: 24 rows, column t a beat.

    row c       pitch class c of the accompaniment sounds for a quarter of the beat or more,
                all octaves together
    row 12 + c  c is the class of the lowest pitch that by itself sounds that long

So a passing sixteenth counts and a grace note does not, and a beat in which nothing lasts is
empty. The lead does not count: it is given to the planner by itself (`lead_features`). Scriptable:
the exported sampler reads known chords off known notes. Shapes: B batch, P plane, K pitch, S step,
T beat (S / 24, the last one may be cut short).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

PLAN_ROWS = 24
_CLASSES = 12
LEAD_FEATURES = 4 * 2 * _CLASSES
"""Of a beat: sixteenth x plane x pitch class."""


def plan_of(cells: Tensor, low_pitch: int) -> Tensor:
    """Return the plan, 0/1 float [B, 24, T], of an accompaniment [B, P, K, S] of 0s and 1s.

    low_pitch: MIDI pitch of row 0.
    """
    batch, pitches = cells.shape[0], cells.shape[2]
    sounding = whole_beats(cells.amax(dim=1))  # [B, K, 24 T]
    return plan_of_steps(sounding.view(batch, pitches, -1, 24).sum(dim=3), low_pitch)


def plan_of_steps(steps: Tensor, low_pitch: int) -> Tensor:
    """Return the same from how many of a beat's 24 steps each pitch sounds, [B, K, T]."""
    pitches = steps.shape[1]
    fold = _fold(pitches, low_pitch, steps)
    chroma = (torch.einsum("bkt,kc->bct", steps, fold) >= 6.0).to(steps.dtype)
    lasting = (steps >= 6.0).to(steps.dtype)
    below = torch.cumsum(lasting, dim=1) - lasting
    lowest = lasting * (below < 0.5).to(steps.dtype)
    bass = torch.einsum("bkt,kc->bct", lowest, fold)
    return torch.cat([chroma, bass], dim=1)


def lead_features(cells: Tensor, low_pitch: int) -> Tensor:
    """Return what a planner is given of a lead [B, P, K, S]: 0/1 float [B, T, 96].

    For each sixteenth of a beat and each plane (onset, sustain), which pitch classes it holds.
    """
    batch, planes, pitches = cells.shape[0], cells.shape[1], cells.shape[2]
    x = whole_beats(cells).view(batch, planes, pitches, -1, 4, 6).amax(dim=5)  # [B, P, K, T, 4]
    classes = torch.einsum("bpktq,kc->btqpc", x, _fold(pitches, low_pitch, x))
    return (classes > 0.5).to(x.dtype).flatten(2)


def known_beats(mask: Tensor) -> Tensor:
    """1 where a beat is known throughout, [B, T]; mask: 1 where a step is known, [B, S]."""
    return whole_beats(mask).view(mask.shape[0], -1, 24).amin(dim=2)


def known_sixteenths(mask: Tensor) -> Tensor:
    """1 where a sixteenth is known throughout, [B, T, 4]; mask: 1 where a step is, [B, S]."""
    return whole_beats(mask).view(mask.shape[0], -1, 4, 6).amin(dim=3)


def whole_beats(x: Tensor) -> Tensor:
    """[.., S] filled up with zeros to whole beats of 24 steps."""
    return F.pad(x, [0, (24 - x.shape[-1] % 24) % 24])


def _fold(pitches: int, low_pitch: int, like: Tensor) -> Tensor:
    """1 where a pitch row is of a class, [K, 12]."""
    rows = torch.arange(pitches, device=like.device) + low_pitch
    classes = torch.arange(12, device=like.device)
    return (rows[:, None] % 12 == classes[None]).to(like.dtype)
