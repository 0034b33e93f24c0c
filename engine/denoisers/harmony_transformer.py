"""The denoiser of the harmony plan: a transformer across beats.

It is given the noisy plan and `HarmonyInputs`, and sees all of it in one key, as the network of
the notes does. Shapes:

    B batch, T beat, D width; a plan is [B, 24, T] (engine.denoisers.harmony)
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from engine.denoisers.harmony import LEAD_FEATURES, PLAN_ROWS
from engine.denoisers.inputs import HarmonyInputs
from engine.denoisers.key_shift import key_of_classes, key_profiles, turned
from engine.denoisers.transformer import Block, level_waves, rotary
from engine.network_sizes import SHARE_PERCENT, SizeRule, SizeRules
from engine.requests.request import STYLES

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

    rules: ClassVar[SizeRules] = {
        "width": SizeRule(multiple=2, per="heads"),  # rotary positions turn pairs of channels
        "styles": SizeRule(len(STYLES)),
        "dropout_percent": SHARE_PERCENT,
    }


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
        nn.init.normal_(self.phase.weight, std=0.02)
        nn.init.normal_(self.bar.weight, std=0.02)

    def forward(self, noisy: Tensor, level: Tensor, inputs: HarmonyInputs) -> Tensor:
        """Return logits of the clean plan, [B, 24, T].

        noisy [B, 24, T]: 0/1, zero where known. level [B]: noise level 0..1.
        """
        shift = key_of_classes(plan_classes(inputs.lead, inputs.known), self.profiles)
        logits = self.in_c(turned(noisy, shift), level, _turned_inputs(inputs, shift))
        return turned(logits, -shift)

    def in_c(self, noisy: Tensor, level: Tensor, inputs: HarmonyInputs) -> Tensor:
        """Return the same for music that is in C major or A minor already."""
        cells = torch.cat([noisy, inputs.known, inputs.mask], dim=1).transpose(1, 2)  # [B, T, 72]
        h = self.embed(torch.cat([cells, inputs.lead, inputs.lead_known], dim=2))
        h = h + self.phase((inputs.phase // 6).clamp(0, 63))
        h = h + self.bar((inputs.bar // 6).clamp(0, 64))
        condition = self.time(level_waves(level)) + self.style(inputs.style)
        cos, sin = rotary(h.shape[1], self.rotary_half, h)
        for block in self.blocks:
            h = block(h, condition, cos, sin)
        logits: Tensor = self.out(self.norm(h)).transpose(1, 2)
        return logits


def plan_classes(lead: Tensor, known: Tensor) -> Tensor:
    """Return how much each pitch class is heard, [B, 12], to find the key by.

    Known chords weigh little against the melody: live they are our own.
    """
    return lead.view(lead.shape[0], -1, 12).sum(dim=1) / 4.0 + 0.05 * known[:, :12].sum(dim=2)


def _turned_inputs(inputs: HarmonyInputs, shift: Tensor) -> HarmonyInputs:
    """Return the inputs `shift` [B] semitones higher."""
    return HarmonyInputs(
        turned(inputs.known, shift),
        inputs.mask,
        turned_lead(inputs.lead, shift),
        inputs.lead_known,
        inputs.phase,
        inputs.bar,
        inputs.style,
    )


def turned_lead(lead: Tensor, shift: Tensor) -> Tensor:
    """Lead features [B, T, 96] with their pitch classes `shift` [B] semitones higher."""
    classes = lead.view(lead.shape[0], -1, 12).transpose(1, 2)  # [B, 12, 8 T]
    row = (torch.arange(12, device=lead.device)[None] - shift[:, None]) % 12
    moved = torch.gather(classes, 1, row[:, :, None].expand(classes.shape))
    return moved.transpose(1, 2).reshape(lead.shape)
