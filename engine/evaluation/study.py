"""Ways to sample, side by side: the same leads answered by each sampler, with few calls and many.

Every way answers the same held-out leads (harmonize) with the same seeds, so rows differ by the
way alone. What is said of the replies is `compare`'s; beside it stand how choppy they are
and how long one takes. Rows also get an order, by the mean of the nine ratios to the half-split
distance: a help to find one's way in the table, never a verdict, since note F1, choppiness and
time are not in it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any, Protocol

import numpy as np

from engine.diffusion.batch import Batch
from engine.evaluation.compare import WRONG_PIECE, compare, wrong_piece
from engine.evaluation.distances import mean_ratio
from engine.evaluation.evaluate import rows_of
from engine.evaluation.halves import Partition
from engine.evaluation.held_out import EvaluateSettings, draw_windows, meters_of
from engine.evaluation.metrics import Pair, note_lengths
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_TOKEN, PitchRange
from engine.music.roll import Cells, PianoRoll
from engine.reports import Report
from engine.requests.request import SAMPLERS, FillRequest, SampleSettings
from engine.training.corpus import SPLITS
from engine.training.dataset import Pack

CALLS = (4, 6, 10, 20, 50, 100)
TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 1.0)
_SPACINGS = (0.5, 0.75, 1.0, 1.5, 2.0)
_CORRECTIONS = (0, 2, 4, 8)
_CORRECTED = ("ddim", "ancestral")
"""Samplers that keep what they drew, and so might need correcting; beside the default."""
_ALONE = 3


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """One way to sample; `steps` are calls of the network, `corrections` of them at low noise.

    spacing: power of the fall of the noise level; above 1 there are more calls at low noise.
    """

    sampler: str
    steps: int
    temperature: float
    spacing: float = 1.0
    corrections: int = 0

    def settings(self, others: SampleSettings) -> SampleSettings:
        """`others`, sampled this way."""
        return replace(others, sampler=self.sampler, steps=self.steps, temperature=self.temperature)


@dataclass(frozen=True, slots=True)
class StudySettings:
    """What to compare. default: the way played now. batch: replies filled together.

    beats: length of a window. The rows are samplers x calls at the default temperature; the
    default sampler and calls at each temperature, and with the noise level falling otherwise; and
    correctors, of these calls, for the default and for samplers that keep what they drew.
    """

    default: SamplerChoice
    samplers: tuple[str, ...] = SAMPLERS
    calls: tuple[int, ...] = CALLS
    temperatures: tuple[float, ...] = TEMPERATURES
    split: str = "valid"
    windows: int = 24
    beats: int = 16
    batch: int = 8
    seed: int = 0

    def tables(self) -> dict[str, list[SamplerChoice]]:
        """Return the rows of each table, in order."""
        heat = self.default.temperature
        return {
            "calls": [
                SamplerChoice(name, count, heat) for name in self.samplers for count in self.calls
            ],
            "temperature": [replace(self.default, temperature=heat) for heat in self.temperatures],
            "spacing": [replace(self.default, spacing=power) for power in _SPACINGS],
            "corrections": [
                replace(self.default, sampler=name, corrections=count)
                for name in dict.fromkeys((self.default.sampler, *_CORRECTED))
                for count in _CORRECTIONS
                if count < self.default.steps
            ],
        }


class PacedFiller(Protocol):
    """What answers: a Generator."""

    def paced(self, spacing: float, corrections: int) -> PacedFiller:
        """Return the same with other noise levels."""
        ...

    @property
    def pitches(self) -> PitchRange:
        """Of its rolls."""
        ...

    def fill(self, request: FillRequest) -> PianoRoll:
        """Return the request's roll, filled."""
        ...

    def fill_many(self, requests: Sequence[FillRequest]) -> list[PianoRoll]:
        """Return the same of several requests of one length."""
        ...


def study(
    filler: PacedFiller, pack: Pack, wanted: StudySettings, report: Report = lambda text: None
) -> dict[str, Any]:
    """Return every row as plain JSON values. Raises PackError where the split has too little.

    {"human": {"profile", "half_split", "short", "mean_length"}, "wrong piece": row, "tables":
    {"calls": [row], "temperature": [row], ..}}; a row: the fields of its SamplerChoice, "note_f1",
    "profile", "distance", "ratio", "mean_ratio", "order" (1 = nearest to human by mean ratio),
    "short" (share of notes of a sixteenth or less), "length_ratio" (mean length to human's) and
    "ms_per_reply" (median of replies filled one at a time).
    """
    requests, human = _questions(filler.pitches, pack, wanted)
    partition = Partition.by_windows(len(human))
    tables = wanted.tables()
    ways = list(dict.fromkeys(way for rows in tables.values() for way in rows))
    filler.fill_many(_asked(requests[: wanted.batch], wanted.default))  # compiles; does not count
    replies, times = {}, {}
    for index, way in enumerate(ways):
        report(f"{way.sampler}, {way.steps} calls: way {index + 1} of {len(ways)}")
        paced = _paced(filler, way)
        times[way] = _alone_ms(paced, _asked(requests, way)[:_ALONE])
        filled = _together(paced, _asked(requests, way), wanted.batch)
        replies[way] = [_pair(roll.cells) for roll in filled]
    compared = compare(
        {_name(way): pairs for way, pairs in replies.items()},
        human,
        partition,
        filler.pitches.low,
    )
    scores = compared["replies"]
    order = _order({way: mean_ratio(scores[_name(way)]["ratio"]) for way in ways})
    rows = {
        way: asdict(way)
        | _row(scores[_name(way)], replies[way], human)
        | {"order": order[way], "ms_per_reply": times[way]}
        for way in ways
    }
    return {
        "default": asdict(wanted.default),
        **{name: getattr(wanted, name) for name in ("split", "windows", "beats", "seed")},
        "human": compared["human"] | _choppiness(human),
        WRONG_PIECE: _row(scores[WRONG_PIECE], wrong_piece(human, partition), human),
        "tables": {name: [rows[way] for way in row_ways] for name, row_ways in tables.items()},
    }


def _questions(
    pitches: PitchRange, pack: Pack, wanted: StudySettings
) -> tuple[list[FillRequest], list[Pair]]:
    """Return the leads, each with its own seed, and what the composers wrote to them."""
    drawn = EvaluateSettings(
        split=wanted.split, windows=wanted.windows, beats=wanted.beats, seed=wanted.seed
    )
    batch = draw_windows(pack, drawn, SPLITS.index(wanted.split), wanted.windows)
    mine = batch.target[:, :, :, rows_of(pitches)]
    requests = [_question(batch, cells, index, pitches, wanted) for index, cells in enumerate(mine)]
    return requests, [_pair(cells) for cells in mine]


def _question(
    batch: Batch, cells: Cells, index: int, pitches: PitchRange, wanted: StudySettings
) -> FillRequest:
    known = np.broadcast_to(batch.mask[index][:, None, None, :], cells.shape)
    return FillRequest(
        PianoRoll(cells & known, pitches),
        known,
        meters_of(batch.phase[index], batch.bar[index]),
        SampleSettings(seed=wanted.seed + index, low=pitches.low, high=pitches.high, voices=88),
    )


def _pair(cells: Cells) -> Pair:
    return cells[LEAD], cells[ACCOMPANIMENT]


def _paced(filler: PacedFiller, way: SamplerChoice) -> PacedFiller:
    """Return the filler itself, compiled as it is, where the levels fall as they are played."""
    plain = (way.spacing, way.corrections) == (1.0, 0)
    return filler if plain else filler.paced(way.spacing, way.corrections)


def _asked(requests: Sequence[FillRequest], way: SamplerChoice) -> list[FillRequest]:
    return [replace(request, settings=way.settings(request.settings)) for request in requests]


def _together(filler: PacedFiller, requests: Sequence[FillRequest], batch: int) -> list[PianoRoll]:
    starts = range(0, len(requests), batch)
    return [roll for at in starts for roll in filler.fill_many(requests[at : at + batch])]


def _alone_ms(filler: PacedFiller, requests: Sequence[FillRequest]) -> float:
    """Median time of one reply, as a player waits for it."""
    times = []
    for request in requests:
        started_ns = time.perf_counter_ns()
        filler.fill(request)
        times.append((time.perf_counter_ns() - started_ns) / 1e6)
    return median(times)


def _name(way: SamplerChoice) -> str:
    fall = f"{way.temperature:g}, {way.spacing:g}, {way.corrections}"
    return f"{way.sampler}, {way.steps}, {fall}"


def _row(scores: Mapping[str, Any], pairs: Sequence[Pair], human: Sequence[Pair]) -> dict[str, Any]:
    kept = {name: scores[name] for name in ("note_f1", "profile", "distance", "ratio")}
    chopped, theirs = _choppiness(pairs), _choppiness(human)
    return kept | {
        "mean_ratio": mean_ratio(scores["ratio"]),
        "short": chopped["short"],
        "length_ratio": chopped["mean_length"] / max(theirs["mean_length"], 1.0),
    }


def _choppiness(pairs: Sequence[Pair]) -> dict[str, float]:
    """short: share of notes of a sixteenth or less. mean_length: of all, steps; 0 with none."""
    lengths = np.concatenate([note_lengths(reply) for _, reply in pairs])
    if not len(lengths):
        return {"short": 0.0, "mean_length": 0.0}
    return {
        "short": float((lengths <= STEPS_PER_TOKEN).mean()),
        "mean_length": float(lengths.mean()),
    }


def _order(ratios: Mapping[SamplerChoice, float | None]) -> dict[SamplerChoice, int]:
    """1 for the way nearest to human; the earlier one first where they are equal, None last."""
    ranked = sorted(ratios, key=lambda way: (ratios[way] is None, ratios[way] or 0.0))
    return {way: place for place, way in enumerate(ranked, 1)}
