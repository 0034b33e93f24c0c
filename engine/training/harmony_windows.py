"""Harmony plans to train on: read off all music once, drawn on the device, known in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.denoisers.harmony import LEAD_FEATURES, PLAN_ROWS
from engine.denoisers.harmony_transformer import plan_classes, turned_lead
from engine.denoisers.inputs import HarmonyInputs
from engine.denoisers.key_shift import key_of_classes, key_profiles, turned
from engine.training.device_windows import DevicePack, roll_of, with_voices
from engine.training.folded_cells import folded, lead_of_tokens, plan_of_tokens

_PROFILES = key_profiles()
_STRANGE_SHARE = 0.2
"""Of the windows whose known chords the planner played: so many have those of another window."""


@dataclass(slots=True)
class HarmonyBatch:
    """plan [B, 24, T], lead [B, T, 96], phase and bar [B, T], style [B]."""

    plan: Tensor
    lead: Tensor
    phase: Tensor
    bar: Tensor
    style: Tensor


class HarmonyMusic:
    """Plan and lead features of every beat of a split, twice: the top line of music without a
    known melody once as the lead, once as accompaniment. Then 64 empty beats a piece."""

    def __init__(self, pack: DevicePack, chunk: int = 256) -> None:
        self.pack = pack
        device = pack.device
        rows = int(pack.first_row[-1])
        self.plan = torch.zeros(2, rows, PLAN_ROWS, dtype=torch.uint8, device=device)
        self.lead = torch.zeros(2, rows, LEAD_FEATURES, dtype=torch.uint8, device=device)
        pieces, firsts = [], []
        for piece in pack.pieces:
            count = -(-int(pack.beats[piece]) // 32)
            pieces += [int(piece)] * count
            firsts += [32 * i for i in range(count)]
        for start in range(0, len(pieces), chunk):
            here = slice(start, start + chunk)
            self._fill(*(torch.tensor(x[here], device=device) for x in (pieces, firsts)))

    def _fill(self, piece: Tensor, first: Tensor) -> None:
        size = len(piece)
        windows = self.pack.at(piece, first, 32)
        rows = self.pack.first_row_of[piece][:, None] + first[:, None]
        rows = rows + torch.arange(32, device=piece.device)
        inside = (
            first[:, None] + torch.arange(32, device=piece.device) < self.pack.beats[piece][:, None]
        )
        for index, leads in enumerate((True, False)):
            chosen = torch.full((size,), leads, device=piece.device)
            notes = with_voices(self.pack.notes(windows), chosen, ~(chosen | ~chosen))
            cells = folded(roll_of(notes, size, 32 * 24))
            self.plan[index, rows[inside]] = (
                plan_of_tokens(cells).transpose(1, 2)[inside].to(torch.uint8)
            )
            self.lead[index, rows[inside]] = lead_of_tokens(cells)[inside].to(torch.uint8)

    def batch(self, size: int, beats: int, generator: torch.Generator) -> HarmonyBatch:
        """Random windows in their own keys, nothing known yet."""
        windows = self.pack.random(size, beats, generator)
        device = self.pack.device
        which = (torch.rand(size, generator=generator, device=device) < 0.4).long()
        rows = self.pack.first_row_of[windows.piece][:, None] + windows.first_beat[:, None]
        rows = rows + torch.arange(beats, device=device)
        last = self.pack.first_row_of[windows.piece + 1][:, None] - 1
        rows = torch.minimum(rows, last)
        plan = self.plan[which[:, None], rows].float().transpose(1, 2)
        lead = self.lead[which[:, None], rows].float()
        return HarmonyBatch(plan, lead, windows.phase, windows.bar, windows.style)


@dataclass(frozen=True, slots=True)
class HarmonyTask:
    """What is known: of the plan, mask [B, 24, T], and of the lead, lead_known [B, T, 4]. played:
    where the known chords are those that the planner itself would have played, [B]."""

    mask: Tensor
    lead_known: Tensor
    played: Tensor


def harmony_task(
    size: int, beats: int, generator: torch.Generator, device: torch.device
) -> HarmonyTask:
    """Draw tasks as they come live and in files: all of the lead and no chord, the past and a
    horizon, random chords given, nothing."""

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    choice, beat = rand(size, 1), torch.arange(beats, device=device)[None]
    sixteenth = torch.arange(4 * beats, device=device)[None]
    now = (rand(size, 1) * 0.9 * 4 * beats).long()
    horizon = now // 4 + (rand(size, 1) * 5).long()
    memory = torch.where(rand(size, 1) < 0.5, (rand(size, 1) * 9).long(), beats)
    past = (beat < horizon) & (beat >= horizon - memory)
    place = now // 4
    given = rand(size, beats) < rand(size, 1) * 0.5
    whole = choice < 0.35
    anticipate = (choice >= 0.35) & (choice < 0.72)
    onwards = (choice >= 0.72) & (choice < 0.80)
    goes_on = (choice >= 0.80) & (choice < 0.87)
    chords = (choice >= 0.87) & (choice < 0.95)
    lead = (
        whole
        | onwards
        | chords
        | (anticipate & (sixteenth < now))
        | (goes_on & (sixteenth < 4 * place))
    )
    plan = (anticipate & past) | ((onwards | goes_on) & (beat < place)) | (chords & given)
    mask = plan[:, None].expand(size, PLAN_ROWS, beats).clone()
    no_bass = chords & (rand(size, 1) < 0.5)
    mask[:, 12:] &= ~no_bass[:, :, None]
    return HarmonyTask(
        mask.float(), lead.view(size, beats, 4).float(), (anticipate | onwards)[:, 0]
    )


class HarmonyExample(NamedTuple):
    """What the network learns from: the plan it is to find [B, 24, T], and what it is given. In C
    major or A minor."""

    plan: Tensor
    inputs: HarmonyInputs


def harmony_example(
    batch: HarmonyBatch, generator: torch.Generator, own: Tensor | None = None
) -> HarmonyExample:
    """Draw what is known of each window, and move all of it to C.

    Live the known chords are the planner's own, and it is to hear the lead rather than repeat
    what it played wrongly. So where they would be its own they are now and then what it drew
    (`own`, in the keys of the batch), or those of another window.
    """
    size, _, beats = batch.plan.shape
    device = batch.plan.device
    task = harmony_task(size, beats, generator, device)
    lead = batch.lead * task.lead_known.repeat_interleave(24, dim=2)
    shown = batch.plan
    if own is not None:
        shown = torch.where(task.played[:, None, None], own, shown)
    flips = torch.rand(shown.shape, generator=generator, device=device) < 0.03
    flipped = torch.rand(size, 1, 1, generator=generator, device=device) < 0.3
    known = torch.where(flips & flipped, 1.0 - shown, shown) * task.mask
    classes = plan_classes(lead, known)
    nothing = classes.sum(dim=1, keepdim=True) < 0.01
    classes = torch.where(nothing, batch.plan[:, :12].sum(dim=2), classes)
    shift = key_of_classes(classes, _PROFILES)
    styled = torch.rand(size, generator=generator, device=device) < 0.85
    plan = turned(batch.plan, shift)
    strange = torch.rand(size, generator=generator, device=device) < _STRANGE_SHARE
    strange = (strange & task.played)[:, None, None]
    known = torch.where(strange, plan.roll(1, dims=0) * task.mask, turned(known, shift))
    inputs = HarmonyInputs(
        known,
        task.mask,
        turned_lead(lead, shift),
        task.lead_known,
        batch.phase,
        batch.bar,
        batch.style * styled,
    )
    return HarmonyExample(plan, inputs)
