"""From request to music: numpy in, numpy out, any length. What the bridge and the CLI call.

A long request is filled window by window: each takes the half before it as known, and noise is
keyed by absolute step, so memory is constant and time linear in length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.diffusion.batch import density_bucket
from engine.diffusion.key_normalisation import playing_shift
from engine.diffusion.sampler import Filled, Loop, Request, Sampler
from engine.model.density import DensityHabits, with_density
from engine.model.export import ModelError, load_export, pick_device
from engine.music.grid import STEPS_PER_BEAT, STEPS_PER_TOKEN, PitchRange
from engine.music.roll import PianoRoll, roll_to_notes, shifted
from engine.requests.chord_grid import transposed_plan
from engine.requests.cohort import loop_of
from engine.requests.request import ChordCell, FillRequest, Plan, PlanRequest, SampleSettings
from engine.requests.sheet import Sheet, Window

__all__ = ["Generator", "ModelError"]

_STRETCH = 2
"""The network is given so many of its windows at once: rotary positions carry that far (the bound
per beat is the same, docs/evaluation.md), and what goes before is known for longer."""

_SILENT_BEATS = 8
"""Known to follow where the piece ends, so that the chords come to an end there."""


class Generator:
    """A loaded model. Owner: one thread (TorchScript leaks when fresh threads call it).

    progress: called with windows done and all of them, after each.
    """

    def __init__(self, sampler: nn.Module, metadata: dict[str, Any], device: torch.device) -> None:
        self.sampler, self.device = sampler, device
        self.metadata: dict[str, Any] = {**metadata, "device": str(device)}
        self.pitches = PitchRange(*metadata["pitches"])
        self.merged = bool(metadata.get("merged", False))
        self.key_normalised = bool(metadata.get("sizes", {}).get("in_key", 0))
        self.habits = DensityHabits.of(metadata)
        self.window_steps = int(metadata["window_beats"]) * STEPS_PER_BEAT
        self.progress: Callable[[int, int], None] = lambda done, total: None

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Generator:
        """Read an export. Raises ModelError with one clear line."""
        chosen = pick_device(device)
        return cls(*load_export(path, chosen), chosen)

    def paced(self, spacing: float, corrections: int) -> Generator:
        """Return the same network in a loop with other noise levels (see
        `diffusion.sampler.Sampler`)."""
        old: Any = self.sampler
        loop = (old.prior, old.schedule, old.low_pitch, old.exact, spacing, corrections)
        sampler = Sampler(old.network, *loop, harmony=getattr(old, "harmony", None))
        return Generator(sampler, self.metadata, self.device)

    def fill(self, request: FillRequest) -> PianoRoll:
        """Return the request's roll with its free cells filled; known cells are bit-exact.

        Notes are whole (no sustain without its onset) and keep the rules of the settings
        (engine/requests/constraints.py).
        """
        return self.fill_many([request])[0]

    def fill_with_chords(self, request: FillRequest) -> tuple[PianoRoll, tuple[ChordCell, ...]]:
        """Return the same, and the harmony plan it follows: a chord a beat, none without a
        planner."""
        (sheet,) = self._filled([request])
        return sheet.finished(), tuple(sheet.followed())

    def fill_many(self, requests: Sequence[FillRequest]) -> list[PianoRoll]:
        """Return each request as `fill` answers it, but through the network together.

        They have one length in whole beats and settings that differ at most in seed, style,
        density, locks, voices and rhythm. Sums over a batch may differ in their last bit from
        those of one request, and so, rarely, a cell. Raises ValueError where they do not fit.
        """
        return [sheet.finished() for sheet in self._filled(requests)]

    def _filled(self, requests: Sequence[FillRequest]) -> list[Sheet]:
        """Return the requests on their sheets, every cell done."""
        sheets = [Sheet.of(with_density(request, self.habits)) for request in requests]
        if not sheets:
            return []
        if not self.merged:
            sheets = [sheet.hears_melody_alone() for sheet in sheets]
        if (
            len({(s.original.shape, s.request.ends, loop_of(s.request.settings)) for s in sheets})
            > 1
        ):
            raise ValueError("requests filled together want one length and one way to sample")
        total = sheets[0].original.shape[-1]
        parts = self._parts(total)
        for done, (part, filled_to) in enumerate(parts, 1):
            busy = [sheet for sheet in sheets if not sheet.known[..., part].all()]
            if busy:
                self._fill_part(busy, part)
            for sheet in sheets:
                sheet.known[..., :filled_to] = True
            self.progress(done, len(parts))
        return sheets

    def _parts(self, total: int) -> list[tuple[slice, int]]:
        """Return the windows in which so many steps are filled, and how far each is the last word.

        Each goes half a window further than the one before and knows what that played. Counted from
        the end, so that a piece closes within one window; the first is shorter.
        """
        half = max(self.window_steps // STEPS_PER_BEAT // 2, 1) * STEPS_PER_BEAT
        if self.merged:  # the paper's model plays each window anew, as it always has
            starts = range(0, max(total - self.window_steps, 0) + half, half)
            return [
                (slice(start, min(start + self.window_steps, total)), start + half)
                for start in starts
            ]
        window, hop = _STRETCH * self.window_steps, _STRETCH * half
        ends = range(total - -(-max(total - window, 0) // hop) * hop, total + 1, hop)
        return [(slice(max(end - window, 0), end), end) for end in ends]

    def plan(self, request: PlanRequest) -> Plan:
        """Fill, and read the notes off the roll."""
        return self.plan_many([request])[0]

    def plan_many(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return each request as `plan` answers it, but through the network together, as
        `fill_many` does.

        elapsed_ns is of all together. They have one `engine.requests.cohort.cohort_of`; raises
        ValueError where they do not fit.
        """
        started_ns = time.perf_counter_ns()
        sheets = self._filled([request.to_fill(self.pitches) for request in requests])
        rolls = [sheet.finished() for sheet in sheets]
        elapsed_ns = time.perf_counter_ns() - started_ns
        return [
            Plan(
                id=request.id,
                first_step=request.first_step,
                end_step=request.end_step,
                notes=tuple(roll_to_notes(roll)),
                elapsed_ns=elapsed_ns,
                calls=request.settings.steps,
                chords=tuple(sheet.followed()),
            )
            for request, sheet, roll in zip(requests, sheets, rolls, strict=True)
        ]

    def _fill_part(self, sheets: list[Sheet], part: slice) -> None:
        """Send the steps `part` of every sheet through the network."""
        windows = [sheet.window(part) for sheet in sheets]
        settings = sheets[0].request.settings
        calls, doubling = settings.steps, settings.doubling
        last = part.stop == sheets[0].original.shape[-1]
        ending = _SILENT_BEATS if last and sheets[0].request.ends else 0
        if self.merged:
            windows = [window.merged() for window in windows]
            # As in the paper a variation from t takes t of the steps: 0.25 of 100 is 25 calls.
            calls = max(1, round(settings.steps * settings.variation))
            doubling = "allow"  # one voice: coming back, what the lead plays is the lead's alone
        moves = [self._move(*each) for each in zip(windows, sheets, strict=True)]
        windows = [window.higher(move) for window, move in zip(windows, moves, strict=True)]
        loop = Loop(
            calls,
            settings.sampler,
            float(settings.temperature),
            self._guidance(sheets),
            float(settings.variation),
            doubling,
            ending,
            settings.chord_calls,
            float(settings.chord_temperature),
            settings.chord_choices,
            settings.chords_from,
            # What a variation keeps of its source has a rhythm already; a merged roll no onsets.
            0.0 if self.merged else float(settings.figure * settings.variation),
        )
        filled = self._sample(windows, sheets, loop)
        for sheet, move, cells, probability, plan, planned in zip(
            sheets, moves, *filled, strict=True
        ):
            sheet.take(part, shifted(cells > 0.5, -move), shifted(probability, -move))
            sheet.follow(part, transposed_plan(plan > 0.5, -move), planned > 0.5)

    def _move(self, window: Window, sheet: Sheet) -> int:
        """Return semitones by which a window of which no note is known is moved up for the
        network."""
        if not self.key_normalised:
            return 0
        seed = sheet.request.settings.seed
        return playing_shift(
            window.cells, window.known, window.allowed, seed, self.pitches.low, window.chords
        )

    def _sample(
        self, windows: list[Window], sheets: list[Sheet], loop: Loop
    ) -> tuple[NDArray[np.float32], ...]:
        """Call the scripted loop: the parts of `sampler.Filled` as numpy arrays."""
        requests = [sheet.request for sheet in sheets]
        phases = [_phase(*each) for each in zip(requests, windows, strict=True)]

        def batch(arrays: Sequence[NDArray[Any]]) -> Tensor:
            return torch.from_numpy(np.stack(arrays)).to(self.device)

        def whole(values: Sequence[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.int64, device=self.device)

        asked = Request(
            source=batch([window.cells for window in windows]).float(),
            mask=batch([window.known for window in windows]).float(),
            allowed=batch([window.allowed for window in windows]).float(),
            phase=batch([phase for phase, _ in phases]),
            bar=batch([bar for _, bar in phases]),
            style=whole([self._style(request.settings) for request in requests]),
            density=whole([self._density(request.settings) for request in requests]),
            seed=whole([request.settings.seed for request in requests]),
            first_step=whole([window.first_step for window in windows]),
            chords=batch([window.chords for window in windows]).float(),
            chords_known=batch([window.chords_known for window in windows]).float(),
        )
        with torch.inference_mode():
            filled: Filled = self.sampler(asked, loop)
        if bool(filled.probability.isnan().any()):  # else it would pass for silence
            raise ArithmeticError("the network's output is not a number")
        return tuple(part.cpu().numpy() for part in filled)

    def _guidance(self, sheets: list[Sheet]) -> float:
        """Return how closely style and density are followed; 1 where neither is given."""
        wishes = [each.request.settings for each in sheets]
        conditional = any(self._style(wish) or self._density(wish) for wish in wishes)
        return float(wishes[0].guidance) if conditional else 1.0

    def _style(self, settings: SampleSettings) -> int:
        styles = list(self.metadata["styles"])
        return styles.index(settings.style) if settings.style in styles else 0

    def _density(self, settings: SampleSettings) -> int:
        wanted = settings.density
        return 0 if wanted is None else density_bucket(self.habits.to_give(wanted))


def _phase(request: FillRequest, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return bar phase and bar length of each token of a window, in steps."""
    tokens = np.arange(0, window.cells.shape[-1], STEPS_PER_TOKEN)
    return request.meters.phase(window.first_step + tokens)
