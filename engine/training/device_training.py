"""Train the harmony plan and the texture told of it on one device, windows drawn there.

Two runs, each ended by the clock: `train_harmony`, whose music is computed once (plan and lead
features of every beat), and `train_texture`. Both write checkpoints that `midi-diffuse export`
reads. For a GPU (scripts/gpu_day); on a CPU they run too, for tests.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoisers.frame_transformer import FrameTransformer, FrameTransformerConfig
from engine.denoisers.harmony import LEAD_FEATURES, PLAN_ROWS, plan_of_steps
from engine.denoisers.harmony_transformer import (
    HarmonyTransformer,
    HarmonyTransformerConfig,
    turned_lead,
)
from engine.denoisers.in_key import key_of_classes, key_profiles, moved, turned
from engine.diffusion.batch import DENSITY_BUCKETS
from engine.diffusion.noise import alpha_bar, own_evidence, predicted_posterior
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.requests.request import STYLES
from engine.training.dataset import Pack
from engine.training.device_windows import (
    DevicePack,
    alone,
    folded,
    mask_bank,
    roll_of,
    stuck,
    with_flaws,
    with_voices,
)

Report = Callable[[str], None]
HARMONY_PRIOR = (0.2, 0.075)
"""Chance of a redrawn cell of the plan: pitch classes, bass classes (densities of the music)."""
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
_PROFILES = key_profiles()


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast one run is to train."""

    minutes: float
    beats: int = 8192  # a step
    rate: float = 1.5e-3
    warmup: int = 300
    ema: float = 0.999
    weight_decay: float = 0.05
    seed: int = 0
    sizes: dict[str, int] = field(default_factory=dict)


def plan_prior(device: torch.device) -> Tensor:
    """[1, 24, 1]."""
    chroma, bass = HARMONY_PRIOR
    return torch.tensor([chroma] * 12 + [bass] * 12, device=device).view(1, 24, 1)


def rate_at(plan: Plan, step: int, share: float) -> float:
    """Warm up, then fall as a cosine to nothing."""
    fall = 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
    return plan.rate * min(1.0, (step + 1) / plan.warmup) * fall


class Optimiser:
    """AdamW with a mean of the weights (EMA), ended by the clock."""

    def __init__(self, network: nn.Module, plan: Plan) -> None:
        self.network, self.plan = network, plan
        self.averaged = copy.deepcopy(network).eval()
        matrices = [p for p in network.parameters() if p.dim() > 1]
        others = [p for p in network.parameters() if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": plan.weight_decay},
                  {"params": others, "weight_decay": 0.0}]  # fmt: skip
        fused = next(network.parameters()).is_cuda
        self.adam = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98), fused=fused)
        self.started, self.step, self.skipped = time.perf_counter(), 0, 0

    @property
    def share(self) -> float:
        """How much of the run is over, 0 to 1."""
        return (time.perf_counter() - self.started) / 60 / self.plan.minutes

    def update(self, loss: Tensor) -> None:
        """One step down the gradient."""
        for group in self.adam.param_groups:
            group["lr"] = rate_at(self.plan, self.step, self.share)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.step += 1
        if not bool(torch.isfinite(norm)):  # one bad batch must not spoil the weights
            self.skipped += 1
            return
        self.adam.step()
        keep = min(self.plan.ema, self.step / (10 + self.step))
        with torch.no_grad():
            mean: list[Tensor] = list(self.averaged.parameters())
            now: list[Tensor] = list(self.network.parameters())
            torch._foreach_lerp_(mean, now, 1.0 - keep)

    def state(self, family: str, prior: Tensor, valid: float, **more: Any) -> dict[str, object]:
        """A checkpoint of the averaged weights as fp16 (no optimizer: go on with --start-from)."""
        weights = {k: v.half().cpu() for k, v in self.averaged.state_dict().items()}
        config: Any = self.network.config
        sizes = {name: int(getattr(config, name)) for name in config.__dataclass_fields__}
        progress = {"step": self.step, "elapsed_s": 60 * self.plan.minutes * min(self.share, 1.0),
                    "loss": math.nan, "valid": valid, "bound": math.nan}  # fmt: skip
        settings = {"beats": 16, "seed": self.plan.seed, "beats_a_step": self.plan.beats,
                    "rate": self.plan.rate, "minutes": self.plan.minutes}  # fmt: skip
        return {"format": 1, "family": family, "sizes": sizes, "network": weights,
                "averaged": weights, "optimizer": {}, "progress": progress, "prior": prior.cpu(),
                "densities": [], "schedule": "cosine", "styles": list(STYLES),
                "settings": settings, "corpora": [], **more}  # fmt: skip


_ATTENTION = ("cudnn", "flash", "mem_efficient")
"""Attention kernels of CUDA, in the order in which they are given up: with cuDNN's, of torch 2.11
on an H200, every gradient of the texture network was NaN. What is left at last is plain math."""


def sound_attention(gradients_of: Callable[[], Tensor], report: Report) -> None:
    """Give up attention kernels, one after the other, until `gradients_of` gives finite ones."""
    for kernel in (None, *_ATTENTION):
        if kernel is not None:
            getattr(torch.backends.cuda, f"enable_{kernel}_sdp")(False)
        if bool(torch.isfinite(gradients_of())):
            report(f"attention: finite gradients without {kernel or 'giving any kernel up'}")
            return
    raise ArithmeticError("no attention kernel here gives finite gradients")


def autocast(device: torch.device) -> torch.autocast:
    """bf16 for what may be."""
    return torch.autocast(device.type, torch.bfloat16)


def draw_levels(size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Noise levels [B]: uniform, one in six fully noised, where every sampler starts."""
    level = torch.rand(size, generator=generator, device=device)
    full = torch.rand(size, generator=generator, device=device) < 1 / 6
    return torch.where(full, 1.0, level)


# --- harmony -------------------------------------------------------------------------------------


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
        """Random windows in their own keys, told nothing yet."""
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


@dataclass(slots=True)
class HarmonyBatch:
    """plan [B, 24, T], lead [B, T, 96], phase and bar [B, T], style [B]."""

    plan: Tensor
    lead: Tensor
    phase: Tensor
    bar: Tensor
    style: Tensor


def plan_of_tokens(cells: Tensor) -> Tensor:
    """The plan [B, 24, T] of folded cells [B, N, C, K]."""
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


def harmony_task(
    size: int, beats: int, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """What is known: of the plan, [B, 24, T], and of the lead, [B, T, 4]. Tasks as in live and
    files: all of the lead and no chord, the past and a horizon, random chords given, nothing."""

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
    return mask.float(), lead.view(size, beats, 4).float()


def _harmony_inputs(
    batch: HarmonyBatch, generator: torch.Generator, own: Tensor | None = None
) -> tuple[HarmonyBatch, Tensor, Tensor, Tensor]:
    """The batch moved to C, known plan, mask and known lead."""
    size, _, beats = batch.plan.shape
    device = batch.plan.device
    mask, lead_known = harmony_task(size, beats, generator, device)
    lead = batch.lead * lead_known.repeat_interleave(24, dim=2)
    told = batch.plan if own is None else own
    flips = torch.rand(told.shape, generator=generator, device=device) < 0.03
    flipped = torch.rand(size, 1, 1, generator=generator, device=device) < 0.3
    known = torch.where(flips & flipped, 1.0 - told, told) * mask
    classes = lead.view(size, -1, 12).sum(dim=1) / 4 + 0.05 * known[:, :12].sum(dim=2)
    nothing = classes.sum(dim=1, keepdim=True) < 0.01
    classes = torch.where(nothing, batch.plan[:, :12].sum(dim=2), classes)
    shift = key_of_classes(classes, _PROFILES)
    styled = torch.rand(size, generator=generator, device=device) < 0.85
    in_c = HarmonyBatch(
        turned(batch.plan, shift), turned_lead(lead, shift), batch.phase, batch.bar,
        batch.style * styled,
    )  # fmt: skip
    return in_c, turned(known, shift), mask, lead_known


def harmony_loss(
    network: HarmonyTransformer, batch: HarmonyBatch, known: Tensor, mask: Tensor,
    lead_known: Tensor, level: Tensor, prior: Tensor, generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Cross-entropy of the free cells, nats a beat that has any."""
    alpha = alpha_bar(level, "cosine")[:, None, None]
    chance = alpha * batch.plan + (1.0 - alpha) * prior
    uniform = torch.rand(batch.plan.shape, generator=generator, device=level.device)
    noisy = (uniform < chance).float() * (1.0 - mask)
    with autocast(level.device):
        logits = network.in_c(noisy, known, mask, batch.lead, lead_known, level, batch.phase,
                              batch.bar, batch.style)  # fmt: skip
    logits = logits.float() + own_evidence(noisy, alpha, prior)
    cells = F.binary_cross_entropy_with_logits(logits, batch.plan, reduction="none") * (1.0 - mask)
    return cells.sum() / (1.0 - mask).amax(dim=1).sum().clamp_min(1.0)


@torch.no_grad()
def draw_plan(
    network: HarmonyTransformer, batch: HarmonyBatch, known: Tensor, mask: Tensor,
    lead_known: Tensor, prior: Tensor, calls: int, generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """A plan by the exact chain, in the key the batch is in."""
    size = len(known)
    x = (torch.rand(known.shape, generator=generator, device=known.device) < prior).float()
    for i in range(calls):
        level = torch.full((size,), 1.0 - i / calls, device=known.device)
        after = torch.full((size,), 1.0 - (i + 1) / calls, device=known.device)
        noisy = x * (1.0 - mask)
        with autocast(known.device):
            logits = network.in_c(noisy, known, mask, batch.lead, lead_known, level, batch.phase,
                                  batch.bar, batch.style)  # fmt: skip
        here, there = (alpha_bar(each, "cosine")[:, None, None] for each in (level, after))
        p = torch.sigmoid(logits.float() + own_evidence(noisy, here, prior))
        chance = predicted_posterior(noisy, p, here, there, prior)
        x = (torch.rand(x.shape, generator=generator, device=x.device) < chance).float()
    return x * (1.0 - mask) + known


def kept_share(plan: Tensor) -> float:
    """Share of sounding beats that have the chord of the beat before (chroma and bass)."""
    same = (plan[:, :, 1:] == plan[:, :, :-1]).all(dim=1)
    sounds = plan[:, :, 1:].amax(dim=1) > 0
    return float((same & sounds).sum() / sounds.sum().clamp_min(1))


def train_harmony(
    pack: Pack, plan: Plan, device: torch.device, out: Path, report: Report
) -> HarmonyTransformer:
    """Train until the clock says so; the averaged network, and `out`."""
    torch.manual_seed(plan.seed)
    music = HarmonyMusic(DevicePack(pack, 0, device))
    valid = HarmonyMusic(DevicePack(pack, 1, device))
    network = HarmonyTransformer(HarmonyTransformerConfig(**plan.sizes)).to(device)
    prior = plan_prior(device)
    generator = torch.Generator(device).manual_seed(plan.seed)
    run = Optimiser(network, plan)
    report(f"harmony: {sum(p.numel() for p in network.parameters())} weights; density "
           f"{float(music.plan[0, :, :12].float().mean()):.3f} "
           f"{float(music.plan[0, :, 12:].float().mean()):.3f}")  # fmt: skip
    scored = -1
    while run.share < 1.0:
        beats = (32, 16, 64)[run.step % 3]
        size = max(plan.beats // beats, 1)
        drawn = music.batch(size, beats, generator)
        own = None
        if run.share > 0.4 and run.step % 4 == 0:  # the past as it will be heard live: its own
            told = _harmony_inputs(drawn, generator)
            shifted = draw_plan(run.averaged, *told, prior, 8, generator)  # type: ignore[arg-type]
            shift = _key_between(drawn.plan, told[0].plan)
            own = turned(shifted, -shift)
        batch, known, mask, lead_known = _harmony_inputs(drawn, generator, own)
        level = draw_levels(size, generator, device)
        network.train()
        loss = harmony_loss(network, batch, known, mask, lead_known, level, prior, generator)
        run.update(loss)
        if int(run.share * 8) > scored:
            scored = int(run.share * 8)
            report(f"harmony {run.share:.2f} step {run.step} loss {float(loss):.4f} "
                   + _harmony_scores(run.averaged, valid, prior))  # fmt: skip
    found = _harmony_valid(run.averaged, valid, prior)
    torch.save(run.state("harmony", prior, found), out)
    report(f"harmony done: {run.step} steps, valid {found:.4f}")
    averaged: HarmonyTransformer = run.averaged  # type: ignore[assignment]
    return averaged


def _key_between(plain: Tensor, moved_plan: Tensor) -> Tensor:
    """By how much `moved_plan` [B, 24, T] is turned against `plain`, int64 [B], -6 to 5."""
    fits = torch.stack([
        (turned(plain, torch.full((len(plain),), s, device=plain.device)) == moved_plan)
        .all(dim=2).all(dim=1) for s in range(-6, 6)
    ])  # fmt: skip
    return fits.long().argmax(dim=0) - 6


@torch.no_grad()
def _harmony_valid(network: nn.Module, music: HarmonyMusic, prior: Tensor) -> float:
    generator = torch.Generator(prior.device).manual_seed(1)
    network.eval()
    total = 0.0
    for level in _LEVELS:
        batch = _harmony_inputs(music.batch(256, 32, generator), generator)
        levels = torch.full((256,), level, device=prior.device)
        total += float(harmony_loss(network, *batch, levels, prior, generator))  # type: ignore[arg-type]
    return total / len(_LEVELS)


def _harmony_scores(network: nn.Module, music: HarmonyMusic, prior: Tensor) -> str:
    """Valid loss, and of plans drawn for whole leads: chords kept, classes a beat, agreement."""
    generator = torch.Generator(prior.device).manual_seed(2)
    found = _harmony_valid(network, music, prior)
    batch = music.batch(128, 32, generator)
    inputs, known, mask, lead_known = _harmony_inputs(batch, generator)
    drawn = draw_plan(network, inputs, known, mask, lead_known, prior, 24, generator)  # type: ignore[arg-type]
    return (
        f"valid {found:.4f} kept {kept_share(drawn):.3f} ({kept_share(inputs.plan):.3f}) classes "
        f"{float(drawn[:, :12].sum(1).mean()):.2f} "
        f"({float(inputs.plan[:, :12].sum(1).mean()):.2f}) "
        f"bass {float((drawn[:, 12:] * inputs.plan[:, 12:]).sum() / inputs.plan[:, 12:].sum()):.3f}"
    )


# --- texture -------------------------------------------------------------------------------------


@dataclass(slots=True)
class TextureBatch:
    """Folded windows in C: target and context uint8 [B, N, 24, K], mask [B, N, 2] (1 = known),
    phase and bar [B, N], style and density [B], plan [B, 24, T] as told, planned [B, T]."""

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
        self, size: int, beats: int, generator: torch.Generator, mask: Tensor | None = None,
        augment: float = 1.0,
    ) -> TextureBatch:  # fmt: skip
        """Random windows, tasks and flaws. mask bool [B, 2, N]: where not at random.
        augment 0: no transposition, no flaws."""
        pack, device = self.pack, self.pack.device

        def rand(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=device)

        windows = pack.random(size, beats, generator)
        notes = with_voices(pack.notes(windows), rand(size) < 0.6, rand(size) < 0.06)
        notes.pitch = notes.pitch + ((rand(size) * 13).long() - 6)[notes.window] * int(augment)
        steps = beats * 24
        heard = with_flaws(notes, size, steps, generator) if augment else notes
        target, context = roll_of(notes, size, steps), roll_of(heard, size, steps)
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
        self, target: Tensor, context: Tensor, mask: Tensor, windows: Any,
        generator: torch.Generator,
    ) -> TextureBatch:  # fmt: skip
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
        told = torch.where(rand(*plan.shape) < 0.02, 1.0 - plan, plan) * planned[:, None]
        first = windows.phase.repeat_interleave(4, dim=1)
        bar = windows.bar.repeat_interleave(4, dim=1)
        sixteenth = 6 * (torch.arange(tokens, device=device) % 4)
        return TextureBatch(
            target, context, mask.transpose(1, 2).float(), (first + sixteenth) % bar.clamp_min(1),
            bar, windows.style * (rand(size) < 0.85),
            bucket * ((rand(size) < 0.6) & free.any(dim=1)), told, planned.float(),
        )  # fmt: skip


def texture_key(target: Tensor, context: Tensor, mask: Tensor) -> Tensor:
    """Semitones to C, [B], read from what is known (`denoisers.in_key`); from all where nothing is.

    target, context: [B, N, 24, K]; mask: bool [B, 2, N].
    """
    voices = context.view(*context.shape[:2], 2, 12, -1).float().sum(dim=3)  # [B, N, 2, K]
    known = (voices * mask.transpose(1, 2)[..., None]).sum(dim=1)  # [B, 2, K]
    heard = known[:, LEAD] + 0.05 * known[:, ACCOMPANIMENT]
    nothing = heard.sum(dim=1, keepdim=True) < 0.01
    heard = torch.where(nothing, target.float().sum(dim=(1, 2)), heard)
    rows = torch.arange(PIANO.size, device=target.device) + PIANO.low
    fold = (rows[:, None] % 12 == torch.arange(12, device=target.device)).float()
    return key_of_classes(heard @ fold, _PROFILES)


def texture_logits(
    network: FrameTransformer, batch: TextureBatch, noisy: Tensor, known: Tensor, level: Tensor
) -> Tensor:
    """One call on folded cells, [B, N, 24, K]."""
    share = batch.mask.repeat_interleave(12, dim=2)
    with autocast(level.device):
        return network.tokens(
            torch.cat([noisy, known], dim=2), share, level, batch.phase, batch.bar,
            batch.style, batch.density, batch.plan, batch.planned,
        )  # fmt: skip


def texture_loss(
    network: FrameTransformer, batch: TextureBatch, level: Tensor, prior: Tensor,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Cross-entropy of the free cells, nats a step of music that has any."""
    mask = batch.mask.repeat_interleave(12, dim=2)[..., None].to(torch.bfloat16)
    target = batch.target.to(torch.bfloat16)
    alpha = alpha_bar(level, "cosine")[:, None, None, None]
    uniform = torch.rand(target.shape, generator=generator, device=level.device)
    noisy = (uniform < alpha * batch.target + (1.0 - alpha) * prior).to(torch.bfloat16)
    noisy = noisy * (1.0 - mask)
    known = batch.context.to(torch.bfloat16) * mask
    logits = texture_logits(network, batch, noisy, known, level)
    cells = F.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none")
    free = (1.0 - batch.mask).amax(dim=2).sum() * 6
    return (cells * (1.0 - mask)).sum() / free.clamp_min(1.0)


@torch.no_grad()
def with_own_past(
    network: FrameTransformer, batch: TextureBatch, prior: Tensor, generator: torch.Generator
) -> TextureBatch:
    """The batch with the model's own accompaniment as context (`own_past.py`), 4 calls, not
    told the plan: rougher than played."""
    device = batch.target.device
    ours = batch.mask[:, :, ACCOMPANIMENT] > 0.5  # [B, N]
    tokens = ours.shape[1]
    place = torch.arange(tokens, device=device)[None]
    ends = (ours * (place + 1)).amax(dim=1)
    past = (ends >= 2) & (ends < tokens)
    rows = torch.nonzero(past)[:, 0]
    if not len(rows):
        return batch
    draw = torch.rand(2, len(rows), generator=generator, device=device)
    ends = ends[rows]
    starts = (draw[0] * ends).long()
    heard = starts + (draw[1] * (ends - starts)).long()
    mask = batch.mask[rows].clone()
    mask[:, :, ACCOMPANIMENT] = (place < starts[:, None]).float()
    mask[:, :, LEAD] *= place < heard[:, None]
    part = TextureBatch(
        batch.target[rows], batch.context[rows], mask, batch.phase[rows], batch.bar[rows],
        batch.style[rows], batch.density[rows],
        torch.zeros_like(batch.plan[rows]), torch.zeros_like(batch.planned[rows]),
    )  # fmt: skip
    wide = mask.repeat_interleave(12, dim=2)[..., None].to(torch.bfloat16)
    known = part.context.to(torch.bfloat16) * wide
    shape = part.target.shape
    x = (torch.rand(shape, generator=generator, device=device) < prior).to(torch.bfloat16)
    for i in range(4):
        level = torch.full((len(rows),), 1.0 - i / 4, device=device)
        logits = texture_logits(network, part, x * (1.0 - wide), known, level).float()
        p = torch.sigmoid(_sharpened(logits, 0.7))
        x0 = (torch.rand(shape, generator=generator, device=device) < p).to(torch.bfloat16)
        after = alpha_bar(level - 0.25, "cosine")[:, None, None, None]
        chance = after * x0 + (1.0 - after) * prior
        x = (torch.rand(shape, generator=generator, device=device) < chance).to(torch.bfloat16)
    filled = without_orphans((x0 * (1.0 - wide) + known).to(torch.uint8))
    context = batch.context.clone()
    here = (place >= starts[:, None])[..., None, None]
    new = torch.where(here, filled[:, :, 12:], context[rows][:, :, 12:])
    context[rows, :, 12:] = new
    return TextureBatch(
        batch.target, context, batch.mask, batch.phase, batch.bar, batch.style, batch.density,
        batch.plan, batch.planned,
    )  # fmt: skip


def _sharpened(logits: Tensor, temperature: float) -> Tensor:
    """As `sampler.tempered`: over `temperature`, with the density of each plane kept."""
    size, tokens = logits.shape[:2]
    planes = logits.view(size, tokens, 4, 6, -1)
    wanted = torch.sigmoid(planes).sum(dim=(1, 3, 4), keepdim=True) + 1e-9
    sharp = planes / temperature
    for _ in range(4):
        there = torch.sigmoid(sharp).sum(dim=(1, 3, 4), keepdim=True) + 1e-9
        sharp = sharp + torch.log(wanted / there)
    return sharp.view(logits.shape)


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


def texture_prior(music: TextureMusic, generator: torch.Generator) -> Tensor:
    """Mean density of each channel as [1, 1, 24, 1], equal within a voice and plane."""
    batch = music.batch(512, 8, generator, augment=0.0)
    planes = batch.target.float().mean(dim=(0, 1, 3)).view(4, 6).mean(dim=1)
    return planes.repeat_interleave(6).view(1, 1, 24, 1)


@torch.no_grad()
def texture_scores(network: nn.Module, music: TextureMusic, prior: Tensor, each: int = 64) -> str:
    """Valid loss a step of music, by style and with and without the plan, the lead known."""
    network.eval()
    generator = torch.Generator(prior.device).manual_seed(3)
    mask = torch.zeros(each * 4, 2, 64, dtype=torch.bool, device=prior.device)
    mask[:, LEAD] = True
    sums: dict[str, list[float]] = {}
    for level in _LEVELS:
        batch = music.batch(each * 4, 16, generator, mask, augment=0.0)
        styles = batch.style.clone()
        for style in (1, 2, 3, 4):
            rows = torch.nonzero(styles == style)[:, 0]
            if len(rows):
                part = TextureBatch(*(getattr(batch, name)[rows] for name in batch.__slots__))
                levels = torch.full((len(rows),), level, device=prior.device)
                found = texture_loss(network, part, levels, prior, generator)  # type: ignore[arg-type]
                sums.setdefault(STYLES[style], []).append(float(found))
    return " ".join(f"{name} {sum(x) / len(x):.3f}" for name, x in sums.items())


def train_texture(
    pack: Pack, plan: Plan, device: torch.device, out: Path, report: Report,
    start: dict[str, Tensor] | None = None, keep_at: tuple[float, ...] = (),
) -> FrameTransformer:  # fmt: skip
    """Train until the clock says so; the averaged network, and `out`, also written at the shares
    `keep_at` of the run."""
    torch.manual_seed(plan.seed)
    music = TextureMusic(DevicePack(pack, 0, device), plan.seed)
    valid = TextureMusic(DevicePack(pack, 1, device), plan.seed + 1)
    network = FrameTransformer(FrameTransformerConfig(**plan.sizes)).to(device)
    if start is not None:
        missing, unexpected = network.load_state_dict(start, strict=False)
        report(f"texture: from weights, without {missing} {unexpected}")
    generator = torch.Generator(device).manual_seed(plan.seed)
    prior = texture_prior(music, generator)
    stored = prior.view(2, 2, 6)[..., 0].reshape(2, 2, 1, 1)

    def gradient_norm() -> Tensor:
        total = torch.zeros((), device=device)
        for beats in (8, 16, 32):
            size = max(plan.beats // beats, 1)
            batch, level = music.batch(size, beats, generator), draw_levels(size, generator, device)
            network.zero_grad(set_to_none=True)
            texture_loss(network.train(), batch, level, prior, generator).backward()  # type: ignore[no-untyped-call]
            total = total + nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        return total

    sound_attention(gradient_norm, report)
    run = Optimiser(network, plan)
    scored, kept = -1, list(keep_at)
    while run.share < 1.0:
        beats = (16, 32, 16, 32, 8)[run.step % 5]
        size = max(plan.beats // beats, 1)
        batch = music.batch(size, beats, generator)
        if run.share > 0.1 and run.step % 10 in (1, 2, 6):
            batch = with_own_past(run.averaged, batch, prior, generator)  # type: ignore[arg-type]
        level = draw_levels(size, generator, device)
        network.train()
        loss = texture_loss(network, batch, level, prior, generator)
        run.update(loss)
        if int(run.share * 10) > scored:
            scored = int(run.share * 10)
            report(f"texture {run.share:.2f} step {run.step} loss {float(loss):.4f} "
                   + texture_scores(run.averaged, valid, prior))  # fmt: skip
        if kept and run.share > kept[0]:
            kept.pop(0)
            torch.save(run.state("frame-transformer", stored, math.nan), out)
    torch.save(run.state("frame-transformer", stored, math.nan), out)
    report(f"texture done: {run.step} steps, {run.skipped} skipped")
    averaged: FrameTransformer = run.averaged  # type: ignore[assignment]
    return averaged
