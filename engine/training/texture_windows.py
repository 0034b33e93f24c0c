"""Windows to train the texture on, drawn on the device: tasks, corruptions, plan; folded, in C."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.denoisers.key_shift import moved
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.requests.request import DENSITY_BUCKETS
from engine.training.device_windows import (
    DevicePack,
    DeviceWindows,
    alone,
    corrupted,
    mask_bank,
    roll_of,
    stuck,
    with_voices,
)
from engine.training.folded_cells import folded, plan_of_tokens, texture_key


@dataclass(slots=True)
class TextureBatch:
    """Folded windows in C: target and context uint8 [B, N, 24, K], mask [B, N, 2] (1 = known),
    phase and bar [B, N], style and density [B], plan [B, 24, T] as shown, planned [B, T]."""

    target: Tensor
    context: Tensor
    mask: Tensor
    phase: Tensor
    bar: Tensor
    style: Tensor
    density: Tensor
    plan: Tensor
    planned: Tensor


class TextureMusic:
    """Draws texture batches of one split."""

    def __init__(self, pack: DevicePack, seed: int, lengths: tuple[int, ...] = (8, 16, 32)) -> None:
        self.pack = pack
        self.masks = {
            beats: torch.from_numpy(mask_bank(beats, seed)).to(pack.device) for beats in lengths
        }

    def batch(
        self,
        size: int,
        beats: int,
        generator: torch.Generator,
        mask: Tensor | None = None,
        augment: float = 1.0,
    ) -> TextureBatch:
        """Random windows, tasks and corruptions. mask bool [B, 2, N]: where not at random.
        augment 0: no transposition, no corruptions."""
        pack, device = self.pack, self.pack.device

        def rand(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=device)

        windows = pack.random(size, beats, generator)
        notes = with_voices(pack.notes(windows), rand(size) < 0.6, rand(size) < 0.06)
        notes.pitch = notes.pitch + ((rand(size) * 13).long() - 6)[notes.window] * int(augment)
        steps = beats * 24
        context_notes = corrupted(notes, size, steps, generator) if augment else notes
        target, context = roll_of(notes, size, steps), roll_of(context_notes, size, steps)
        if augment:
            context = stuck(context, rand(size) < 0.1, generator)
        if mask is None:
            mask = self.masks[beats][(rand(size) * len(self.masks[beats])).long()]
        asked = mask[:, LEAD].all(dim=1) & ~mask[:, ACCOMPANIMENT].any(dim=1)
        lone = (asked & (rand(size) < 0.4))[:, None, None, None, None] & (augment > 0)
        merged = alone(target)
        target, context = torch.where(lone, merged, target), torch.where(lone, merged, context)
        return self._in_c(folded(target), folded(context), mask, windows, generator)

    def _in_c(
        self,
        target: Tensor,
        context: Tensor,
        mask: Tensor,
        windows: DeviceWindows,
        generator: torch.Generator,
    ) -> TextureBatch:
        size, tokens, device = target.shape[0], target.shape[1], target.device

        def rand(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=device)

        shift = texture_key(target, context, mask)
        target, context = (moved(x, shift, 0) for x in (target, context))
        free = ~mask[:, ACCOMPANIMENT]  # [B, N]
        onsets = target[:, :, 12:18].sum(dim=(2, 3)) * free
        per_beat = onsets.sum(dim=1) / (free.sum(dim=1) / 4).clamp_min(0.25)
        bucket = 1 + (3 * torch.log2(1 + per_beat)).round().clamp(0, DENSITY_BUCKETS - 1).long()
        plan = plan_of_tokens(target)
        mode, beats = rand(size, 1), tokens // 4
        until = (rand(size, 1) * beats).long()
        beat = torch.arange(beats, device=device)[None]
        planned = (mode >= 0.15) & ((mode >= 0.40) | (beat < until))
        shown = torch.where(rand(*plan.shape) < 0.02, 1.0 - plan, plan) * planned[:, None]
        first = windows.phase.repeat_interleave(4, dim=1)
        bar = windows.bar.repeat_interleave(4, dim=1)
        sixteenth = 6 * (torch.arange(tokens, device=device) % 4)
        return TextureBatch(
            target,
            context,
            mask.transpose(1, 2).float(),
            (first + sixteenth) % bar.clamp_min(1),
            bar,
            windows.style * (rand(size) < 0.85),
            bucket * ((rand(size) < 0.6) & free.any(dim=1)),
            shown,
            planned.float(),
        )


def texture_prior(music: TextureMusic, generator: torch.Generator) -> Tensor:
    """Return mean density of each channel as [1, 1, 24, 1], equal within a voice and plane."""
    batch = music.batch(512, 8, generator, augment=0.0)
    planes = batch.target.float().mean(dim=(0, 1, 3)).view(4, 6).mean(dim=1)
    return planes.repeat_interleave(6).view(1, 1, 24, 1)
