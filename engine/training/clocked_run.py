"""A training run that ends by the clock: its recipe, its optimiser, and what a GPU needs.

A machine that is lent for minutes trains for minutes, whatever it is. The rate falls with the time
that is over, so that a run is done when the clock says so.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from engine.reports import Report
from engine.requests.request import STYLES

_Network = TypeVar("_Network", bound=nn.Module)
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
"""Noise levels at which a network is scored."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast one run is to train.

    beats: of music, a step. scored: windows a score is taken of. sizes: those of the network that
    are not the default. For a dry run: most_steps, where to end whatever the clock says, and
    most_pieces, how many of a split to train on (`DevicePack`).
    """

    minutes: float
    beats: int = 8192
    rate: float = 1.5e-3
    warmup: int = 300
    ema: float = 0.999
    weight_decay: float = 0.05
    seed: int = 0
    scored: int = 256
    most_steps: int | None = None
    most_pieces: int | None = None
    sizes: dict[str, int] = field(default_factory=dict)


def rate_at(recipe: Recipe, step: int, share: float) -> float:
    """Warm up, then fall as a cosine to nothing."""
    fall = 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
    return recipe.rate * min(1.0, (step + 1) / recipe.warmup) * fall


def decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters for an optimizer: matrices decay, biases and scales do not."""
    matrices = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def average(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the mean of the weights (EMA) towards `network`'s, keeping the share `keep` of it."""
    with torch.no_grad():
        mean: list[Tensor] = list(averaged.parameters())
        now: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(mean, now, 1.0 - keep)


class Optimiser(Generic[_Network]):
    """AdamW with a mean of the weights (EMA), ended by the clock."""

    def __init__(self, network: _Network, recipe: Recipe) -> None:
        self.network, self.recipe = network, recipe
        self.averaged = copy.deepcopy(network).eval()
        groups = decay_groups(network, recipe.weight_decay)
        fused = next(network.parameters()).is_cuda
        self.adam = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), fused=fused)
        self.started, self.step, self.skipped = time.perf_counter(), 0, 0

    @property
    def share(self) -> float:
        """How much of the run is over, 0 to 1."""
        return (time.perf_counter() - self.started) / 60 / self.recipe.minutes

    @property
    def over(self) -> bool:
        """Is it time to end?"""
        return self.share >= 1.0 or self.step == self.recipe.most_steps

    def update(self, loss: Tensor) -> None:
        """One step down the gradient."""
        for group in self.adam.param_groups:
            group["lr"] = rate_at(self.recipe, self.step, self.share)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.step += 1
        if not bool(torch.isfinite(norm)):  # one bad batch must not spoil the weights
            self.skipped += 1
            return
        self.adam.step()
        average(self.averaged, self.network, min(self.recipe.ema, self.step / (10 + self.step)))

    def state(self, family: str, prior: Tensor, valid: float, **more: Any) -> dict[str, object]:
        """Return a checkpoint of the averaged weights as fp16 (no optimizer: go on with
        --start-from)."""
        weights = {k: v.half().cpu() for k, v in self.averaged.state_dict().items()}
        config: Any = self.network.config
        sizes = {name: int(size) for name, size in asdict(config).items()}
        progress = {
            "step": self.step,
            "elapsed_s": 60 * self.recipe.minutes * min(self.share, 1.0),
            "loss": math.nan,
            "valid": valid,
            "bound": math.nan,
        }
        settings = {
            "beats": 16,
            "seed": self.recipe.seed,
            "beats_a_step": self.recipe.beats,
            "rate": self.recipe.rate,
            "minutes": self.recipe.minutes,
        }
        return {
            "format": 1,
            "family": family,
            "sizes": sizes,
            "network": weights,
            "averaged": weights,
            "optimizer": {},
            "progress": progress,
            "prior": prior.cpu(),
            "densities": [],
            "schedule": "cosine",
            "styles": list(STYLES),
            "settings": settings,
            "corpora": [],
            **more,
        }


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
    """bf16 for what may be, where the processor has it: emulated it is six times as slow."""
    return torch.autocast(device.type, torch.bfloat16, enabled=number_type(device) != torch.float32)


def number_type(device: torch.device) -> torch.dtype:
    """Return what a network computes in there: bf16, or float32 on a CPU without it."""
    has_it = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if has_it else torch.float32


def draw_levels(size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return noise levels [B]: uniform, one in six fully noised, where every sampler starts."""
    level = torch.rand(size, generator=generator, device=device)
    full = torch.rand(size, generator=generator, device=device) < 1 / 6
    return torch.where(full, 1.0, level)
