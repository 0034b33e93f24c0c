"""How likely a network finds music: an upper bound on -log p(free cells | known cells), in nats.

The variational bound of the discrete chain x[T] -> ... -> x[0] with `levels` T equal steps of the
noise level (Sohl-Dickstein et al. 2015; Austin et al. 2021, D3PM):

    -log p(x0) <= sum over t of  KL( q(x[t-1] | x[t], x0) || p(x[t-1] | x[t]) )
    p(x[t-1] | x[t]) = sum over x0 of q(x[t-1] | x[t], x0) p_network(x0 | x[t])

At t = 1 the term is -log p(x0 | x[1]); the term of x[T] is 0, because x[T] is exactly the prior.
It scores the network under this chain; Algorithm 1 itself has no likelihood. Known cells stay
clean, only free cells count: a network that is *given* them, not one that has them written over.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.diffusion.batch import Batch
from engine.diffusion.inputs import logits_of, to_inputs
from engine.diffusion.noise import alpha_bar, flip_rate, log_decay, posterior, predicted_posterior

_TINY = 1e-12
_LEVELS = (1e-3, 1.0 - 1e-4)  # where rates are finite


def window_bound(
    network: nn.Module,
    batch: Batch,
    prior: Tensor,
    schedule: str,
    generator: torch.Generator,
    levels: int = 100,
    draws: int = 4,
    exact: nn.Module | None = None,
) -> Tensor:
    """Monte-Carlo bound of each window's free cells in nats, float64 [B] on the CPU.

    Each draw takes one t a window; within a draw the windows' t are spread evenly over 1..T, so
    means over windows vary far less than single values do.
    """
    size, device = len(batch.target), prior.device
    total = torch.zeros(size, dtype=torch.float64)
    for _ in range(draws):
        t = even_steps(size, levels, generator, device)
        total += levels * _term(network, batch, prior, schedule, generator, t, levels, exact)
    return total / draws


def _term(
    network: nn.Module,
    batch: Batch,
    prior: Tensor,
    schedule: str,
    generator: torch.Generator,
    t: Tensor,
    levels: int,
    exact: nn.Module | None,
) -> Tensor:
    """KL of step t [B] of the chain, summed over the free cells: float64 [B]."""
    level = t.float() / levels
    inputs, target, free = to_inputs(batch, level, prior, schedule, generator)
    with torch.no_grad():
        logits = logits_of(network, inputs, prior, schedule, exact)
    return chain_term(logits, inputs.noisy, target, free, t, levels, prior, schedule)


def even_steps(size: int, levels: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return a step 1..`levels` of the chain for each window, int64 [B]: evenly spread, in random
    order."""
    order = torch.randperm(size, generator=generator, device=device)
    place = torch.rand(size, generator=generator, device=device)
    return ((order + place) / size * levels).long().clamp(0, levels - 1) + 1


def chain_term(
    logits: Tensor,
    x_t: Tensor,
    x0: Tensor,
    free: Tensor,
    t: Tensor,
    levels: int,
    prior: Tensor,
    schedule: str,
) -> Tensor:
    """Return the KL of step t [B] of the chain, summed over the free cells: float64 [B].

    logits: of x0, by the network. logits, x_t, x0, free [B, ...]; prior fits them.
    """
    # Float64 on the CPU: probabilities here are often 1e-6, and their logarithm is what counts.
    p_x0, noisy, clean, rates = (
        each.detach().double().cpu() for each in (torch.sigmoid(logits.double()), x_t, x0, prior)
    )
    each_window = [-1] + [1] * (x0.dim() - 1)
    here, after = (
        alpha_bar(step.double().cpu() / levels, schedule).view(each_window) for step in (t, t - 1)
    )
    truth = posterior(noisy, clean, here, after, rates)
    guess = predicted_posterior(noisy, p_x0, here, after, rates)
    return (kl_bernoulli(truth, guess) * free.double().cpu()).flatten(1).sum(dim=1)


def spread_levels(size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return noise levels [B], spread evenly over 0 to 1, in random order: a batch sees all of
    them."""
    order = torch.randperm(size, generator=generator, device=device)
    place = torch.rand(size, generator=generator, device=device)
    return ((order + place) / size).clamp(*_LEVELS)


def bound_rate(
    logits: Tensor, x_t: Tensor, x0: Tensor, level: Tensor, prior: Tensor, schedule: str
) -> Tensor:
    """Return the bound's density at noise `level` [B], of each cell, in nats: what to train on.

    Its mean over levels from 0 to 1 is the bound for T -> infinity (Campbell et al. 2022, eq. 7,
    for a chain that flips one cell at a time): with the true rate r of going back across a flip,
    and the network's R, r log(r / R) - r + R. logits: of x0, a cell's own evidence included.
    """
    level = level.clamp(*_LEVELS)[:, None, None, None, None]
    kept, decay = alpha_bar(level, schedule), log_decay(level, schedule)
    if_one, if_zero = (flip_rate(x_t, x, kept, decay, prior) for x in (1.0, 0.0))
    truth = torch.where(x0 > 0.5, if_one, if_zero)
    one, zero = F.logsigmoid(logits), F.logsigmoid(-logits)
    log_guess = torch.logaddexp(one + if_one.log(), zero + if_zero.log())
    guess = one.exp() * if_one + zero.exp() * if_zero
    return truth * (truth.log() - log_guess) - truth + guess


def kl_bernoulli(p: Tensor, q: Tensor) -> Tensor:
    """KL(B(p) || B(q)) of each cell, in nats; finite where q is 0 or 1."""
    q = q.clamp(_TINY, 1.0 - _TINY)
    one = torch.special.xlogy(p, p) - p * torch.log(q)
    zero = torch.special.xlogy(1.0 - p, 1.0 - p) - (1.0 - p) * torch.log1p(-q)
    both: Tensor = one + zero
    return both


def free_steps(batch: Batch) -> Tensor:
    """Return how many steps of each window have a free cell, float64 [B]: what a bound is divided
    by."""
    return torch.from_numpy((~batch.mask).any(axis=1).sum(axis=-1)).double()
