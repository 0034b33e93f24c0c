"""From a batch of windows to what a network sees at a noise level. Used to train and to score."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.diffusion.batch import Batch
from engine.diffusion.noise import alpha_bar, diffuse, own_evidence

Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""noisy, known, mask, level, phase, bar, style, density: as FrameTransformer.forward has them."""


def to_inputs(
    batch: Batch, level: Tensor, prior: Tensor, schedule: str, generator: torch.Generator
) -> tuple[Inputs, Tensor, Tensor]:
    """The network's inputs at noise `level` [B], the target and the free cells, all 0.0 or 1.0."""
    device = level.device

    def move(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(device)

    target = move(batch.target).float()
    mask = move(batch.mask)[:, :, None, None, :].expand_as(target).float()
    known = move(batch.context).float() * mask
    alpha = alpha_bar(level, schedule)[:, None, None, None, None]
    uniform = torch.rand(target.shape, generator=generator, device=device)
    noisy = diffuse(target, alpha, prior, uniform) * (1.0 - mask)
    inputs = (noisy, known, mask, level, move(batch.phase), move(batch.bar),
              move(batch.style), move(batch.density))  # fmt: skip
    return inputs, target, 1.0 - mask


def logits_of(
    network: nn.Module,
    inputs: Inputs,
    prior: Tensor,
    schedule: str,
    exact: nn.Module | None = None,
) -> Tensor:
    """Logits of x0, float32; of the exact chain with what stands behind the network in it."""
    logits: Tensor = network(*inputs).float()
    if exact is None:
        return logits
    noisy, known, mask, level = inputs[:4]
    seen = own_evidence(noisy, alpha_bar(level, schedule)[:, None, None, None, None], prior)
    found: Tensor = exact(logits, seen, known, mask, level)
    return found
