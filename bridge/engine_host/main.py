"""What runs in the engine process: load a model, warm it up, answer requests one by one.

Ends when its pipe closes, so it never outlives the daemon. The only part of the bridge that
imports the torch side of the engine, and only in this process.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bridge.engine_host.verified import verified
from bridge.engine_host.wire import (
    CANNOT,
    ERROR,
    READY,
    REFUSED,
    REQUEST,
    pack,
    pack_plan,
    unpack,
    unpack_request,
)
from bridge.settings.presets import FIXTURE
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, PitchRange
from engine.music.roll import Note
from engine.requests.abilities import AbilityError
from engine.requests.request import Plan, PlanRequest, SampleSettings, Span

if TYPE_CHECKING:
    from engine.model.generator import Generator
    from engine.systems.player import SystemPlayer

_WARM_UPS, _WARM_UP_S = 8, 3.0
_WARM, _AGREE = 3, 0.2
"""Warm when _WARM calls in a row agree within this share of the slowest; at most _WARM_UPS, and on
a slow machine, which would never be ready, no more than three beyond _WARM_UP_S."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine to run, and how. Crosses to the process by pickle, at its start only."""

    model: str
    """Path of the weights, or "fixture" for the engine without a network."""
    device: str = "auto"
    preset: str = ""
    """Whose engine it is, for messages."""
    sha256: str = ""
    """Of the trusted file; what is loaded is compared with it."""
    threads: int = 0
    """Bound on torch's threads; 0 = chosen from the number of cores."""
    delay_ms: float = 0.0
    """What the fixture sleeps in each call."""
    slow_down: float = 1.0
    """Every call takes that many times as long, for tests and benches."""
    warm_up: SampleSettings = field(default_factory=SampleSettings)
    """The settings live requests will be made with."""
    standby: bool = False
    """Keep a second process that has done the slow part of starting, importing torch, to step in
    when this one dies."""

    @property
    def name(self) -> str:
        """Short name for messages."""
        return self.preset or Path(self.model).stem

    def same_engine(self, other: EngineSpec) -> bool:
        """Return whether one process can serve both."""
        return replace(self, preset="", warm_up=other.warm_up) == replace(other, preset="")


class Engine(Protocol):
    """What `Generator` (engine.model) and `FixtureGenerator` (engine.requests) have in common."""

    @property
    def metadata(self) -> dict[str, object]:
        """Name, styles, pitches, device, ..."""
        ...

    @property
    def pitches(self) -> PitchRange:
        """The pitches the model knows."""
        ...

    def plan(self, request: PlanRequest) -> Plan:
        """Fill, and read the notes off the roll."""
        ...

    def plan_many(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return each as `plan` answers it, made together; requests of one cohort."""
        ...


@dataclass(frozen=True, slots=True)
class Cue:
    """Begin with `spec`. `calls`: most warm-up calls; fewer when music waits for the engine."""

    spec: EngineSpec
    calls: int = _WARM_UPS


def serve_engine(conn: Connection, cue: Cue | None) -> None:
    """Run the engine process; without a cue, prepare and wait for one."""
    # Ctrl-C goes to the whole terminal group; when to end is the daemon's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        if cue is None:
            _import_engine()
            cue = conn.recv()
        assert isinstance(cue, Cue)
        spec = cue.spec
        try:
            engine = load_engine(spec)
            median_ns = warm_up(engine, cue)
        except Exception as err:  # whatever a damaged file makes torch raise
            conn.send_bytes(pack(REFUSED, {"text": fault_message(err)}))
            return
        ready = {"plan_ns": round(median_ns * spec.slow_down), "metadata": plain(engine.metadata)}
        # The first call of all is slow and tells nothing of the next.
        ready["calls"] = spec.warm_up.steps if cue.calls >= _WARM else 0
        conn.send_bytes(pack(READY, ready))
        for request in _requests(conn):
            conn.send_bytes(_answer(engine, request, spec.slow_down))


def warm_up_request(settings: SampleSettings) -> PlanRequest:
    """Return a request like those `live` makes: two bars known, four bars of reply ahead."""
    beat = STEPS_PER_BEAT
    tune = (60, 62, 64, 65, 67, 65, 64, 62)
    notes = [Note(beat * (i - 8), pitch, beat, LEAD) for i, pitch in enumerate(tune)]
    notes += [Note(beat * (i - 8), 48, beat, ACCOMPANIMENT) for i in range(8)]
    past = (Span(LEAD, -8 * beat, 0), Span(ACCOMPANIMENT, -8 * beat, 0))
    return PlanRequest(0, -8 * beat, 16 * beat, tuple(notes), past, settings=settings)


def default_threads() -> int:
    """Torch threads for this machine: at most 4, and a core left to everybody else."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(4, (cores or 2) - 1))


def load_engine(spec: EngineSpec) -> Engine:
    """Return the engine that the spec names, not warm yet. Raises ModelError."""
    if spec.model == FIXTURE:
        from engine.requests.fixture import FixtureGenerator

        return FixtureGenerator(spec.delay_ms)
    return load_model(Path(spec.model), spec.device, spec.threads, spec.sha256)


def load_model(
    path: Path, device: str, threads: int = 0, sha256: str = ""
) -> Generator | SystemPlayer:
    """Read a model file and leave a core to everybody else. threads: of torch, 0 = by the machine.

    The file commands load by this too: with all cores and threads that spin while they wait, they
    took six times as long beside a test run. sha256: of the file that was trusted. Raises
    ModelError and ModelChangedError.
    """
    # Threads that spin while they wait for work would take the transport's core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from engine.systems.player import load_player

    torch.set_num_threads(threads or default_threads())
    with verified(path, sha256) as same:
        return load_player(same, device)


def _import_engine() -> None:
    """Import torch, the slow part of starting: it takes some two seconds."""
    # Threads that spin while they wait for work would take the transport's core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    importlib.import_module("engine.systems.player")


def warm_up(engine: Engine, cue: Cue) -> int:
    """Call until _WARM of them agree; gives their median in ns."""
    request = warm_up_request(cue.spec.warm_up)
    times: list[int] = []
    while len(times) < cue.calls:
        started_ns = time.perf_counter_ns()
        engine.plan(request)
        times.append(time.perf_counter_ns() - started_ns)
        last = sorted(times[-_WARM:])
        agree = last[-1] - last[0] <= _AGREE * last[-1]
        if len(last) == _WARM and (agree or sum(times) > _WARM_UP_S * 1e9):
            break
    last = sorted(times[-_WARM:])
    return last[len(last) // 2]


def _requests(conn: Connection) -> Iterator[PlanRequest]:
    while True:
        kind, head, numbers = unpack(conn.recv_bytes())
        if kind == REQUEST:
            yield unpack_request(head, numbers)


def _answer(engine: Engine, request: PlanRequest, slow_down: float) -> bytes:
    started_ns = time.perf_counter_ns()
    try:
        plan = engine.plan(request)
        elapsed_ns = time.perf_counter_ns() - started_ns
        time.sleep((slow_down - 1) * elapsed_ns / 1e9)
        return pack_plan(replace(plan, elapsed_ns=time.perf_counter_ns() - started_ns))
    except AbilityError as err:
        return pack(CANNOT, {"id": request.id, "text": fault_message(err)})
    except Exception as err:  # one bad request or plan must not cost the musician the engine
        return pack(ERROR, {"id": request.id, "text": fault_message(err)})


def fault_message(err: Exception) -> str:
    """Return what went wrong, for a message."""
    text = " ".join(str(err).split()) or type(err).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."


def plain(metadata: dict[str, object]) -> dict[str, Any]:
    """Return the metadata as values that JSON knows."""
    kinds = (str, int, float, bool, list, tuple, dict, type(None))
    return {
        key: value if isinstance(value, kinds) else str(value) for key, value in metadata.items()
    }
