"""Likelihoods of held-out windows: models' upper bounds beside exact baselines, in nats a beat.

Bounds are `diffusion.bound`'s and baselines `baselines`', over the free cells of the very same
windows. The protocol is written down in docs/evaluation.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from engine.diffusion.batch import Batch, merged_batch, within
from engine.diffusion.bound import free_steps, window_bound
from engine.diffusion.key_normalisation import KEY_NATS, all_alone, key_normalised, nothing_known
from engine.evaluation.baselines import fit
from engine.evaluation.held_out import CHUNK, EvaluateSettings, draw_windows, pick
from engine.model.generator import Generator
from engine.music.grid import PAPER, STEPS_PER_BEAT
from engine.music.roll import Floats
from engine.reports import Report
from engine.training.corpus import SPLITS
from engine.training.dataset import Pack

_NO_BOUND = "known cells are written over the noise: that gives no likelihood"
_ONE_PLANE = "rolls of one voice and one plane: compare it on merged rolls"


def likelihood(
    generators: Mapping[str, Generator], pack: Pack, wanted: EvaluateSettings, report: Report
) -> dict[str, Any]:
    """Score the free cells: {"models": {name: ..}, "baselines": {name: ..}}, see `_table`.

    For `generate` also "merged": all models on the paper's kind of roll (`_on_merged`).
    """
    whole = draw_windows(pack, wanted, SPLITS.index(wanted.split), wanted.windows)
    free = wanted.task == "generate"
    bounds = {
        name: _bounds(generator, whole, wanted, report_as(report, name))
        for name, generator in generators.items()
        if not generator.merged
    }
    notes = {
        name: _ONE_PLANE if free else _NO_BOUND
        for name, generator in generators.items()
        if generator.merged
    }
    fitted = _baselines(pack, wanted, whole, _as_is, report)
    facts = {"levels": wanted.levels, "draws": wanted.draws, "bound": "models only"}
    found = facts | _table(bounds, notes, whole, fitted)
    return found | ({"merged": _on_merged(generators, pack, wanted, report)} if free else {})


def _on_merged(
    generators: Mapping[str, Generator], pack: Pack, wanted: EvaluateSettings, report: Report
) -> dict[str, Any]:
    """Return all models on the same windows as merged rolls m of 33..88: one voice, one plane.

    A two-voice model is asked for m as an accompaniment to a lead that is known to rest: a roll
    x(m) for every m (`merged.alone`), so p(x(m) | a lead that rests) is a distribution over m.
    It has not all of its weight on such x, and 32 more pitches to be silent on, which can only
    make the model look worse than it is.
    """
    whole = within(draw_windows(pack, wanted, SPLITS.index(wanted.split), wanted.windows), PAPER)
    rolls = {True: whole, False: all_alone(whole)}
    bounds = {
        name: _bounds(each, rolls[each.merged], wanted, report_as(report, f"{name}, merged rolls"))
        for name, each in generators.items()
    }
    merged = _as_paper(whole)
    return _table(bounds, {}, merged, _baselines(pack, wanted, merged, _as_paper, report))


def report_as(report: Report, name: str) -> Report:
    """Return a report whose lines say which model they are of."""
    return lambda text: report(f"{name}: {text}")


def _as_is(batch: Batch) -> Batch:
    return batch


def _as_paper(batch: Batch) -> Batch:
    return merged_batch(batch, PAPER)


def _bounds(generator: Generator, whole: Batch, wanted: EvaluateSettings, report: Report) -> Floats:
    """Return the bound of each window, float64 [B], on rolls as the model has them."""
    batch = merged_batch(whole, generator.pitches) if generator.merged else whole
    key: Floats = np.zeros(len(batch.target))
    if generator.key_normalised:
        key, batch = KEY_NATS * nothing_known(batch).astype(np.float64), key_normalised(batch)
    sampler: Any = generator.sampler
    random = torch.Generator(generator.device).manual_seed(wanted.seed)
    nats = []
    for start in range(0, len(batch.target), CHUNK):
        part = pick(batch, np.arange(start, min(start + CHUNK, len(batch.target))))
        bound = window_bound(
            sampler.network,
            part,
            sampler.prior,
            sampler.schedule,
            random,
            wanted.levels,
            wanted.draws,
            sampler.exact,
        )
        nats.append(bound.numpy())
        report(f"likelihood of {start + len(part.target)} of {len(batch.target)} windows")
    return np.asarray(np.concatenate(nats) + key)


def _baselines(
    pack: Pack,
    wanted: EvaluateSettings,
    batch: Batch,
    shape: Callable[[Batch], Batch],
    report: Report,
) -> dict[str, Floats]:
    """Exact nats of each window by each baseline, fitted on train windows of the same shape."""
    if not wanted.baselines:
        return {}
    many = math.ceil(wanted.fit_windows / CHUNK)

    def train() -> Iterator[Batch]:
        for i in range(many):
            yield shape(draw_windows(pack, replace(wanted, seed=wanted.seed + i), 0, CHUNK))

    report(f"baselines on {many * CHUNK} train windows")
    return fit(train()).nats(batch)


def _table(
    bounds: Mapping[str, Floats], notes: Mapping[str, str], batch: Batch, exact: dict[str, Floats]
) -> dict[str, Any]:
    """{"models": {name: nats}, "baselines": {name: nats}}.

    Each nats is {nats_per_beat, se, nats_per_step}, with "less": {model: paired difference} for
    what a model has less than this baseline, or than this other model. A model that has no
    likelihood here has a {"note"} instead.
    """
    steps = free_steps(batch).numpy()

    def row(nats: Floats, apart_from: str = "") -> dict[str, Any]:
        others = {name: other for name, other in bounds.items() if name != apart_from}
        less = {name: per_beat(nats - other, steps) for name, other in others.items()}
        return per_beat(nats, steps) | {"less": less}

    models = {name: row(nats, name) for name, nats in bounds.items()}
    return {
        "models": models | {name: {"note": note} for name, note in notes.items()},
        "baselines": {name: row(nats) for name, nats in exact.items()},
    }


def per_beat(nats: Floats, steps: Floats) -> dict[str, float]:
    """Return mean over all steps, and the standard error from window to window (and the draws)."""
    per_step = float(nats.sum() / steps.sum())
    spread = (nats - per_step * steps).std(ddof=1) / steps.mean() / math.sqrt(len(nats))
    return {
        "nats_per_beat": per_step * STEPS_PER_BEAT,
        "se": float(spread) * STEPS_PER_BEAT,
        "nats_per_step": per_step,
    }
