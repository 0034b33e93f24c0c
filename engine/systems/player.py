"""A system behind the generator's interface: roll in, masks, roll out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.model.export import is_export, pick_device
from engine.model.generator import Generator
from engine.music.grid import PIANO, STEPS_PER_BEAT, PitchRange
from engine.music.roll import PianoRoll, roll_to_notes
from engine.requests.abilities import ABILITIES, AbilityError, require, task_of
from engine.requests.constraints import whole_notes
from engine.requests.request import STYLES, ChordCell, FillRequest, Plan, PlanRequest
from engine.systems.common.gaussian import WAYS
from engine.systems.common.system import Mended, Recoded
from engine.systems.registry import system_of
from engine.systems.weights import load_system as load_weights


class SystemPlayer:
    """What `Generator` is for the default's families. Owner: one thread."""

    def __init__(self, network: nn.Module, metadata: dict[str, Any], device: torch.device) -> None:
        self.network, self.device = network, device
        self.family = str(metadata["family"])
        self.system = system_of(self.family)
        self.pitches: PitchRange = PIANO
        self.progress: Callable[[int, int], None] = lambda done, total: None
        can = ABILITIES[self.family]
        self.metadata: dict[str, Any] = {
            "pitches": [PIANO.low, PIANO.high],
            "styles": list(STYLES),
            "window_beats": self.system.beats,
            "sampling": {"sampler": "ddim", "steps": self.system.steps},
            "can": list(can.tasks),
            "live": can.live,
            "time": can.time,
            **metadata,
            "device": str(device),
        }

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> SystemPlayer:
        """Read weights. Raises ModelError or CheckpointError with one clear line."""
        chosen = pick_device(device)
        return cls(*load_weights(path, chosen), chosen)

    def fill(self, request: FillRequest) -> PianoRoll:
        """Return the request's roll with its free cells filled; known cells are bit-exact.

        Raises AbilityError for what the family cannot do.
        """
        return self.fill_told(request)[0]

    def fill_told(self, request: FillRequest) -> tuple[PianoRoll, Mended]:
        """Return the same, and how many notes had to be put right."""
        require(self.family, task_of(request.known, request.settings.variation))
        if request.chords:
            raise AbilityError(f"{self.family} hears no chord symbols; --preset default does")
        if request.settings.sampler not in WAYS:
            raise AbilityError(
                f"{self.family} samples by {' or '.join(WAYS)}, not {request.settings.sampler!r}"
            )
        answer = self.system.fill(self.network, request, self.metadata["facts"])
        roll = request.roll
        cells = whole_notes(request, answer.cells)
        return PianoRoll(cells, roll.pitches, roll.first_step), answer.mended

    def fill_with_chords(self, request: FillRequest) -> tuple[PianoRoll, tuple[ChordCell, ...]]:
        """Return the same; no system draws a harmony plan."""
        return self.fill(request), ()

    def recode(self, roll: PianoRoll) -> Recoded:
        """Return a roll as the family's format and code hold it: what is so_far of it at best."""
        first = roll.first_step // STEPS_PER_BEAT * STEPS_PER_BEAT
        end = -(-roll.end_step // STEPS_PER_BEAT) * STEPS_PER_BEAT
        found = self.system.recode(self.network, roll.window(first, end))
        return found._replace(roll=found.roll.window(roll.first_step, roll.end_step))

    def fill_many(self, requests: Sequence[FillRequest]) -> list[PianoRoll]:
        """Return each as `fill` answers it, one by one."""
        return [self.fill(request) for request in requests]

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
            calls=request.settings.steps,
        )

    def plan_many(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return each as `plan` answers it, one by one."""
        return [self.plan(request) for request in requests]


def load_player(path: Path, device: str = "auto") -> Generator | SystemPlayer:
    """Whatever a model file holds. Raises ModelError or CheckpointError with one clear line."""
    if not path.is_file() or is_export(path):
        return Generator.load(path, device)
    return SystemPlayer.load(path, device)
