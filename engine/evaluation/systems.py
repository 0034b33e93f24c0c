"""Every system on the same held-out windows, beside the default, the composers and a chain.

Two tasks. `harmonize`: the lead is known, for the families that can. `continue`: the first half
is known, which all can; scored is the second half. What is said of replies is `compare`'s, and
beside it three numbers of all new notes: bar-to-bar rhythm likeness, Savkin's pitch-class
distance to the composer's window, and the share of notes that had to be mended.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
import torch

from engine.diffusion.batch import Batch
from engine.evaluation.compare import compare
from engine.evaluation.distances import mean_ratio
from engine.evaluation.evaluate import rows_of
from engine.evaluation.halves import Partition
from engine.evaluation.held_out import EvaluateSettings, draw_windows, meters_of, task_mask
from engine.evaluation.likelihood import report_as
from engine.evaluation.metrics import Pair
from engine.evaluation.note_chain import NoteChain
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, PIANO, STEPS_PER_BEAT
from engine.music.roll import Cells, PianoRoll, notes_to_roll, roll_to_notes
from engine.reports import Report
from engine.requests.abilities import ABILITIES
from engine.requests.request import FillRequest, SampleSettings
from engine.requests.tasks import generate_mask
from engine.systems.common.system import Mended
from engine.systems.player import SystemPlayer
from engine.systems.savkin.training import histogram_distance, pitch_classes
from engine.systems.ziko_munim.process import ANTICIPATION
from engine.training.corpus import SPLITS
from engine.training.dataset import Pack

_TASKS = ("harmonize", "continue")
_AHEAD = (0, 1, 4)
_CHAIN, _COMPOSER = "markov chain", "composer"
_BEATS_OF_A_BAR = 4
_TIMED_BARS = 8
_FIT_WINDOWS = 256


@dataclass(frozen=True, slots=True)
class Entry:
    """A model and how it is shipped; settings.seed is of the first window."""

    player: Generator | SystemPlayer
    settings: SampleSettings

    @property
    def family(self) -> str:
        """Its family."""
        return str(self.player.metadata.get("family", ""))


def with_anticipation(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the entries, and for those that anticipate one more for each k of _AHEAD: as they play
    where the melody is known only k beats ahead."""
    found = dict(entries)
    for name, entry in entries.items():
        player = entry.player
        if not isinstance(player, SystemPlayer) or entry.family != "ziko-munim":
            continue
        for k in _AHEAD:
            facts = {**player.metadata["facts"], ANTICIPATION: k}
            told = SystemPlayer(player.network, {**player.metadata, "facts": facts}, player.device)
            found[f"{name}, k = {k}"] = Entry(told, entry.settings)
    return found


@dataclass(frozen=True, slots=True)
class Reply:
    """One window's answer, bool[2, 2, 88, S], and what was mended of it."""

    cells: Cells
    mended: Mended


def score(
    entries: Mapping[str, Entry],
    pack: Pack,
    wanted: EvaluateSettings,
    report: Report = lambda text: None,
) -> dict[str, Any]:
    """Return all as plain JSON values: {"tasks": {task: {"human", "rows": {name: row}}}, "models":
    ..}.

    A row: note_f1, mean_ratio (of the nine), ratio, profile, rhythm, pitch_classes, mended.
    Raises PackError where the split has too little.
    """
    batch = draw_windows(pack, wanted, SPLITS.index(wanted.split), wanted.windows)
    fitted = draw_windows(pack, wanted, 0, _FIT_WINDOWS)
    chain = NoteChain.fit([roll_to_notes(PianoRoll(cells)) for cells in fitted.target])
    tasks = {task: _task(task, entries, batch, chain, wanted, report) for task in _TASKS}
    return {
        **{name: getattr(wanted, name) for name in ("split", "windows", "beats", "seed")},
        "tasks": tasks,
        "models": {name: _facts_of(entry, report) for name, entry in entries.items()},
    }


def _task(
    task: str,
    entries: Mapping[str, Entry],
    batch: Batch,
    chain: NoteChain,
    wanted: EvaluateSettings,
    report: Report,
) -> dict[str, Any]:
    steps = batch.target.shape[-1]
    known = task_mask(task, steps)
    free = np.flatnonzero(~known[ACCOMPANIMENT])
    part = slice(int(free[0]), int(free[-1]) + 1)
    replies: dict[str, list[Reply]] = {}
    asked = with_anticipation(entries) if task == "harmonize" else entries
    for name, entry in asked.items():
        if task in ABILITIES[entry.family].tasks:
            replies[name] = _replies(entry, batch, known, report_as(report, f"{name}, {task}"))
    replies[_CHAIN] = [_chained(chain, cells, known, i) for i, cells in enumerate(batch.target)]
    truth = [cells[..., part] for cells in batch.target]
    pairs = {name: [_pair(r.cells[..., part]) for r in each] for name, each in replies.items()}
    partition = Partition.by_windows(len(truth))
    compared = compare(pairs, [_pair(cells) for cells in truth], partition, PIANO.low)
    rows = {}
    for name, row in compared["replies"].items():
        ours = [r.cells[..., part] for r in replies.get(name, [])]
        rows[name] = {
            "note_f1": row["note_f1"],
            "mean_ratio": mean_ratio(row["ratio"]),
            "ratio": row["ratio"],
            "profile": row["profile"],
            **(_of_notes(ours, truth, task) if ours else {}),
            "mended": _share(replies.get(name, [])),
        }
    rows[_COMPOSER] = {
        "note_f1": 1.0,
        "mean_ratio": 1.0,
        "profile": compared["human"]["profile"],
        **_of_notes(truth, truth, task),
    }
    return {"half_split": compared["human"]["half_split"], "rows": rows}


def _replies(entry: Entry, batch: Batch, known: Any, report: Report) -> list[Reply]:
    found: list[Reply] = []
    rows = rows_of(entry.player.pitches)
    for index, target in enumerate(batch.target):
        cells = target[:, :, rows]
        mask = np.broadcast_to(known[:, None, None, :], cells.shape)
        request = FillRequest(
            PianoRoll(cells & mask, entry.player.pitches),
            mask,
            meters_of(batch.phase[index], batch.bar[index]),
            replace(entry.settings, seed=entry.settings.seed + index),
        )
        roll, mended = _filled(entry.player, request)
        whole = np.zeros_like(target)
        whole[:, :, rows] = roll.cells
        found.append(Reply(whole, mended))
        report(f"reply {index + 1} of {len(batch.target)}")
    return found


def _filled(player: Generator | SystemPlayer, request: FillRequest) -> tuple[PianoRoll, Mended]:
    if isinstance(player, SystemPlayer):
        return player.fill_told(request)
    return player.fill(request), Mended()


def _chained(chain: NoteChain, cells: Cells, known: Any, seed: int) -> Reply:
    """Return the chain's notes where a window is free, the window's own elsewhere."""
    first = int(np.flatnonzero(~known[ACCOMPANIMENT])[0])
    rng = np.random.default_rng(seed)
    notes = chain.sample(first, cells.shape[-1], rng)
    if known[LEAD].all():
        notes = [replace(note, voice=ACCOMPANIMENT) for note in notes]
    drawn = notes_to_roll(notes, 0, cells.shape[-1]).cells
    return Reply(np.where(known[:, None, None, :], cells, drawn), Mended())


def _pair(cells: Cells) -> Pair:
    return cells[LEAD], cells[ACCOMPANIMENT]


def _of_notes(ours: Sequence[Cells], truth: Sequence[Cells], task: str) -> dict[str, float | None]:
    voices = slice(ACCOMPANIMENT, None) if task == "harmonize" else slice(None)
    mine = [_alone(cells, voices) for cells in ours]
    theirs = [_alone(cells, voices) for cells in truth]
    apart = [
        histogram_distance(pitch_classes(roll_to_notes(a)), pitch_classes(roll_to_notes(b)))
        for a, b in zip(mine, theirs, strict=True)
    ]
    likes = [like for roll in mine if (like := rhythm_likeness(roll.cells)) is not None]
    return {"rhythm": fmean(likes) if likes else None, "pitch_classes": fmean(apart)}


def _alone(cells: Cells, voices: slice) -> PianoRoll:
    kept = np.zeros_like(cells)
    kept[voices] = cells[voices]
    return PianoRoll(kept)


def rhythm_likeness(cells: Cells) -> float | None:
    """Return how alike neighbouring bars of four beats are in where notes begin: intersection over
    union of the sixteenths with an onset, mean over pairs of bars; None where no bar has an
    onset."""
    onsets = np.asarray(cells[:, ONSET].any(axis=(0, 1)))
    sixteenths = np.asarray(onsets.reshape(-1, STEPS_PER_BEAT // 4).any(axis=1))
    bars = sixteenths[: len(sixteenths) // 16 * 16].reshape(-1, 16)
    both = (bars[1:] & bars[:-1]).sum(axis=1)
    either = (bars[1:] | bars[:-1]).sum(axis=1)
    sounding = either > 0
    return float((both[sounding] / either[sounding]).mean()) if sounding.any() else None


def _share(replies: Sequence[Reply]) -> float | None:
    made = sum(each.mended.made for each in replies)
    return sum(each.mended.mended for each in replies) / made if made else None


def _facts_of(entry: Entry, report: Report) -> dict[str, Any]:
    """Parameters, training, what it can do, and seconds a bar of `generate`."""
    player = entry.player
    network: Any = player.network if isinstance(player, SystemPlayer) else player.sampler
    can = ABILITIES[entry.family]
    report("timing")
    return {
        "family": entry.family,
        "parameters": sum(p.numel() for p in network.parameters()),
        "trained_minutes": player.metadata.get("trained_minutes"),
        "steps": entry.settings.steps,
        "sampler": entry.settings.sampler,
        "can": list(can.tasks),
        "time": can.time,
        "seconds_a_bar": _seconds_a_bar(entry),
    }


def _seconds_a_bar(entry: Entry, bars: int = _TIMED_BARS) -> float:
    """Wall time of `generate` as shipped, over the bars; all else on the machine counts too."""
    roll = PianoRoll.empty(bars * _BEATS_OF_A_BAR * STEPS_PER_BEAT, 0, entry.player.pitches)
    request = FillRequest(roll, generate_mask(roll), settings=entry.settings)
    started = time.perf_counter()
    entry.player.fill(request)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / bars
