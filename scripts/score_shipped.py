"""Do the shipped weights still score what their card says? On a sample that anyone has.

The sample: two hymns typed by hand (scripts/hymns.py) and the bundled melodies. It is far too
small to compare models; it is there to notice that a model file, or the code around it, has
changed. Scores lie in presets/NAME.scores.json, one for each presets/NAME.pt, with the tolerance
that another machine's arithmetic may need. Run:

    python -m scripts.score_shipped            compare; exit code 1 where a score is off
    python -m scripts.score_shipped --write    after new weights
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.batch import Batch, merged_batch
from engine.evaluation import metrics
from engine.model.export import is_export
from engine.model.generator import Generator
from engine.music.grid import LEAD, PIANO, STEPS_PER_BEAT, STEPS_PER_TOKEN, Meter, MeterMap
from engine.music.roll import notes_to_roll
from engine.requests.request import FillRequest, SampleSettings
from engine.requests.tasks import harmonize_mask
from engine.training.dataset import cells_of_rows
from scripts.hymns import HYMNS, Hymn
from scripts.make_melodies import TUNES, Tune, notes_of

PRESETS = Path(__file__).resolve().parent.parent / "presets"
WINDOW_BEATS = 16
LEVELS, DRAWS, SEED = 100, 8, 0
_TONIC = {  # of the major scale whose notes a melody has
    "ode-to-joy": 2,
    "greensleeves": 0,
    "amazing-grace": 7,
    "auld-lang-syne": 5,
    "silent-night": 0,
}
_MAJOR = (0, 2, 4, 5, 7, 9, 11)


@dataclass(frozen=True, slots=True)
class Score:
    """A number, and how far from it another machine may come out."""

    value: float
    tolerance: float


TOLERANCES = {
    "bound_nats_per_beat": 0.05,
    "dissonant": 0.02,
    "out_of_scale": 0.02,
    "mean_onsets_per_beat": 0.4,
}
"""Of the same weights elsewhere: the bound's noise is drawn alike on every machine and only
rounding differs; in a harmony one cell that falls the other way changes all that comes after it, so
those leave room for another reply."""


def scores_file(model: Path) -> Path:
    """Where the scores of a shipped model are kept."""
    return model.with_suffix(".scores.json")


def sample(hymns: tuple[Hymn, ...] = HYMNS) -> Batch:
    """All windows of the hymns: the tune known, the other parts free; no style, no density."""
    rows, phases, bars, steps = [], [], [], WINDOW_BEATS * STEPS_PER_BEAT
    places = [(hymn, number) for hymn in hymns for number in range(hymn.windows)]
    for index, (hymn, number) in enumerate(places):
        start = (hymn.first_beat + number * WINDOW_BEATS) * STEPS_PER_BEAT
        rows += [
            (index, note.onset_step - start, note.end_step - start, note.pitch, note.voice)
            for note in hymn.notes
            if note.onset_step < start + steps and note.end_step > start
        ]
        phase, bar = hymn.meters.phase(start + np.arange(0, steps, STEPS_PER_TOKEN))
        phases.append(phase)
        bars.append(bar)
    cells = cells_of_rows(np.array(rows, np.int64), len(places), steps)
    mask = np.zeros((len(places), 2, steps), np.bool_)
    mask[:, LEAD] = True
    nothing = np.zeros(len(places), np.int64)
    return Batch(cells, cells, mask, np.stack(phases), np.stack(bars), nothing, nothing)


def bound_nats_per_beat(generator: Generator) -> float:
    """Upper bound on -log p of the hymns' lower parts given the tune, T = 100.

    Of all parts together where the model has no voices.
    """
    import torch

    from engine.diffusion.bound import free_steps, window_bound

    batch = sample()
    batch = merged_batch(batch, generator.pitches) if generator.merged else batch
    sampler: Any = generator.sampler
    bound = window_bound(
        sampler.network,
        batch,
        sampler.prior,
        sampler.schedule,
        torch.Generator(generator.device).manual_seed(SEED),
        LEVELS,
        DRAWS,
        sampler.exact,
    )
    return float(bound.sum() / free_steps(batch).sum()) * STEPS_PER_BEAT


def harmonies(
    generator: Generator, settings: SampleSettings
) -> Iterator[tuple[Tune, metrics.Pair]]:
    """Each bundled melody with its reply, each with a seed of its own."""
    for seed, tune in enumerate(TUNES):
        notes = notes_of(tune)
        end = max(note.end_step for note in notes)
        roll = notes_to_roll(notes, 0, -(-end // STEPS_PER_BEAT) * STEPS_PER_BEAT, PIANO)
        meters = MeterMap(((0, Meter.parse(tune.meter)),))
        wanted = replace(settings, seed=seed)
        lead, reply = generator.fill(FillRequest(roll, harmonize_mask(roll), meters, wanted)).cells
        yield tune, (lead, reply)


def _scale(tune: Tune) -> NDArray[np.bool_]:
    scale = np.zeros(12, np.bool_)
    scale[[(_TONIC[tune.file] + tone) % 12 for tone in _MAJOR]] = True
    return scale


def measure(model: Path) -> dict[str, float]:
    """Return the scores of a model file, by the names in TOLERANCES. A model without voices has the
    bound alone: its hundred calls a window take too long for a check."""
    return scores_of(Generator.load(model, "cpu"))


def scores_of(generator: Generator) -> dict[str, float]:
    """Return the same of a loaded model."""
    found = {"bound_nats_per_beat": bound_nats_per_beat(generator)}
    if not generator.merged:
        played = list(harmonies(generator, SampleSettings()))
        pairs, scales = [pair for _, pair in played], [_scale(tune) for tune, _ in played]
        counts = metrics.count(pairs, scales, PIANO.low)
        rates = metrics.profile(counts)
        found |= {name: rates[name] for name in TOLERANCES if name in rates}
    return found


def outside(found: dict[str, float], told: dict[str, Score]) -> list[str]:
    """Return what is off, one line each; nothing where all is as told."""
    wrong = [f"{name}: not measured" for name in told.keys() - found.keys()]
    wrong += [f"{name}: not told" for name in found.keys() - told.keys()]
    for name in sorted(told.keys() & found.keys()):
        score = told[name]
        if not abs(found[name] - score.value) <= score.tolerance:
            wrong.append(f"{name}: {found[name]:.4f}, told {score.value:.4f} ± {score.tolerance:g}")
    return wrong


def read(model: Path) -> tuple[str, dict[str, Score]]:
    """SHA-256 of the model file that was scored, and its scores."""
    told = json.loads(scores_file(model).read_text(encoding="utf-8"))
    return told["sha256"], {name: Score(**score) for name, score in told["scores"].items()}


def checksum(model: Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(model.read_bytes()).hexdigest()


def write(model: Path, sha256: str, found: dict[str, float]) -> None:
    """Keep the scores, of the file with that checksum, beside the model."""
    told = {
        "about": "Scores of one model file on a small sample, and how far another machine may come "
        "out. To notice changes, not to compare models.",
        "command": "python -m scripts.score_shipped --write",
        "sha256": sha256,
        "scores": {
            name: {"value": round(value, 4), "tolerance": TOLERANCES[name]}
            for name, value in found.items()
        },
    }
    scores_file(model).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def scored_models() -> list[Path]:
    """Return the shipped models of the binomial process; `bench systems` scores the other
    systems."""
    return [path for path in sorted(PRESETS.glob("*.pt")) if is_export(path)]


def main() -> int:
    """Score every shipped model; returns the exit code."""
    parser = argparse.ArgumentParser(description="Score the shipped models on a small sample.")
    parser.add_argument("--write", action="store_true", help="keep the scores beside the models")
    asked, code = parser.parse_args(), 0
    for model in scored_models():
        scored = checksum(model)
        found = measure(model)
        print(model.name, {name: round(value, 4) for name, value in found.items()})
        if asked.write:
            write(model, scored, found)
            continue
        sha256, told = read(model)
        wrong = outside(found, told) + ["another file was scored"] * (sha256 != scored)
        print(*wrong or ["as told"], sep="\n")
        code |= bool(wrong)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
