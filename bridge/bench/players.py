"""Simulated players: each a whole Session in real time that asks an engine as the daemon does.

A melody goes in, plans come from an engine keeper, beats are counted as the daemon counts them.
Only ports and sound are missing. For `bench cluster` and its tests.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bridge.bench.live import BEATS_IN_BAR, tune, tune_score
from bridge.commands import (
    Act,
    Command,
    EngineState,
    LogLine,
    MidiIn,
    PlanArrived,
    RequestPlan,
    SendMidi,
    Tick,
    Value,
)
from bridge.engine_host.keeper import EngineKeeper
from bridge.engine_host.main import EngineSpec
from bridge.engine_link.address import ServerAddress
from bridge.engine_link.failover import FailoverEngine
from bridge.live.session import Session
from bridge.realtime import HELPER_PRIORITY, raise_priority
from bridge.service_thread import Health
from bridge.settings import presets
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS, NS_PER_S
from engine.music.grid import ACCOMPANIMENT, STEPS_PER_BEAT
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest

_Report = Callable[[Command], None]
_STANDBY_MS = 80
"""What a plan takes the stand-in for a laptop's own engine."""


class StandIn:
    """An EngineKeeper in place of a laptop's own engine: a chord on every beat, after a while.

    It sleeps rather than computes, since all these laptops are one machine.
    """

    _sleepers = ThreadPoolExecutor(1000, initializer=raise_priority, initargs=(HELPER_PRIORITY,))

    def __init__(self, report: _Report) -> None:
        self.elapsed_ns: deque[int] = deque(maxlen=1)
        self.metadata: dict[str, Any] = {}
        self.restarts, self.refused = 0, ""
        self.pids: tuple[int, ...] = ()
        self.healths: tuple[Health, ...] = ()
        self._report = report

    def start(self, spec: EngineSpec) -> None:
        """Start, ready at once."""
        calls = spec.warm_up.steps
        plan_ns = _STANDBY_MS * NS_PER_MS
        self._report(EngineState(time.perf_counter_ns(), "ready", spec.name, plan_ns, calls))

    def allow(self, hang_ns: int) -> None:
        """Do nothing: it does not hang."""

    def submit(self, request: PlanRequest) -> None:
        """Answer soon."""
        self._sleepers.submit(self._answer, request)

    def switch(self, spec: EngineSpec) -> None:
        """Do nothing: any model is this one."""

    def stop(self) -> None:
        """Nothing to end."""

    def _answer(self, request: PlanRequest) -> None:
        begun_ns = time.perf_counter_ns()
        time.sleep(_STANDBY_MS / 1000)
        now_ns = time.perf_counter_ns()
        self._report(PlanArrived(now_ns, _chords(request, now_ns - begun_ns)))


def _chords(request: PlanRequest, elapsed_ns: int) -> Plan:
    """Return what is known, and from there on a triad on every beat."""
    first, end = request.first_step, request.end_step
    known = (span.to_step for span in request.known if span.voice == ACCOMPANIMENT)
    begin = -(-max(known, default=first) // STEPS_PER_BEAT) * STEPS_PER_BEAT
    played = tuple(
        Note(step, pitch, STEPS_PER_BEAT)
        for step in range(begin, end, STEPS_PER_BEAT)
        for pitch in (48, 52, 55)
    )
    calls = request.settings.steps
    return Plan(request.id, first, end, request.notes + played, elapsed_ns, calls)


@dataclass(frozen=True, slots=True)
class Part:
    """What one player plays. number: also the seed of melody and settings. offset_s: after the
    others, so that not all ask at once."""

    number: int
    bars: int
    bpm: float
    preset: str
    offset_s: float


@dataclass(slots=True)
class PlayerResult:
    """What came of it. asked_ns: time from request to plan, of each that was answered, by the
    server in time or by the stand-in. news: what
    the musician was to know of engines. stuck: notes that sound when all is over. opening_rests:
    beats that rested before the first one with music, when there was no plan in hand yet."""

    beats: Counter[str] = field(default_factory=Counter)
    asked_ns: list[int] = field(default_factory=list)
    requests: int = 0
    from_server: int = 0
    late_notes: int = 0
    opening_rests: int = 0
    stuck: int = 0
    lag_ns: list[int] = field(default_factory=list)
    news: list[str] = field(default_factory=list)


class SimulatedPlayer:
    """Runs a Session on a thread of its own from `start` until the melody is over."""

    def __init__(self, part: Part, keeper: Callable[[_Report], EngineKeeper]) -> None:
        self.played = PlayerResult()
        self._part = part
        self._inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.keeper = keeper(self._inbox.put)
        preset = presets.load(part.preset)
        wanted: dict[str, Value] = {"clock": "internal", "tempo": part.bpm, "seed": part.number}
        settings = {**preset.settings, **wanted}
        knobs = Knobs(settings)
        self._session = Session(settings)
        self.spec = EngineSpec(
            model=str(preset.model or presets.FIXTURE),
            preset=preset.name,
            warm_up=knobs.sample_settings(knobs.integer("steps")),
        )
        self._sounding: set[tuple[int, int]] = set()
        self._asked: dict[int, int] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def connect(self) -> None:
        """Start the engine."""
        self.keeper.start(self.spec)

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def join(self) -> PlayerResult:
        """Wait for the end."""
        self._thread.join()
        if isinstance(self.keeper, FailoverEngine):
            self.played.from_server = self.keeper.from_server
        self.keeper.stop()
        return self.played

    def _run(self) -> None:
        raise_priority()  # these laptops have processors of their own
        time.sleep(self._part.offset_s)
        start_ns = time.perf_counter_ns() + 100 * NS_PER_MS
        notes = tune_score(tune(self._part.bars, seed=self._part.number), self._part.bpm)
        score = [MidiIn(start_ns + at_ns, data) for at_ns, data in notes]
        end_ns = start_ns + round(self._part.bars * BEATS_IN_BAR * 60e9 / self._part.bpm)
        while self._inbox.qsize():
            self._step(self._inbox.get())
        self._step(Act(start_ns, "start"))
        for command in score:
            self._until(min(command.at_ns, end_ns))
            self._step(command)
        self._until(end_ns)
        self._finish(end_ns)

    def _until(self, end_ns: int) -> None:
        """Let time pass, and take what the engine says meanwhile."""
        while (now_ns := time.perf_counter_ns()) < end_ns:
            dues = [self._session.wake_ns(now_ns), self._session.due_ns(), end_ns]
            due_ns = min(due for due in dues if due is not None)
            try:
                wait_s = max(0, due_ns - now_ns) / NS_PER_S
                command = self._inbox.get(timeout=wait_s) if wait_s else self._inbox.get_nowait()
            except queue.Empty:
                now_ns = time.perf_counter_ns()
                self.played.lag_ns.append(now_ns - due_ns)
                self._step(Tick(now_ns))
                continue
            self._step(command)

    def _step(self, command: Command) -> None:
        now_ns = time.perf_counter_ns()
        if isinstance(command, PlanArrived):
            asked_ns = self._asked.pop(command.plan.id, None)
            if asked_ns is not None:
                self.played.asked_ns.append(now_ns - asked_ns)
        if not isinstance(command, MidiIn | Act):
            command = replace(command, at_ns=now_ns)
        for effect in self._session.step(command):
            if isinstance(effect, RequestPlan):
                self.played.requests += 1
                self._asked[effect.request.id] = now_ns
                self.keeper.submit(effect.request)
            elif isinstance(effect, SendMidi):
                self._hear(effect.data)
            elif isinstance(effect, LogLine) and isinstance(command, EngineState) and command.news:
                self.played.news.append(effect.text)
        if not self._session.counts.fresh:
            self.played.opening_rests = self._session.counts.rest

    def _hear(self, data: tuple[int, ...]) -> None:
        key = data[0] & 0x0F, data[1]
        if data[0] & 0xF0 == 0x90 and data[2]:
            self._sounding.add(key)
        elif data[0] & 0xF0 in (0x80, 0x90):
            self._sounding.discard(key)

    def _finish(self, end_ns: int) -> None:
        self._step(Act(end_ns, "stop"))
        self.played.stuck = len(self._sounding)
        self.played.beats = Counter(asdict(self._session.counts))
        self.played.late_notes = self._session.stage.performer.scheduler.late


def through(address: ServerAddress) -> Callable[[_Report], EngineKeeper]:
    """Players of an engine server, each with a stand-in for a laptop's own engine."""
    return lambda report: FailoverEngine(address, report, StandIn)


def play_all(
    parts: Sequence[Part],
    keeper: Callable[[_Report], EngineKeeper],
    meanwhile: Callable[[], None] = lambda: None,
) -> list[PlayerResult]:
    """Let all play at once, once all are connected; `meanwhile` runs beside, on this thread."""
    players = [SimulatedPlayer(part, keeper) for part in parts]
    for player in players:
        player.connect()
    time.sleep(1.5)  # probes are answered
    for player in players:
        player.start()
    meanwhile()
    return [player.join() for player in players]
