"""Time a model on requests as they are made while playing, with the paper's model beside it.

Times are of this machine at this load; compare rows of one run, not runs.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engine.diffusion.sampler import Sampler
from engine.model import checkpoint, export
from engine.model.generator import Generator
from engine.music.grid import LEAD, PAPER, STEPS_PER_BEAT
from engine.music.roll import Note
from engine.requests.request import PlanRequest, SampleSettings, Span

_EXTRAPOLATE_FROM = 4
_WARM_UP_CALLS = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Times in ms; `estimated_from` sampler calls where too long to wait."""

    model: str
    request: str
    beats: float
    steps: int
    p50_ms: float
    p95_ms: float
    plans: int
    estimated_from: int | None = None


def paper_model(device: str) -> Generator:
    """Return the paper's network with random weights: as fast as a trained one, for timing
    alone."""
    chosen = export.pick_device(device)
    family = checkpoint.family_of("paper-unet")
    torch.manual_seed(0)
    network = checkpoint.build("paper-unet", {}).eval()
    prior = torch.full((1, 1, 1, 1), 0.04)
    sampler = Sampler(network, prior, family.schedule, PAPER.low)
    metadata = {
        "name": "paper (random weights)",
        "pitches": [PAPER.low, PAPER.high],
        "merged": True,
        "styles": ["any"],
        "window_beats": 16,
    }
    return Generator(export.script(sampler.to(chosen)), metadata, chosen)


def measure(generator: Generator, request: PlanRequest, plans: int) -> list[float]:
    """Return milliseconds of each of `plans` calls, after two that do not count."""
    times = []
    for index in range(_WARM_UP_CALLS + plans):
        settings = replace(request.settings, seed=index)
        started = time.perf_counter()
        generator.plan(replace(request, settings=settings))
        times.append(1000 * (time.perf_counter() - started))
    return times[_WARM_UP_CALLS:]


def bench(
    generators: Mapping[str, Generator],
    requests: Mapping[str, PlanRequest],
    steps: Sequence[int],
    plans: int = 20,
    longest_s: float = 20.0,
    report: Callable[[str], None] = lambda text: None,
) -> Iterator[Row]:
    """Yield a row for each request, number of steps and model, models side by side.

    A row that would take longer than `longest_s` gets fewer plans (three at least); where even
    those take too long, four sampler calls are timed and scaled up, which `estimated_from` says.
    """
    for (label, request), count in ((r, s) for r in requests.items() for s in steps):
        for model, generator in generators.items():
            report(f"{model}, {label}, {count} steps")
            yield _row(model, generator, label, request, count, plans, longest_s)


def _row(
    model: str,
    generator: Generator,
    label: str,
    request: PlanRequest,
    steps: int,
    plans: int,
    longest_s: float,
) -> Row:
    beats = (request.end_step - request.first_step) / STEPS_PER_BEAT

    def with_steps(count: int) -> PlanRequest:
        return replace(request, settings=replace(request.settings, steps=count))

    # The first calls of a shape compile; the better of three tells what one costs.
    call_s = min(measure(generator, with_steps(2), 1)) / 2000
    fits = int(longest_s / max(call_s * steps, 1e-9)) - _WARM_UP_CALLS
    timed, scale = steps, 1.0
    if fits < 3 and steps > _EXTRAPOLATE_FROM:
        timed, scale = _EXTRAPOLATE_FROM, steps / _EXTRAPOLATE_FROM
        fits = int(longest_s / (call_s * timed)) - _WARM_UP_CALLS
    times = sorted(measure(generator, with_steps(timed), min(plans, max(fits, 3))))
    return Row(
        model,
        label,
        beats,
        steps,
        p50_ms=scale * times[len(times) // 2],
        p95_ms=scale * times[min(len(times) - 1, int(0.95 * len(times)))],
        plans=len(times),
        estimated_from=timed if timed != steps else None,
    )


def torch_machine(device: torch.device) -> dict[str, Any]:
    """Return what the numbers were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_name(),
        "cores": cores,
        "torch_threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def harmonize_request(settings: SampleSettings) -> PlanRequest:
    """Four bars of 4/4 with a known lead of quarter notes, nothing else."""
    beat, tune = STEPS_PER_BEAT, (67, 69, 71, 72, 74, 72, 71, 69, 67, 64, 65, 67, 69, 67, 65, 64)
    notes = tuple(Note(i * beat, pitch, beat, LEAD) for i, pitch in enumerate(tune))
    span = Span(LEAD, 0, len(tune) * beat)
    return PlanRequest(0, 0, len(tune) * beat, notes, (span,), settings=settings)
