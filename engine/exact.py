"""From a network's logits to those of the exact chain: what single cells say, added by Bayes.

A token of the frame transformer is a sixteenth of all voices and pitches, 2,112 cells in a few
hundred numbers: it hears the outline and cannot carry single cells through. For playing in ten
calls that is a virtue (each call redraws what earlier ones got wrong), for likelihood and the
exact chain a fault: there x0 is known but for a few cells. So these modules stand behind the
network in `ancestral` sampling and in the likelihood bound, and nowhere else:

    Evidence   adds log q(x_t | x0 = 1) - log q(x_t | x0 = 0) of the cell itself, weighted
    Retouch    a small convolution along time that is trained to weigh it (engine.retouching)

Scriptable. Shapes: B batch, V voice, P plane, K pitch, S step, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_DILATIONS = (1, 3, 9, 27, 1)
_KERNEL = 5


class Evidence(nn.Module):
    """The logits plus a cell's own evidence, its weight falling in a line with the noise level."""

    def __init__(self, weight: float, fall: float = 0.0) -> None:
        """weight: at noise level 0; fall: how much less it is at level 1."""
        super().__init__()
        self.weight, self.fall = weight, fall

    def forward(
        self, logits: Tensor, seen: Tensor, known: Tensor, mask: Tensor, level: Tensor
    ) -> Tensor:
        """Logits of x0, [B, V, P, K, S]. seen: `noise.own_evidence`; level [B]; others unused."""
        return logits + (self.weight - self.fall * level[:, None, None, None, None]) * seen


class Retouch(nn.Module):
    """Dilated convolutions over the steps of each pitch by itself; told the noise level (FiLM).

    It reaches 2 beats to either side: as far as the cells of a note confirm each other.
    """

    def __init__(self, channels: int = 32, planes: int = 4) -> None:
        """planes: voices x planes of the rolls."""
        super().__init__()
        self.channels, self.planes = channels, planes
        layers = len(_DILATIONS) + 1
        self.into = nn.Conv1d(4 * planes, channels, _KERNEL, padding=_KERNEL // 2)
        self.layers = nn.ModuleList(
            nn.Conv1d(channels, channels, _KERNEL, padding=_KERNEL // 2 * far, dilation=far)
            for far in _DILATIONS
        )
        self.out = nn.Conv1d(channels, planes, 1)
        self.film = nn.Linear(3, 2 * channels * layers)
        self.weights = nn.Linear(3, 2 * planes)  # of the logits and of the evidence
        for part in (self.out, self.film, self.weights):
            for weights in part.parameters():
                nn.init.zeros_(weights)

    def forward(
        self, logits: Tensor, seen: Tensor, known: Tensor, mask: Tensor, level: Tensor
    ) -> Tensor:
        """Logits of x0, [B, V, P, K, S], as all arguments but level [B]."""
        batch, voices, planes, pitches, steps = logits.shape
        rows = [self._rows(part) for part in (0.25 * logits, 0.25 * seen, known, mask)]
        told = torch.stack([level, level**2, 0.25 * torch.log1p(-level.clamp(max=0.999))], dim=1)
        film = self.film(told).view(batch, -1, 2, self.channels, 1).repeat_interleave(pitches, 0)
        h = self._heard(self.into(torch.cat(rows, dim=1)), film[:, 0])
        for index, layer in enumerate(self.layers):
            h = h + self._heard(layer(h), film[:, index + 1])
        change = self.out(h).view(batch, pitches, voices, planes, steps).permute(0, 2, 3, 1, 4)
        weights = self.weights(told).view(batch, 2, voices, planes, 1, 1)
        out: Tensor = logits * (1.0 + weights[:, 0]) + seen * (0.9 + weights[:, 1]) + change
        return out

    def _heard(self, h: Tensor, film: Tensor) -> Tensor:
        return F.silu(h * (1.0 + film[:, 0]) + film[:, 1])

    def _rows(self, x: Tensor) -> Tensor:
        """[B, V, P, K, S] to [B * K, V * P, S]: every pitch a sequence of its own."""
        return x.permute(0, 3, 1, 2, 4).reshape(x.size(0) * x.size(3), self.planes, x.size(4))
