"""From a network's logits to those of the exact chain: what single cells say, added by Bayes.

A token of the frame transformer is a sixteenth of all voices and pitches, 2,112 cells in a few
hundred numbers: it hears the outline and cannot carry single cells through. For playing in ten
calls that is a virtue (each call redraws what earlier ones got wrong), for likelihood and the
exact chain a fault: there x0 is known but for a few cells. So these modules stand behind the
network in `ancestral` sampling and in the likelihood bound, and nowhere else:

    CellEvidence   adds log q(x_t | x0 = 1) - log q(x_t | x0 = 0) of the cell itself, weighted
    CellRefiner    a small convolution that is trained to weigh it (engine.training.refining)

Scriptable. Shapes: B batch, V voice, P plane, K pitch, S step, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.music.grid import STEPS_PER_TOKEN

_WIDTH = 64
_TIME, _PITCH, _GROUPS = (1, 5), (25, 1), 8
_LAYERS = (
    # kernel over (pitch, token), dilation over tokens, groups of channels
    (_TIME, 1, 1),
    (_PITCH, 1, _GROUPS),
    (_TIME, 3, 1),
    (_PITCH, 1, _GROUPS),
    (_TIME, 1, 1),
    (_PITCH, 1, _GROUPS),
    ((1, 3), 1, 1),
)


class CellEvidence(nn.Module):
    """The logits plus a cell's own evidence, its weight falling in a line with the noise level."""

    def __init__(self, weight: float, fall: float = 0.0) -> None:
        """weight: at noise level 0; fall: how much less it is at level 1."""
        super().__init__()
        self.weight, self.fall = weight, fall

    def forward(
        self, logits: Tensor, seen: Tensor, known: Tensor, mask: Tensor, level: Tensor
    ) -> Tensor:
        """Return logits of x0, [B, V, P, K, S]. seen: `noise.own_evidence`; level [B]; others
        unused."""
        return logits + (self.weight - self.fall * level[:, None, None, None, None]) * seen


class CellRefiner(nn.Module):
    """Convolutions over time and pitch, a token of one pitch a place; FiLM by the noise level.

    A place holds all that is known of its pitch in a sixteenth, step by step: single cells reach
    the end. It hears 3 beats to either side, as far as the cells of a note confirm each other,
    and an octave up and down three times over.
    """

    def __init__(self, width: int = _WIDTH, planes: int = 4) -> None:
        """width: channels. planes: voices x planes of the rolls."""
        super().__init__()
        self.planes, self.fold = planes, STEPS_PER_TOKEN
        self.into = nn.Conv2d(4 * planes * STEPS_PER_TOKEN, width, (1, 3), padding=(0, 1))
        self.layers = nn.ModuleList(
            nn.Conv2d(
                width,
                width,
                kernel,
                dilation=(1, far),
                groups=groups,
                padding=(kernel[0] // 2, kernel[1] // 2 * far),
            )
            for kernel, far, groups in _LAYERS
        )
        self.film = nn.Linear(3, 2 * width * (len(_LAYERS) + 1))
        self.out = nn.Conv2d(width, planes * STEPS_PER_TOKEN, 1)
        self.weights = nn.Linear(3, 2 * planes)  # of the logits and of the evidence
        for part in (self.film, self.out, self.weights):
            for weights in part.parameters():
                nn.init.zeros_(weights)

    def forward(
        self, logits: Tensor, seen: Tensor, known: Tensor, mask: Tensor, level: Tensor
    ) -> Tensor:
        """Return logits of x0, [B, V, P, K, S], as all arguments but level [B]; S in whole
        tokens."""
        batch, voices, planes = logits.shape[:3]
        curve = 0.25 * torch.log1p(-level.clamp(max=0.999))
        level_features = torch.stack([level, level**2, curve], dim=1)
        film = self.film(level_features).view(batch, len(self.layers) + 1, 2, -1, 1, 1)
        parts = [self._folded(part) for part in (0.25 * logits, 0.25 * seen, known, mask)]
        h = self._film(self.into(torch.cat(parts, dim=1)), film[:, 0])
        for index, layer in enumerate(self.layers):
            h = h + self._film(layer(h), film[:, index + 1])
        change = self._unfolded(self.out(h)).view(logits.shape)
        weights = self.weights(level_features).view(batch, 2, voices, planes, 1, 1)
        out: Tensor = logits * (1.0 + weights[:, 0]) + seen * (0.9 + weights[:, 1]) + change
        return out

    def _film(self, h: Tensor, film: Tensor) -> Tensor:
        return F.silu(h * (1.0 + film[:, 0]) + film[:, 1])

    def _folded(self, x: Tensor) -> Tensor:
        """[B, V, P, K, S] to [B, V * P * steps of a token, K, tokens]."""
        batch, pitches, tokens = x.shape[0], x.shape[3], x.shape[4] // self.fold
        x = x.reshape(batch, self.planes, pitches, tokens, self.fold)
        return x.permute(0, 1, 4, 2, 3).flatten(1, 2)

    def _unfolded(self, x: Tensor) -> Tensor:
        """[B, V * P * steps of a token, K, tokens] to [B, V * P, K, S]."""
        batch, _, pitches, tokens = x.shape
        x = x.view(batch, self.planes, self.fold, pitches, tokens)
        return x.permute(0, 1, 3, 4, 2).flatten(3, 4)
