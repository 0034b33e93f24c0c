"""Score a model on held-out music: likelihood against baselines, harmony against the composer's.

The protocol is written down in docs/evaluation.md. Likelihoods are upper bounds for the network
(engine.bound) and exact for the baselines, over the free cells of the very same windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine import metrics
from engine.baselines import Floats, fit
from engine.bound import free_steps, window_bound
from engine.corpus import SPLITS
from engine.dataset import Batch, Pack, merged_batch
from engine.feed import make_windows
from engine.generator import Generator
from engine.grid import (
    ACCOMPANIMENT,
    LEAD,
    ONSET,
    PIANO,
    STEPS_PER_BEAT,
    STEPS_PER_TOKEN,
    GridError,
    Meter,
    MeterMap,
)
from engine.request import FillRequest, SampleSettings
from engine.roll import PianoRoll

TASKS = ("harmonize", "live", "continue", "infill", "generate")
"""What can be scored. `vary` starts from the answer, so it has no likelihood."""

_CHUNK = 16
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """What to score. beats: window length; levels, draws: of the bound; settings: for the replies.

    fit_windows: train windows the baselines are fitted on.
    """

    task: str = "harmonize"
    split: str = "valid"
    windows: int = 64
    beats: int = 16
    levels: int = 100
    draws: int = 4
    baselines: bool = True
    fit_windows: int = 1024
    seed: int = 0
    settings: SampleSettings = field(default_factory=lambda: SampleSettings(voices=88))


def task_mask(task: str, steps: int) -> NDArray[np.bool_]:
    """What is known, bool[voice, step].

    continue: the first half. live: the same and one beat more of our own, which is committed
    already when a plan is made. infill: all but the middle half.
    """
    known = np.zeros((2, steps), np.bool_)
    if task == "harmonize":
        known[LEAD] = True
    elif task == "continue":
        known[:, : steps // 2] = True
    elif task == "live":
        known[LEAD, : steps // 2] = True
        known[ACCOMPANIMENT, : steps // 2 + STEPS_PER_BEAT] = True
    elif task == "infill":
        known[:] = True
        known[:, steps // 4 : 3 * steps // 4] = False
    return known


def draw_windows(pack: Pack, wanted: EvaluateSettings, split: int, count: int) -> Batch:
    """`count` windows in which both voices play, untransposed, told neither style nor density."""
    windows = make_windows(pack, split, wanted.seed + 1000 * split)
    parts: list[Batch] = []
    have = 0
    for _ in range(50 + count):
        batch = windows.batch(_CHUNK, wanted.beats, augment=0.0)
        both = batch.target[:, :, ONSET].any(axis=(2, 3)).sum(axis=1) == 2
        parts.append(_pick(batch, np.flatnonzero(both)[: count - have]))
        have += len(parts[-1].target)
        if have == count:
            break
    batch = _join(parts)
    mask = np.broadcast_to(task_mask(wanted.task, batch.target.shape[-1]), batch.mask.shape)
    nothing = np.zeros_like(batch.style)
    return replace(batch, context=batch.target, mask=mask.copy(), style=nothing, density=nothing)


def _pick(batch: Batch, rows: NDArray[np.int64]) -> Batch:
    fields = ("target", "context", "mask", "phase", "bar", "style", "density")
    return Batch(*(getattr(batch, name)[rows] for name in fields))


def _join(parts: list[Batch]) -> Batch:
    fields = ("target", "context", "mask", "phase", "bar", "style", "density")
    return Batch(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def likelihood(
    generator: Generator, pack: Pack, wanted: EvaluateSettings, report: Report
) -> dict[str, Any]:
    """Nats a beat of the free cells: {"model": {nats_per_beat, se, ...}, "marginal": ..., ...}."""
    if generator.merged and wanted.task != "generate":
        return {"note": "known cells are written over the noise: that gives no likelihood"}
    sampler: Any = generator.sampler

    def shape(batch: Batch) -> Batch:
        return merged_batch(batch, generator.pitches) if generator.merged else batch

    batch = shape(draw_windows(pack, wanted, SPLITS.index(wanted.split), wanted.windows))
    random = torch.Generator(generator.device).manual_seed(wanted.seed)
    nats = []
    for start in range(0, len(batch.target), _CHUNK):
        part = _pick(batch, np.arange(start, min(start + _CHUNK, len(batch.target))))
        bound = window_bound(
            sampler.network, part, sampler.prior, sampler.schedule, random,
            wanted.levels, wanted.draws, (sampler.evidence, sampler.evidence_fall),
        )  # fmt: skip
        nats.append(bound.numpy())
        report(f"likelihood of {start + len(part.target)} of {len(batch.target)} windows")
    steps = free_steps(batch).numpy()
    model = np.concatenate(nats)
    found: dict[str, Any] = {"model": _per_beat(model, steps)}
    if wanted.baselines:
        many = math.ceil(wanted.fit_windows / _CHUNK)
        train = (
            shape(draw_windows(pack, replace(wanted, seed=wanted.seed + i), 0, _CHUNK))
            for i in range(many)
        )
        report(f"baselines on {many * _CHUNK} train windows")
        for name, cost in fit(train).nats(batch).items():
            found[name] = _per_beat(cost, steps) | {"model_less": _per_beat(cost - model, steps)}
    return {"levels": wanted.levels, "draws": wanted.draws, "bound": "model only", **found}


def _per_beat(nats: Floats, steps: Floats) -> dict[str, float]:
    """Mean over all steps, and the standard error from window to window (and the draws)."""
    per_step = float(nats.sum() / steps.sum())
    spread = (nats - per_step * steps).std(ddof=1) / steps.mean() / math.sqrt(len(nats))
    return {
        "nats_per_beat": per_step * STEPS_PER_BEAT,
        "se": float(spread) * STEPS_PER_BEAT,
        "nats_per_step": per_step,
    }


def harmony(
    generator: Generator, pack: Pack, wanted: EvaluateSettings, report: Report
) -> dict[str, Any]:
    """Replies to the windows' leads beside the composer's: note F1, profiles, distances."""
    batch = draw_windows(pack, wanted, SPLITS.index(wanted.split), wanted.windows)
    rows = slice(generator.pitches.low - PIANO.low, generator.pitches.high + 1 - PIANO.low)
    target = batch.target[:, :, :, rows]
    replies, matched = [], np.zeros(3, np.int64)
    for index, cells in enumerate(target):
        known = np.broadcast_to(batch.mask[index][:, None, None, :], cells.shape)
        request = FillRequest(
            PianoRoll(cells & known, generator.pitches),
            known,
            meters_of(batch.phase[index], batch.bar[index]),
            replace(wanted.settings, seed=wanted.settings.seed + index),
        )
        filled = generator.fill(request).cells
        free = ~batch.mask[index, ACCOMPANIMENT]
        replies.append((filled[LEAD], filled[ACCOMPANIMENT]))
        matched += metrics.note_f1(filled[ACCOMPANIMENT] & free, cells[ACCOMPANIMENT] & free)
        report(f"reply {index + 1} of {len(target)}")
    return {
        "note_f1": float(2 * matched[0] / max(matched[1] + matched[2], 1)),
        **_compare(replies, [(c[LEAD], c[ACCOMPANIMENT]) for c in target], generator.pitches.low),
    }


def _compare(
    replies: list[metrics.Pair], human: list[metrics.Pair], low: int
) -> dict[str, dict[str, float]]:
    """Profiles of the replies, the composer, and the composer's part of another piece."""
    scales = [
        metrics.scale_of(metrics.pitch_class_steps(np.asarray((lead | reply).any(axis=0)), low))
        for lead, reply in human
    ]
    wrong = [(lead, human[(i + 1) % len(human)][1]) for i, (lead, _) in enumerate(human)]
    truth = metrics.profile(human, scales, low)
    found = {}
    for name, pairs in (("model", replies), ("wrong piece", wrong)):
        described = metrics.profile(pairs, scales, low)
        found[name] = described.numbers()
        found[f"{name} to human"] = metrics.distances(described, truth)
    halves = [metrics.profile(human[i::2], scales[i::2], low) for i in (0, 1)]
    return {"human": truth.numbers(), **found, "half to half": metrics.distances(*halves)}


def meters_of(phase: NDArray[np.int64], bar: NDArray[np.int64]) -> MeterMap:
    """Bar lines of a window from its tokens' phase and bar length; 4/4 where no meter fits."""
    changes: dict[int, Meter] = {}
    for index in [0, *(np.flatnonzero(np.diff(bar)) + 1)]:
        try:
            meter = Meter(max(int(bar[index]) // 3, 1), 32)
        except GridError:
            meter = Meter(4, 4)
        changes[int(index) * STEPS_PER_TOKEN - int(phase[index])] = meter
    return MeterMap(tuple(sorted(changes.items())))


def evaluate(
    generator: Generator,
    pack: Pack,
    wanted: EvaluateSettings,
    report: Report = lambda text: None,
    replies: bool = True,
) -> dict[str, Any]:
    """Everything as plain JSON values. Raises PackError where the split has no piece."""
    found: dict[str, Any] = {
        "model": generator.metadata["name"],
        "task": wanted.task,
        "split": wanted.split,
        "windows": wanted.windows,
        "beats": wanted.beats,
        "seed": wanted.seed,
        "nll": likelihood(generator, pack, wanted, report),
    }
    if replies and wanted.task != "generate":
        settings = wanted.settings
        found["sampling"] = {"sampler": settings.sampler, "steps": settings.steps,
                             "temperature": settings.temperature}  # fmt: skip
        found["harmony"] = harmony(generator, pack, wanted, report)
    return found
