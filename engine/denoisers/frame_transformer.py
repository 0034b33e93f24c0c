"""The default denoiser: a transformer across time whose tokens are whole sixteenths.

Six steps fold into one token (a sixteenth), so 24 steps a beat stay but the trunk runs on four
tokens a beat; with `beat_layers` its middle runs on one, a whole beat. A convolution across pitch
around the trunk learned more per window, but less per minute on a CPU, and cost twice the time to
play (docs/training.md). Shapes:

    B batch, V voice (2), P plane (2), K pitch (88), S step, N token (S / 6), D width
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoisers.harmony import PLAN_ROWS
from engine.denoisers.inputs import Context, Denoiser, Inputs
from engine.denoisers.key_shift import key_profiles, key_shift, moved, turned
from engine.denoisers.transformer import BeatBlocks, BeatSizes, Block, level_waves, rotary
from engine.music.grid import PIANO, STEPS_PER_BEAT, STEPS_PER_TOKEN
from engine.network_sizes import SHARE_PERCENT, SWITCH, SizeRule, SizeRules, exactly
from engine.requests.request import DENSITY_BUCKETS, STYLES

_CHANNELS = 4 * STEPS_PER_TOKEN  # voice x plane x step of a token, for one pitch
_LONGEST_BAR_TOKENS = 64


@dataclass(frozen=True)
class FrameTransformerConfig:
    """Sizes of the network; the default has about 6.8 M parameters."""

    width: int = 256
    layers: int = 6  # blocks on sixteenths
    heads: int = 4
    condition_width: int = 64
    styles: int = 5
    pitches: int = 88
    in_key: int = 1  # 1 = every window is moved to C major or A minor
    plan: int = 1  # 1 = conditioned on a harmony plan (engine.denoisers.harmony)
    dropout_percent: int = 0  # of what each attention and MLP adds, in training
    beat_layers: int = 0  # blocks on whole beats amid them: an hourglass; 0 = none
    beat_width: int = 320  # of a beat's token
    beat_heads: int = 5  # attention heads there

    rules: ClassVar[SizeRules] = {
        "width": SizeRule(multiple=2, per="heads"),  # rotary positions turn pairs of channels
        "styles": SizeRule(len(STYLES)),
        "pitches": exactly(PIANO.size),
        "in_key": SWITCH,
        "plan": SWITCH,
        "dropout_percent": SHARE_PERCENT,
        "beat_layers": SizeRule(0),
        "beat_width": SizeRule(multiple=2, per="beat_heads"),
    }

    def of_beats(self) -> BeatSizes:
        """Return the sizes of the blocks on beats."""
        return BeatSizes(
            width=self.beat_width,
            heads=self.beat_heads,
            condition_width=self.condition_width,
            dropout_percent=self.dropout_percent,
            layers=self.beat_layers,
            tokens=STEPS_PER_BEAT // STEPS_PER_TOKEN,
        )


class FrameTransformer(Denoiser):
    """All of `Inputs` to logits of x0."""

    profiles: list[float]

    def __init__(self, config: FrameTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.pitches, self.low_pitch = config.pitches, PIANO.low
        self.noisy_cells = _CHANNELS * config.pitches  # of a token
        self.rotary_half = width // config.heads // 2
        self.embed = nn.Linear(2 * _CHANNELS * config.pitches + _CHANNELS, width)
        self.phase = nn.Embedding(_LONGEST_BAR_TOKENS, width)
        self.bar = nn.Embedding(_LONGEST_BAR_TOKENS + 1, width)
        self.style = nn.Embedding(config.styles, config.condition_width)
        self.density = nn.Embedding(DENSITY_BUCKETS + 1, config.condition_width)
        self.time = nn.Sequential(
            nn.Linear(32, config.condition_width),
            nn.SiLU(),
            nn.Linear(config.condition_width, config.condition_width),
        )
        blocks: list[nn.Module] = [Block(config) for _ in range(config.layers)]
        if config.beat_layers:
            blocks.insert(config.layers // 2, BeatBlocks(width, config.of_beats()))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, _CHANNELS * config.pitches)
        self.in_key, self.planning = bool(config.in_key), bool(config.plan)
        self.plan = nn.Linear(PLAN_ROWS + 1, width) if config.plan else nn.Identity()
        # Numbers, not a buffer: weights are stored in half, and keys must not change with that.
        self.profiles = key_profiles()
        # Most cells are silent: without this the first thousand steps only learn that.
        nn.init.constant_(self.out.bias, -4.0)
        if isinstance(self.plan, nn.Linear):  # untold, the network plays as without a plan
            nn.init.zeros_(self.plan.weight)
            nn.init.zeros_(self.plan.bias)
        nn.init.normal_(self.phase.weight, std=0.02)
        nn.init.normal_(self.bar.weight, std=0.02)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits of x0, [B, V, P, K, S]."""
        return self.denoise(inputs.noisy, inputs.level, self.encode(inputs))

    def encode(self, inputs: Inputs) -> Context:
        """Return the key, and what known cells, mask, meter and plan bring to the tokens."""
        shift = torch.zeros_like(inputs.style)
        cells, plan = self.fold(inputs.known), inputs.plan  # [B, N, C, K]
        if self.in_key:
            shift = key_shift(inputs.known, self.profiles, self.low_pitch)
            cells, plan = moved(cells, shift, 0.0), turned(plan, shift)
        mask_share = self.fold(inputs.mask).mean(dim=-1)  # [B, N, C]
        features = self._token_features(
            cells, mask_share, inputs.phase, inputs.bar, plan, inputs.planned
        )
        condition = self.style(inputs.style) + self.density(inputs.density)
        return Context(inputs, features, condition, shift)

    def denoise(self, noisy: Tensor, level: Tensor, context: Context) -> Tensor:
        """Return logits of x0, [B, V, P, K, S]."""
        cells = self.fold(noisy)
        if self.in_key:
            cells = moved(cells, context.shift, 0.0)
        logits = self._trunk(cells, level, context.tokens, context.condition)
        if self.in_key:
            logits = moved(logits, -context.shift, -10.0)  # never
        return self._unfold(logits, noisy.shape[0])

    def tokens(
        self,
        cells: Tensor,
        mask_share: Tensor,
        level: Tensor,
        phase: Tensor,
        bar: Tensor,
        style: Tensor,
        density: Tensor,
        plan: Tensor,
        planned: Tensor,
    ) -> Tensor:
        """Return logits of x0 by token, [B, N, C, K], of music that is folded and in its key
        already.

        cells: noisy and known ones, folded, [B, N, 2C, K]. mask_share: share of known cells of
        each channel, [B, N, C]. The others as in `Inputs`.
        """
        noisy, known = cells.chunk(2, dim=2)
        features = self._token_features(known, mask_share, phase, bar, plan, planned)
        return self._trunk(noisy, level, features, self.style(style) + self.density(density))

    def _token_features(
        self,
        known: Tensor,
        mask_share: Tensor,
        phase: Tensor,
        bar: Tensor,
        plan: Tensor,
        planned: Tensor,
    ) -> Tensor:
        """Return what all but the noisy cells bring to the tokens, [B, N, D]; the cells are
        folded."""
        tokens = known.shape[1]
        fixed = torch.cat([known.flatten(2), mask_share], dim=-1)
        h: Tensor = F.linear(fixed, self.embed.weight[:, self.noisy_cells :], self.embed.bias)
        h = h + self.phase((phase // 6).clamp(0, 63)) + self.bar((bar // 6).clamp(0, 64))
        if self.planning:
            chords = torch.cat([plan.transpose(1, 2), planned.unsqueeze(-1)], dim=-1)  # [B, T, 25]
            chord_features = self.plan(chords.to(h.dtype)).repeat_interleave(4, dim=1)
            h = h + chord_features[:, :tokens]
        return h

    def _trunk(self, noisy: Tensor, level: Tensor, features: Tensor, condition: Tensor) -> Tensor:
        """Return logits by token, [B, N, C, K], from folded noisy cells and `_token_features`."""
        batch, tokens = noisy.shape[0], noisy.shape[1]
        h = features + F.linear(noisy.flatten(2), self.embed.weight[:, : self.noisy_cells])
        condition = self.time(level_waves(level)) + condition
        cos, sin = rotary(tokens, self.rotary_half, h)
        for block in self.blocks:
            h = block(h, condition, cos, sin)
        logits: Tensor = self.out(self.norm(h)).view(batch, tokens, 24, self.pitches)
        return logits

    def fold(self, x: Tensor) -> Tensor:
        """[B, V, P, K, S] to [B, N, V*P*6, K]."""
        batch, voices, planes, pitches, steps = x.shape
        x = x.reshape(batch, voices, planes, pitches, steps // 6, 6)
        return x.permute(0, 4, 1, 2, 5, 3).reshape(batch, steps // 6, voices * planes * 6, pitches)

    def _unfold(self, x: Tensor, batch: int) -> Tensor:
        """[B, N, 24, K] to [B, 2, 2, K, S]."""
        tokens, pitches = x.shape[1], x.shape[3]
        x = x.reshape(batch, tokens, 2, 2, 6, pitches).permute(0, 2, 3, 5, 1, 4)
        return x.reshape(batch, 2, 2, pitches, tokens * 6)
