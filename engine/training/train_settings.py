"""What a training run is asked for, where it is, and its learning rate. numpy and torch are not
needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """One training run. It ends after `steps` or `minutes` of training, whichever is first."""

    data: Path
    out: Path
    family: str = "frame-transformer"
    steps: int = 1_000_000
    """Of the optimiser."""
    minutes: float = 60.0
    batch: int = 16
    """Windows a step."""
    beats: int = 16
    """Length of a window."""
    rate: float = 1.2e-3
    warmup: int = 200
    """Steps in which the rate rises."""
    decay: float = 0.3
    """Last share of the run, over which the rate falls to zero."""
    ema: float = 0.999
    """Share that the averaged weights keep at each step."""
    seed: int = 0
    device: str = "cpu"
    save_every: int = 200
    threads: int = 0
    """Bound on torch's threads; 0 = torch's own choice."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Of the network, where they are not the family's own."""
    valid_windows: int = 4
    """A validation takes 4 x 7 times as many."""
    own_past: float = 0.4
    """Scheduled sampling: share of the batches, the run's first tenth apart, with the model's own
    accompaniment as context, where the family has tasks."""
    start_from: Path | None = None
    """An export or a checkpoint whose weights a fresh run begins with."""
    compiled: bool = False
    """Through torch.compile, which needs a C++ compiler and a minute, and on a CPU makes a step
    about a fifth shorter."""


@dataclass(slots=True)
class Progress:
    """Where a run is; losses in nats per step of music, `loss` smoothed.

    valid: loss on held-out windows. bound: upper bound on their -log p, in nats per beat.
    """

    step: int = 0
    elapsed_s: float = 0.0
    loss: float = math.nan
    valid: float = math.nan
    bound: float = math.nan


def learning_rate(settings: TrainSettings, step: int, share_done: float) -> float:
    """Warm up, stay, fall: as a share of `rate`."""
    warm = min(1.0, (step + 1) / settings.warmup)
    return settings.rate * warm * min(1.0, max(0.0, 1.0 - share_done) / settings.decay)
