"""`bench jitter`: how late notes leave, with the machine at rest and at work.

The transport thread plays a busy part: a Session on the internal clock, whose engine answers at
once with a note on every second step. The same moments are then played by a loop of `time.sleep`
and mido, as small programs do it, on a thread of its own in the same process. Both are timed
alike: from when a note is due to when the MIDI system has taken it. Beside it stands what of that
is not the machine's own doing: p99 of the messages during which no core stood still
(`bridge.bench.stalls`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bridge.bench.live import machine, midi_system
from bridge.bench.stalls import StallMeter
from bridge.client.rig import READY_S, RigError, wait_for
from bridge.commands import (
    Act,
    Command,
    Effect,
    EngineState,
    PlanArrived,
    RequestPlan,
    SendMidi,
    Value,
)
from bridge.engine_host.main import EngineSpec, warm_up_request
from bridge.engine_host.supervisor import EngineSupervisor
from bridge.inbox import Inbox
from bridge.live.session import Session
from bridge.midi.ports import NullPorts, open_ports
from bridge.midi_messages import CONTROL_CHANGE
from bridge.realtime import raise_priority
from bridge.runtime.daemon import SWITCH_S
from bridge.runtime.transport_thread import TransportThread
from bridge.settings import presets
from bridge.settings.knobs import Knobs
from bridge.settings.presets import FIXTURE
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.music.grid import ACCOMPANIMENT
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest

_BPM = 240.0
_EVERY_STEPS = 2
"""At 240 bpm: 48 notes a second, each beginning where the one before ends."""
_SCALE = (48, 50, 52, 53, 55, 57, 59, 60)
_LOADS = ("idle", "engine busy", "cores busy")
"""Nothing else of ours; the model answering without a pause, in its own process; one process for
every core that does nothing but count."""
_SETTINGS: dict[str, Value] = {"clock": "internal", "tempo": _BPM, "listen_bars": 0}
_SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_RUNNING = "p99 running"
"""Of what was sent while no core stood still."""
_SETTLE_S = 0.5
_MIDO = {"jack": "UNIX_JACK", "core": "MACOSX_CORE"}

Shot = tuple[int, tuple[int, ...]]
"""When a message was due (monotonic ns), and its bytes."""
Sent = tuple[int, int]
"""When it was due, and how late it left (ns)."""


@dataclass(frozen=True, slots=True)
class JitterPlan:
    """What to measure: `seconds` for each load and each way of playing."""

    seconds: float = 6.0
    preset: str = "default"
    threads: int = 0


class Watched:
    """A Session whose notes are remembered with the moment each was due."""

    def __init__(self, session: Session) -> None:
        self.shots: list[Shot] = []
        self._session = session
        self.wake_ns, self.due_ns = session.wake_ns, session.due_ns

    def step(self, command: Command) -> list[Effect]:
        """Step the Session."""
        effects = self._session.step(command)
        self.shots += [
            (effect.due_ns, effect.data)
            for effect in effects
            if isinstance(effect, SendMidi) and effect.data[0] < CONTROL_CHANGE
        ]
        return effects


def run_jitter(plan: JitterPlan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure every load; raises PresetError or RigError."""
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    rows: dict[str, dict[str, dict[str, float]]] = {}
    stalls: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        api, system = _midi(stack, say)
        meter = stack.enter_context(StallMeter())
        for load in _LOADS:
            with _under(load, plan):
                say(f"{load}: {2 * plan.seconds:g} s")
                since_ns = time.perf_counter_ns()
                sent, shots = play(plan.seconds, api)
                plainly = play_plainly(shots, api)
                time.sleep(_SETTLE_S)  # the watches tell what they saw
                rows[load] = {
                    "midi-diffuse": figures(sent, meter.stood_still),
                    "sleep loop": figures(plainly, meter.stood_still),
                }
                stalls[load] = meter.figures(since_ns)
    with ThreadPoolExecutor(1) as pool:  # a thread of its own, since the priority stays
        priority = pool.submit(raise_priority).result()
    about = machine(load_before)
    about_run = {"midi": system, "priority": priority, "machine": about}
    return {"late_ms": rows, "stalls_ms": stalls, **about_run}


def play(seconds: float, api: str) -> tuple[list[Sent], list[Shot]]:
    """Let the transport play; gives how late each message left, and what was played when."""
    inbox = Inbox()
    session = Watched(Session(_SETTINGS))
    before_s = sys.getswitchinterval()
    with ExitStack() as stack:
        stack.callback(inbox.close)
        ports = open_ports(inbox.put, api=api) if api in _MIDO else NullPorts("")
        stack.callback(ports.close)
        band = ThreadPoolExecutor(1)  # beside the transport, as the engine is
        stack.callback(band.shutdown)

        def answer(asked: RequestPlan) -> None:
            plan = scale(asked.request)
            band.submit(lambda: inbox.put(PlanArrived(time.perf_counter_ns(), plan)))

        transport = TransportThread(session, ports, inbox, lambda _: None, answer)
        sys.setswitchinterval(SWITCH_S)
        stack.callback(sys.setswitchinterval, before_s)
        transport.start()
        stack.callback(transport.stop)
        inbox.put(EngineState(time.perf_counter_ns(), "ready"))
        inbox.put(Act(time.perf_counter_ns(), "start"))
        inbox.put(Act(time.perf_counter_ns(), "note", (72, 90)))
        time.sleep(seconds)
    due_ns = [due_ns for due_ns, _ in session.shots]
    # Beyond them come the controllers that end everything.
    return list(zip(due_ns, transport.lateness.since(0), strict=False)), session.shots


def scale(request: PlanRequest) -> Plan:
    """Return a plan with a note on every second step."""
    first = -(-request.first_step // _EVERY_STEPS) * _EVERY_STEPS
    notes = tuple(
        Note(step, _SCALE[step // _EVERY_STEPS % len(_SCALE)], _EVERY_STEPS, ACCOMPANIMENT)
        for step in range(first, request.end_step, _EVERY_STEPS)
    )
    return Plan(request.id, request.first_step, request.end_step, notes, NS_PER_MS, 1)


def play_plainly(shots: Sequence[Shot], api: str) -> list[Sent]:
    """Return the same moments by `time.sleep` and mido, with nothing done about priority or
    garbage."""
    import mido

    with contextlib.closing(_plain_port(api)) as port, ThreadPoolExecutor(1) as pool:
        shift_ns = time.perf_counter_ns() + NS_PER_S // 10 - (shots[0][0] if shots else 0)
        score = [(due_ns + shift_ns, mido.Message.from_bytes(data)) for due_ns, data in shots]
        return pool.submit(_sleep_loop, score, port).result()


def _sleep_loop(score: list[tuple[int, Any]], port: Any) -> list[Sent]:
    sent = []
    for due_ns, message in score:
        time.sleep(max(0, due_ns - time.perf_counter_ns()) / NS_PER_S)
        port.send(message)
        sent.append((due_ns, time.perf_counter_ns() - due_ns))
    return sent


class Nowhere:
    """A mido port that leads nowhere, for machines without a MIDI system."""

    def send(self, message: Any) -> None:
        """Nothing hears it."""

    def close(self) -> None:
        """Nothing to close."""


def _plain_port(api: str) -> Any:
    import mido

    if api not in _MIDO:
        return Nowhere()
    backend = mido.Backend(f"mido.backends.rtmidi/{_MIDO[api]}")
    return backend.open_output("sleep loop", virtual=True)


def figures(sent: Sequence[Sent], stood_still: Callable[[int, int], bool]) -> dict[str, float]:
    """Count, and percentiles in ms; `stood_still(from_ns, to_ns)`: what _RUNNING leaves out."""
    row: dict[str, float] = {"messages": len(sent)}
    for name, share in _SHARES.items():
        row[name] = _percentile_ms(sent, share)
    running = [each for each in sent if not stood_still(each[0], sum(each))]
    row[_RUNNING] = _percentile_ms(running, _SHARES["p99"])
    row["running"] = len(running)
    return row


def _percentile_ms(sent: Sequence[Sent], share: float) -> float:
    late_ns = sorted(late_ns for _, late_ns in sent) or [0]
    return round(late_ns[min(len(late_ns) - 1, int(share * len(late_ns)))] / NS_PER_MS, 3)


def table(result: dict[str, Any]) -> str:
    """Return the result for people."""
    names = [*_SHARES, _RUNNING]
    lines = [f"{'ms late':12}  {'played by':12}" + "".join(f"{name:>13}" for name in names)]
    for load, ways in result["late_ms"].items():
        for way, row in ways.items():
            lines.append(f"{load:12}  {way:12}" + "".join(f"{row[name]:13.3f}" for name in names))
    lines += [
        f"{load}: the machine itself stood still {row['count']} times, {row['longest']} ms at most"
        for load, row in result["stalls_ms"].items()
    ]
    lines.append(f"{_RUNNING}: of the messages during which no core was seen standing still")
    about = result["machine"]
    lines.append(f"{about['cpu']}, {about['cores']} cores, load before {about['load']}")
    lines.append(f"MIDI: {result['midi']}; the player's thread: {result['priority']} priority")
    return "\n".join(lines)


# -- What the machine does meanwhile ---------------------------------------------------------------


def _midi(stack: ExitStack, say: Callable[[str], None]) -> tuple[str, str]:
    try:
        return midi_system(stack, say)
    except RigError as err:
        say(f"{err}; going on without ports")
        return "none", "none; messages are sent nowhere"


def _under(load: str, plan: JitterPlan) -> contextlib.AbstractContextManager[None]:
    if load == "engine busy":
        return _busy_engine(plan)
    return _busy_cores() if load == "cores busy" else contextlib.nullcontext()


@contextlib.contextmanager
def _busy_engine(plan: JitterPlan) -> Iterator[None]:
    """Keep the preset's model busy: it gets its next request as soon as it has answered."""
    preset = presets.load(plan.preset)
    knobs = Knobs(preset.settings)
    settings = knobs.sample_settings(knobs.integer("steps"))
    model = FIXTURE if preset.model is None else str(preset.model)
    spec = EngineSpec(model, preset=preset.name, threads=plan.threads, warm_up=settings)
    request = warm_up_request(settings)

    def report(command: Command) -> None:
        if isinstance(command, PlanArrived) or _is_ready(command):
            supervisor.submit(request)

    supervisor = EngineSupervisor(report)
    supervisor.start(spec)
    try:
        wait_for(lambda: bool(supervisor.elapsed_ns or supervisor.refused), READY_S, "the model")
        if supervisor.refused:
            raise RigError(f"preset {plan.preset!r}: {supervisor.refused}")
        yield
    finally:
        supervisor.stop()


@contextlib.contextmanager
def _busy_cores() -> Iterator[None]:
    """Run as many processes as there are cores, all counting."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(_SETTLE_S)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _is_ready(command: Command) -> bool:
    return isinstance(command, EngineState) and command.state == "ready"
