"""From request to music: numpy in, numpy out, any length. What the bridge and the CLI call.

A long request is filled window by window: each takes the half before it as known, and noise is
keyed by absolute step, so memory is constant and time linear in length.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.dataset import density_bucket
from engine.export import ModelError, load, pick_device
from engine.grid import (
    ACCOMPANIMENT,
    ONSET,
    STEPS_PER_BEAT,
    STEPS_PER_TOKEN,
    SUSTAIN,
    PitchRange,
)
from engine.merged import merge, merge_known, split
from engine.polyphony import limit_voices
from engine.request import FillRequest, Plan, PlanRequest
from engine.roll import Cells, PianoRoll, drop_orphans, roll_to_notes

__all__ = ["Generator", "ModelError"]

_STRETCH = 2
"""Requests up to so many windows long are filled in one go: rotary positions carry that far (the
bound per beat is the same, docs/evaluation.md), and two windows would take twice the time."""


class Generator:
    """A loaded model. Owner: one thread (TorchScript leaks when fresh threads call it)."""

    def __init__(self, sampler: nn.Module, metadata: dict[str, Any], device: torch.device) -> None:
        self.sampler, self.device = sampler, device
        self.metadata: dict[str, Any] = {**metadata, "device": str(device)}
        self.pitches = PitchRange(*metadata["pitches"])
        self.merged = bool(metadata.get("merged", False))
        self.window_steps = int(metadata["window_beats"]) * STEPS_PER_BEAT

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Generator:
        """Read an export. Raises ModelError with one clear line."""
        chosen = pick_device(device)
        return cls(*load(path, chosen), chosen)

    def fill(self, request: FillRequest) -> PianoRoll:
        """The request's roll with its free cells filled; known cells are bit-exact.

        Notes are whole (no sustain without its onset) and within the settings' register,
        pitch classes and number of voices.
        """
        roll = request.roll
        lead_margin = (-roll.first_step) % -STEPS_PER_BEAT  # back to the beat before: <= 0
        first = roll.first_step + lead_margin
        end = first + -(-(roll.end_step - first) // STEPS_PER_BEAT) * STEPS_PER_BEAT
        original = roll.window(first, end).cells
        done = original.copy()
        known = PianoRoll(request.known, roll.pitches, roll.first_step).window(first, end).cells
        known[..., : roll.first_step - first] = True
        known[..., roll.end_step - first :] = True
        window, hop = self.window_steps, self.window_steps // 2
        if end - first <= _STRETCH * window and not self.merged:
            window = end - first
        start = 0
        while True:
            stop = min(start + window, end - first)
            part = slice(start, stop)
            if not known[..., part].all():
                # Free cells show the original, not what an earlier window made of it.
                source = np.where(known[..., part], done[..., part], original[..., part])
                done[..., part] = self._window(request, source, known[..., part], first + start)
            if stop == end - first:
                break
            known[..., start : start + hop] = True
            start += hop
        cells = done[..., roll.first_step - first : roll.end_step - first]
        return PianoRoll(self._tidy(request, cells), roll.pitches, roll.first_step)

    def plan(self, request: PlanRequest) -> Plan:
        """Fill, and read the notes off the roll."""
        started_ns = time.perf_counter_ns()
        roll = self.fill(request.to_fill(self.pitches))
        return Plan(
            id=request.id,
            first_step=request.first_step,
            end_step=request.end_step,
            notes=tuple(roll_to_notes(roll)),
            elapsed_ns=time.perf_counter_ns() - started_ns,
            steps=request.settings.steps,
        )

    def _window(
        self, request: FillRequest, cells: Cells, known: NDArray[np.bool_], first_step: int
    ) -> Cells:
        """One window through the network; cells and known bool[V, P, K, S]."""
        if self.merged:
            return self._merged_window(request, cells, known, first_step)
        allowed = self._allowed(request)
        steps = request.settings.steps
        return self._sample(request, cells, known, allowed, first_step, steps)

    def _merged_window(
        self, request: FillRequest, cells: Cells, known: NDArray[np.bool_], first_step: int
    ) -> Cells:
        """The same through a network that knows one voice and one plane (the paper's).

        As in the paper a variation from t takes t of the steps: 0.25 of 100 is 25 calls.
        """
        told = merge_known(cells, known)
        allowed = self._allowed(request)[ACCOMPANIMENT:, :1]
        steps = max(1, round(request.settings.steps * request.settings.variation))
        filled = self._sample(request, merge(cells), told, allowed, first_step, steps)
        return split(filled, cells, known)

    def _sample(
        self,
        request: FillRequest,
        cells: Cells,
        known: NDArray[np.bool_],
        allowed: NDArray[np.bool_],
        first_step: int,
        steps: int,
    ) -> Cells:
        """Call the scripted loop. Shapes as the network has them; allowed bool[V, P, K]."""
        settings = request.settings
        tokens = first_step + np.arange(0, cells.shape[-1], STEPS_PER_TOKEN)
        phase, bar = request.meters.phase(tokens)
        styles = list(self.metadata["styles"])
        style = styles.index(settings.style) if settings.style in styles else 0
        density = 0 if settings.density is None else density_bucket(settings.density)

        def one(value: int) -> Tensor:
            return torch.tensor([value], dtype=torch.int64, device=self.device)

        def many(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)[None]

        with torch.inference_mode():
            filled, _ = self.sampler(
                many(cells).float(),
                many(known).float(),
                many(allowed).float()[0],
                many(phase),
                many(bar),
                one(style),
                one(density),
                one(settings.seed),
                one(first_step),
                steps,
                settings.sampler,
                float(settings.temperature),
                float(settings.guidance),
                float(settings.variation),
            )
        out: Cells = filled[0].cpu().numpy() > 0.5
        return out

    def _allowed(self, request: FillRequest) -> NDArray[np.bool_]:
        """bool[V, P, K]: pitches each voice may use; the locks bind the accompaniment only."""
        settings, pitches = request.settings, self.pitches
        pitch = np.arange(pitches.low, pitches.high + 1)
        allowed = np.ones((*request.roll.cells.shape[:2], pitches.size), np.bool_)
        register = (pitch >= settings.low) & (pitch <= settings.high)
        if settings.pitch_classes:
            register &= np.isin(pitch % 12, list(settings.pitch_classes))
        allowed[ACCOMPANIMENT] = register
        return allowed

    def _tidy(self, request: FillRequest, cells: Cells) -> Cells:
        """Whole notes, at most `voices` at once; then the known cells again, bit-exact."""
        cells = cells.copy()
        cells[:, SUSTAIN] &= ~cells[:, ONSET]
        # Nothing sounds already where nobody said so; it would take a real note's place.
        cells[:, SUSTAIN, :, 0] &= request.known[:, SUSTAIN, :, 0]
        cells = drop_orphans(cells)
        free = ~request.known[ACCOMPANIMENT].any(axis=(0, 1))
        cells[ACCOMPANIMENT] = limit_voices(cells[ACCOMPANIMENT], free, request.settings.voices)
        return np.where(request.known, request.roll.cells, cells)
