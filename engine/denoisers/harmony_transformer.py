"""The denoiser of the harmony plan: a transformer across beats.

It hears the noisy plan, the cells of it that are known, the lead as pitch classes, and where in
the bar each beat lies; it hears all of it in one key, as the texture network does. Shapes:

    B batch, T beat, D width; a plan is [B, 24, T] (engine.denoisers.harmony)
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.denoisers.frame_transformer import Block, rotary, waves
from engine.denoisers.harmony import LEAD_FEATURES, PLAN_ROWS
from engine.denoisers.key_shift import key_of_classes, key_profiles, turned

_LONGEST_BAR_TOKENS = 64


@dataclass(frozen=True)
class HarmonyTransformerConfig:
    """Sizes of the network; the default has about 1.3 M parameters."""

    width: int = 144
    layers: int = 5
    heads: int = 4
    condition_width: int = 32
    styles: int = 5
    dropout_percent: int = 10  # of what each attention and MLP adds, in training


class HarmonyTransformer(nn.Module):
    """Noisy plan, known plan, lead, meter and style to logits of the clean plan."""

    profiles: list[float]

    def __init__(self, config: HarmonyTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.rotary_half = width // config.heads // 2
        self.embed = nn.Linear(3 * PLAN_ROWS + LEAD_FEATURES + 4, width)
        self.phase = nn.Embedding(_LONGEST_BAR_TOKENS, width)
        self.bar = nn.Embedding(_LONGEST_BAR_TOKENS + 1, width)
        self.style = nn.Embedding(config.styles, config.condition_width)
        self.time = nn.Sequential(
            nn.Linear(32, config.condition_width),
            nn.SiLU(),
            nn.Linear(config.condition_width, config.condition_width),
        )
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, PLAN_ROWS)
        self.profiles = key_profiles()
        nn.init.constant_(self.out.bias, -1.0)
        for block in self.blocks:
            nn.init.zeros_(block.film.weight)  # type: ignore[union-attr, arg-type]
            nn.init.zeros_(block.film.bias)  # type: ignore[union-attr, arg-type]
        nn.init.normal_(self.phase.weight, std=0.02)
        nn.init.normal_(self.bar.weight, std=0.02)

    def forward(
        self,
        noisy: Tensor,
        known: Tensor,
        mask: Tensor,
        lead: Tensor,
        lead_known: Tensor,
        level: Tensor,
        phase: Tensor,
        bar: Tensor,
        style: Tensor,
    ) -> Tensor:
        """Logits of the clean plan, [B, 24, T].

        noisy: 0/1, zero where known. known: 0/1, zero where free. mask: 1 where known. Those three
        [B, 24, T]. lead: `harmony.lead_features` [B, T, 96], zero where unknown. lead_known: 1
        where a sixteenth of it is known [B, T, 4]. level [B]: noise level 0..1. phase, bar [B, T]:
        steps since the bar line and bar length at each beat's first step. style [B]: 0 = any.
        """
        classes = lead.view(lead.shape[0], -1, 12).sum(dim=1) / 4.0
        # Known chords weigh little against the melody: live they are our own.
        classes = classes + 0.05 * known[:, :12].sum(dim=2)
        shift = key_of_classes(classes, self.profiles)
        logits = self.in_c(
            turned(noisy, shift),
            turned(known, shift),
            mask,
            turned_lead(lead, shift),
            lead_known,
            level,
            phase,
            bar,
            style,
        )
        return turned(logits, -shift)

    def in_c(
        self,
        noisy: Tensor,
        known: Tensor,
        mask: Tensor,
        lead: Tensor,
        lead_known: Tensor,
        level: Tensor,
        phase: Tensor,
        bar: Tensor,
        style: Tensor,
    ) -> Tensor:
        """The same for music that is in C major or A minor already."""
        cells = torch.cat([noisy, known, mask], dim=1).transpose(1, 2)  # [B, T, 72]
        h = self.embed(torch.cat([cells, lead, lead_known], dim=2))
        h = h + self.phase((phase // 6).clamp(0, 63)) + self.bar((bar // 6).clamp(0, 64))
        condition = self.time(waves(level)) + self.style(style)
        cos, sin = rotary(h.shape[1], self.rotary_half, h)
        for block in self.blocks:
            h = block(h, condition, cos, sin)
        logits: Tensor = self.out(self.norm(h)).transpose(1, 2)
        return logits


def turned_lead(lead: Tensor, shift: Tensor) -> Tensor:
    """Lead features [B, T, 96] with their pitch classes `shift` [B] semitones higher."""
    classes = lead.view(lead.shape[0], -1, 12).transpose(1, 2)  # [B, 12, 8 T]
    row = (torch.arange(12, device=lead.device)[None] - shift[:, None]) % 12
    moved = torch.gather(classes, 1, row[:, :, None].expand(classes.shape))
    return moved.transpose(1, 2).reshape(lead.shape)
