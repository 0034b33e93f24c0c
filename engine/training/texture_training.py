"""Train the network of the notes, given the harmony plan, on one device, by the clock."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoisers.frame_transformer import FrameTransformer
from engine.diffusion.noise import alpha_bar
from engine.model import checkpoint
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.reports import Report
from engine.requests.request import STYLES
from engine.training.clocked_run import (
    LEVELS,
    Optimiser,
    Recipe,
    autocast,
    draw_levels,
    number_type,
    sound_attention,
)
from engine.training.dataset import Pack
from engine.training.device_windows import DevicePack
from engine.training.folded_cells import without_orphans
from engine.training.other_sizes import begin_with
from engine.training.texture_windows import TextureBatch, TextureMusic, texture_prior


def _texture_logits(
    network: FrameTransformer, batch: TextureBatch, noisy: Tensor, known: Tensor, level: Tensor
) -> Tensor:
    """Call the network once on folded cells, [B, N, 24, K]."""
    share = batch.mask.repeat_interleave(12, dim=2)
    with autocast(level.device):
        return network.tokens(
            torch.cat([noisy, known], dim=2),
            share,
            level,
            batch.phase,
            batch.bar,
            batch.style,
            batch.density,
            batch.plan,
            batch.planned,
        )


def _texture_loss(
    network: FrameTransformer,
    batch: TextureBatch,
    level: Tensor,
    prior: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Cross-entropy of the free cells, nats a step of music that has any."""
    number = number_type(level.device)
    mask = batch.mask.repeat_interleave(12, dim=2)[..., None].to(number)
    target = batch.target.to(number)
    alpha = alpha_bar(level, "cosine")[:, None, None, None]
    uniform = torch.rand(target.shape, generator=generator, device=level.device)
    noisy = (uniform < alpha * batch.target + (1.0 - alpha) * prior).to(number)
    noisy = noisy * (1.0 - mask)
    known = batch.context.to(number) * mask
    logits = _texture_logits(network, batch, noisy, known, level)
    cells = F.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none")
    free = (1.0 - batch.mask).amax(dim=2).sum() * 6
    return (cells * (1.0 - mask)).sum() / free.clamp_min(1.0)


@torch.no_grad()
def with_sampled_past(
    network: FrameTransformer, batch: TextureBatch, prior: Tensor, generator: torch.Generator
) -> TextureBatch:
    """Scheduled sampling (`scheduled_sampling.py`): the batch with the model's own accompaniment
    as context, in 4 calls and without the plan: rougher than played."""
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
    revealed = starts + (draw[1] * (ends - starts)).long()
    mask = batch.mask[rows].clone()
    mask[:, :, ACCOMPANIMENT] = (place < starts[:, None]).float()
    mask[:, :, LEAD] *= place < revealed[:, None]
    part = TextureBatch(
        batch.target[rows],
        batch.context[rows],
        mask,
        batch.phase[rows],
        batch.bar[rows],
        batch.style[rows],
        batch.density[rows],
        torch.zeros_like(batch.plan[rows]),
        torch.zeros_like(batch.planned[rows]),
    )
    number = number_type(device)
    wide = mask.repeat_interleave(12, dim=2)[..., None].to(number)
    known = part.context.to(number) * wide
    shape = part.target.shape
    x = (torch.rand(shape, generator=generator, device=device) < prior).to(number)
    for i in range(4):
        level = torch.full((len(rows),), 1.0 - i / 4, device=device)
        logits = _texture_logits(network, part, x * (1.0 - wide), known, level).float()
        p = torch.sigmoid(_sharpened(logits, 0.7))
        x0 = (torch.rand(shape, generator=generator, device=device) < p).to(number)
        after = alpha_bar(level - 0.25, "cosine")[:, None, None, None]
        chance = after * x0 + (1.0 - after) * prior
        x = (torch.rand(shape, generator=generator, device=device) < chance).to(number)
    filled = without_orphans((x0 * (1.0 - wide) + known).to(torch.uint8))
    context = batch.context.clone()
    here = (place >= starts[:, None])[..., None, None]
    new = torch.where(here, filled[:, :, 12:], context[rows][:, :, 12:])
    context[rows, :, 12:] = new
    return replace(batch, context=context)


def _sharpened(logits: Tensor, temperature: float) -> Tensor:
    """Sharpen as `reverse.tempered`: over `temperature`, with the density of each plane kept."""
    size, tokens = logits.shape[:2]
    planes = logits.view(size, tokens, 4, 6, -1)
    wanted = torch.sigmoid(planes).sum(dim=(1, 3, 4), keepdim=True) + 1e-9
    sharp = planes / temperature
    for _ in range(4):
        there = torch.sigmoid(sharp).sum(dim=(1, 3, 4), keepdim=True) + 1e-9
        sharp = sharp + torch.log(wanted / there)
    return sharp.view(logits.shape)


@torch.no_grad()
def _texture_scores(
    network: FrameTransformer, music: TextureMusic, prior: Tensor, size: int
) -> str:
    """Return valid loss a step of music, by style, of `size` windows at each level; the lead
    known."""
    network.eval()
    generator = torch.Generator(prior.device).manual_seed(3)
    mask = torch.zeros(size, 2, 64, dtype=torch.bool, device=prior.device)
    mask[:, LEAD] = True
    sums: dict[str, list[float]] = {}
    for level in LEVELS:
        batch = music.batch(size, 16, generator, mask, augment=0.0)
        styles = batch.style.clone()
        for style in (1, 2, 3, 4):
            rows = torch.nonzero(styles == style)[:, 0]
            if len(rows):
                part = TextureBatch(*(getattr(batch, name)[rows] for name in batch.__slots__))
                levels = torch.full((len(rows),), level, device=prior.device)
                found = _texture_loss(network, part, levels, prior, generator)
                sums.setdefault(STYLES[style], []).append(float(found))
    return " ".join(f"{name} {sum(x) / len(x):.3f}" for name, x in sums.items())


def _gradient_norm(
    network: FrameTransformer,
    music: TextureMusic,
    beats_a_step: int,
    prior: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Return the sum of the gradients' norms of a batch of each length; no step is taken."""
    total = torch.zeros((), device=prior.device)
    for beats in (8, 16, 32):
        size = max(beats_a_step // beats, 1)
        batch = music.batch(size, beats, generator)
        level = draw_levels(size, generator, prior.device)
        network.zero_grad(set_to_none=True)
        _texture_loss(network.train(), batch, level, prior, generator).backward()  # type: ignore[no-untyped-call]
        total = total + nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    return total


def begun_texture(sizes: dict[str, int], start: dict[str, Tensor] | None) -> FrameTransformer:
    """Return a network of the notes, with the weights `start` as far as it has their like.

    Raises CheckpointError for sizes it cannot have, and for weights that do not fit.
    """
    network = checkpoint.build("frame-transformer", sizes)
    assert isinstance(network, FrameTransformer)
    if start is not None:
        begin_with(network, start)
    return network


def train_texture(
    pack: Pack,
    recipe: Recipe,
    device: torch.device,
    out: Path,
    report: Report,
    start: dict[str, Tensor] | None = None,
    keep_at: tuple[float, ...] = (),
) -> FrameTransformer:
    """Train until the clock says so; the averaged network, and `out`, also written at the shares
    `keep_at` of the run.

    start: weights to begin with, of another number of blocks too (`begin_with`).
    """
    torch.manual_seed(recipe.seed)
    music = TextureMusic(DevicePack(pack, 0, device, recipe.most_pieces), recipe.seed)
    valid = TextureMusic(DevicePack(pack, 1, device, recipe.most_pieces), recipe.seed + 1)
    network = begun_texture(recipe.sizes, start).to(device)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    prior = texture_prior(music, generator)
    stored = prior.view(2, 2, 6)[..., 0].reshape(2, 2, 1, 1)

    sound_attention(lambda: _gradient_norm(network, music, recipe.beats, prior, generator), report)
    run = Optimiser(network, recipe)

    def save() -> None:
        state = run.state("frame-transformer", stored, math.nan, corpora=list(pack.corpora))
        torch.save(state, out)

    scored, kept = -1, list(keep_at)
    while not run.over:
        beats = (16, 32, 16, 32, 8)[run.step % 5]
        size = max(recipe.beats // beats, 1)
        batch = music.batch(size, beats, generator)
        if run.share > 0.1 and run.step % 10 in (1, 2, 6):
            batch = with_sampled_past(run.averaged, batch, prior, generator)
        level = draw_levels(size, generator, device)
        network.train()
        loss = _texture_loss(network, batch, level, prior, generator)
        run.update(loss)
        if int(run.share * 10) > scored:
            scored = int(run.share * 10)
            scores = _texture_scores(run.averaged, valid, prior, recipe.scored)
            report(
                f"texture {run.share:.2f} step {run.step} loss {float(loss.detach()):.4f} {scores}"
            )
        if kept and run.share > kept[0]:
            kept.pop(0)
            save()
    save()
    report(f"texture done: {run.step} steps, {run.skipped} skipped")
    return run.averaged
