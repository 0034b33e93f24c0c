"""A figure: one rhythm that the bars of the accompaniment share. TorchScript-compatible.

Where a model draws each cell by its own chance, every bar gets a rhythm of its own and none lasts.
Here the chances of all bars lean on one another in each call, by as much as is asked for.

Shapes: B batch, V voice (the accompaniment last), P plane (onsets first), K pitch, S step, N token.
"""

import torch
from torch import Tensor


def places_in_bar(phase: Tensor, steps: int) -> Tensor:
    """Return the place in its bar of each step, int64 [B, S].

    phase: int64 [B, N], that of the first step of each token.
    """
    width = steps // phase.size(1)
    return phase.repeat_interleave(width, dim=1) + torch.arange(width, device=phase.device).repeat(
        phase.size(1)
    )


def tied_bars(probability: Tensor, known: Tensor, places: Tensor, share: float) -> Tensor:
    """Return `probability` with the accompaniment's onsets moved towards the figure.

    The figure is the expected number of onsets at each place in the bar: their geometric mean over
    the bars, so that what half of the bars leave out counts little. Known bars in which something
    begins count with what begins in them. The odds of each onset are multiplied by (figure /
    expected here) ** share, and by what leaves the window about as many onsets as before.

    probability: [B, V, P, K, S], 0 where nothing is free; known: the known cells, the same shape;
    places: [B, S]; share: 0 (as it was) to 1.
    """
    onset = probability[:, -1, 0]
    begun = known[:, -1, 0].sum(dim=1)  # [B, S]
    expected = onset.sum(dim=1)
    free = (onset.amax(dim=1) > 0.0).to(onset.dtype)
    counts = torch.maximum(free, _bars_with(begun, places) * (1.0 - free))
    strength = torch.log(expected + begun + _faint()) * counts
    mean = _over_bars(strength, places) / _over_bars(counts, places).clamp_min(1.0)
    factor = torch.exp(share * (mean - torch.log(expected + _faint()))) * free
    total = expected.sum(dim=1, keepdim=True)
    factor = factor * (total / (expected * factor).sum(dim=1, keepdim=True).clamp_min(1e-6))
    odds = onset / (1.0 - onset).clamp_min(1e-6) * factor[:, None]
    tied = probability.clone()
    tied[:, -1, 0] = odds / (1.0 + odds)
    return tied


def _bars_with(begun: Tensor, places: Tensor) -> Tensor:
    """1 at each step of a bar in which something begins, else 0. [B, S]."""
    bar_lines = torch.arange(places.size(1), device=places.device)[None] - places
    return _over_bars(begun, bar_lines - bar_lines.amin()).clamp(max=1.0)


def _over_bars(values: Tensor, places: Tensor) -> Tensor:
    """Return at each step the sum of `values` over the steps at the same place. All [B, S]."""
    sums = torch.zeros([values.size(0), int(places.amax()) + 1], device=values.device)
    return sums.scatter_add(1, places, values).gather(1, places)


def _faint() -> float:
    """Return what is added to a number of onsets, so that 0 has a logarithm too."""
    return 0.01  # a function, since TorchScript reads no numbers of a module
