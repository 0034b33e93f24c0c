"""The daemon: builds every part from one configuration, starts them in order, stops in reverse.

The only place that knows how the parts are wired.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from types import FrameType

from bridge.commands import (
    Act,
    Address,
    Command,
    EngineState,
    KeepTake,
    LogLine,
    OscOut,
    RequestPlan,
    SavePreset,
    SetParameter,
)
from bridge.event_log.outcomes import Recorded
from bridge.event_log.writer import EventLog
from bridge.inbox import Inbox
from bridge.link.client import NO_AALINK, LinkClient, link_is_installed
from bridge.live.session import Session
from bridge.midi.hot_plug import HotPlug
from bridge.midi.ports import RtMidiPorts, open_ports
from bridge.osc.peers import Peers
from bridge.osc.schema import OUT_PREFIX
from bridge.osc.server import OscServer
from bridge.realtime import HELPER_PRIORITY, raise_priority
from bridge.runtime.config import DaemonConfig
from bridge.runtime.figures import of_engine, of_osc, of_transport
from bridge.runtime.outbox import Outbox
from bridge.runtime.parts import end_notes, end_within, engine_keeper, engine_spec, ready_lines
from bridge.runtime.preset_switch import PresetSwitch
from bridge.runtime.saving import saved
from bridge.runtime.service_manager import ServiceManager
from bridge.runtime.state_keeper import StateKeeper
from bridge.runtime.status_line import StatusLine
from bridge.runtime.thread_watch import HUNG_S, ThreadWatch, WatchedThread
from bridge.runtime.transport_thread import TransportThread
from bridge.service_thread import Health
from bridge.settings import presets
from bridge.settings.knobs import Knobs
from bridge.takes.keeper import TakeKeeper, takes_folder
from bridge.text import Say, printable
from bridge.timebase import NS_PER_MS, SystemClock

SWITCH_S = 0.0005
"""How long a busy thread may keep Python's lock from the transport; Python's own choice is 5 ms."""
_FORCED_EXIT = 130
_WATCH_S = 0.5
_CLOSE_S, _EXIT_S = 6.0, 2.0
"""The process ends so long after the last note-off, and after its ports are closed, at most."""


class StartError(Exception):
    """The daemon cannot start; the message is one line."""


class Daemon:
    """One run of `midi-diffuse serve`. Owner: the main thread."""

    def __init__(self, config: DaemonConfig, say: Say = print, show: Say | None = None) -> None:
        """Bind the socket and open the ports, so that what is wrong shows before anything runs.

        say: writes a line. show: keeps one, and writes it anew, where there is a terminal.

        Raises PresetError, ParameterError, OscPortError, PortError or, where the clock is to be
        `link` and aalink is missing, StartError, each with one line of text.
        """
        self._config = config
        self._say = say
        self._begun_ns = time.perf_counter_ns()
        self._stop = threading.Event()
        self._engine_up = threading.Event()
        self._engine_detail = ""
        preset = presets.load(config.preset)
        values = {**preset.settings, **config.settings, "preset": preset.name}
        self._knobs = Knobs(values)
        if self._knobs.text("clock") == "link" and not link_is_installed():
            raise StartError(NO_AALINK)
        self._spec = engine_spec(config, preset, self._knobs)
        session, peers = Session(values), Peers(config.allow)
        self._watch = ThreadWatch()
        self._manager = ServiceManager()
        self._hot_plug: HotPlug | None = None
        self._event_log = EventLog(config.log, values, self._late_since) if config.log else None
        # The first line comes before any system is asked that may take its time, or hang.
        say(f"midi-diffuse starts: preset {preset.name}, OSC port {config.port}; looks for MIDI")
        self._inbox = Inbox()
        self._presets = PresetSwitch(self._inbox.put, self._switch, presets.usable_names)
        with ExitStack() as undo:
            self._osc = OscServer(
                config.host, config.port, config.reply_port, self._presets.accept, peers=peers
            )
            undo.callback(self._osc.stop)
            self._ports = open_ports(
                self._inbox.put, config.in_name, config.out_name, config.midi_api
            )
            undo.pop_all()
        self._state = self._state_keeper(config)
        seen = [self._status_line(show).take] if show else []
        seen += [self._state.take] if self._state else []
        self._outbox = Outbox(self._osc, seen)
        self._supervisor = engine_keeper(config.server, self._report)
        self._takes = TakeKeeper(config.takes or takes_folder())
        self._link = LinkClient(self._inbox.put, self._tell_link)
        self._transport = TransportThread(
            session if self._event_log is None else Recorded(session, self._event_log.note),
            self._ports,
            self._inbox,
            self._outbox.put,
            self._ask,
            self._stats,
            link=self._link.follow,
            choose=self._presets.choose,
            keep=self._keep,
        )

    def run(self) -> None:
        """Play until a signal comes; every note is off when this returns.

        Raises StartError, and ThreadEndedError where a thread is gone that nothing should end.
        """
        sys.setswitchinterval(SWITCH_S)
        raise_priority(HELPER_PRIORITY)
        self._catch_signals()
        with ExitStack() as stack:
            if self._event_log is not None:
                stack.callback(self._event_log.stop)
                self._event_log.start()
            stack.callback(self._inbox.close)
            stack.callback(end_within, _EXIT_S)
            stack.callback(self._ports.close)
            stack.callback(self._osc.stop)
            stack.callback(self._presets.stop)
            stack.callback(self._outbox.stop)
            self._outbox.start()
            if self._state is not None:
                stack.callback(self._state.stop)
                self._state.start()
            stack.callback(self._supervisor.stop)
            self._supervisor.start(self._spec)
            stack.callback(self._link.stop)
            self._end_old_notes()
            for learned in self._config.learned:
                self._inbox.put(Act(self._begun_ns, "learn", learned))
            for place in self._config.chords:
                self._inbox.put(Act(self._begun_ns, "chord_at", place))
            stack.callback(end_within, _CLOSE_S)
            # Last to start, first to stop: when the transport thread has ended every note is off.
            stack.callback(self._transport.stop)
            self._transport.start()
            self._presets.start()
            self._osc.start()
            self._watch_ports(stack)
            self._wait_for_engine()
            if not self._stop.is_set():
                self._announce()
                self._manager.ready(f"preset {self._config.preset}, OSC port {self._osc.port}")
                self._accompany(stack)
            while not self._stop.wait(_WATCH_S):
                self._watch_threads()
            self._manager.stopping()

    def _keep(self, effect: KeepTake | SavePreset) -> Iterable[OscOut]:
        """Write what is to be kept, on the outbox's thread."""
        return self._takes.keep(effect) if isinstance(effect, KeepTake) else saved(effect)

    def _state_keeper(self, config: DaemonConfig) -> StateKeeper | None:
        if config.state is None:
            return None
        return StateKeeper(config.state, self._knobs.all(), config.learned, self._log_line)

    def _log_line(self, level: int, text: str) -> None:
        self._outbox.put(LogLine(level, text))

    def _status_line(self, show: Say) -> StatusLine:
        ways = self._knobs.text("mode"), self._knobs.text("reply")
        return StatusLine(show, self._last_plan_ms, ways, SystemClock())

    def _last_plan_ms(self) -> float:
        recent = list(self._supervisor.elapsed_ns)
        return recent[-1] / NS_PER_MS if recent else 0.0

    def _late_since(self, count: int) -> Sequence[int]:
        return self._transport.lateness.since(count)

    # -- Inside ------------------------------------------------------------------------------------

    def _switch(self, command: SetParameter) -> None:
        """Switch to a preset with all that comes with it: its settings and its engine."""
        try:
            preset = presets.load(str(command.value))
        except presets.PresetError as err:
            text = (f"/diffuse/{command.name}", str(err))
            self._outbox.put(OscOut(OUT_PREFIX + "error", text, command.sender))
            return
        self._inbox.put(command)
        for name, value in preset.complete().items():
            self._inbox.put(SetParameter(command.at_ns, name, value, command.sender))
        knobs = Knobs({**preset.complete(), "device": self._spec.device})
        self._supervisor.switch(engine_spec(self._config, preset, knobs))

    def _ask(self, effect: RequestPlan) -> None:
        self._supervisor.allow(effect.hang_ns)
        self._supervisor.submit(effect.request)

    def _report(self, command: Command) -> None:
        """Pass on what the supervisor has to say, on its thread."""
        self._inbox.put(command)
        if isinstance(command, EngineState) and command.state == "ready":
            self._engine_detail = command.detail
            self._engine_up.set()

    def _stats(self, command: Act) -> Callable[[], Iterable[OscOut]]:
        return lambda: self._figures(command.sender)

    def _figures(self, to: Address | None) -> Iterable[OscOut]:
        figures = {
            **of_transport(self._transport),
            **of_engine(self._supervisor),
            **of_osc(self._osc.counts),
            "outbox_dropped": float(self._outbox.dropped),
            "thread_faults": float(sum(each.faults for each in self._healths())),
            "log_lost": float(self._event_log.lost if self._event_log else 0),
            "link_peers": float(self._link.peers),
        }
        for row in figures.items():
            yield OscOut(OUT_PREFIX + "stats", row, to)
        ports = self._ports.in_name, self._ports.out_name, self._ports.api
        yield OscOut(OUT_PREFIX + "ports", ports, to)
        # Last, so that who asked knows that all have come.
        yield OscOut(OUT_PREFIX + "stats", ("end", float(len(figures))), to)

    def _healths(self) -> list[Health]:
        """Return those of every thread that runs until the end."""
        parts: tuple[WatchedThread, ...] = (
            self._transport,
            self._outbox,
            self._osc,
            self._presets,
            self._link,
            *([self._state] if self._state else []),
            *([self._event_log] if self._event_log else []),
            *([self._hot_plug] if self._hot_plug else []),
        )
        own = (health for part in parts if (health := part.health) is not None)
        return [*own, *self._supervisor.healths]

    def _watch_threads(self) -> None:
        """Say so when a thread hangs. Raises ThreadEndedError when one has ended."""
        for name in self._watch.hanging(self._healths(), time.perf_counter_ns()):
            text = f"the {name} thread has not moved for {HUNG_S} s"
            self._outbox.put(LogLine(logging.ERROR, text))
            self._outbox.put(OscOut(OUT_PREFIX + "error", (name, text)))
        if self._watch.all_move:
            self._manager.alive(time.perf_counter_ns())

    def _end_old_notes(self) -> None:
        """End the notes of a run before this one that was killed while they sounded."""
        if self._config.out_name:
            rows = ("out_channel", "bass_channel", "lead_channel")
            end_notes(self._ports, {self._knobs.integer(row) for row in rows} - {0})

    def _end_unsent_notes(self) -> None:
        """Take a new connection to a port of our own: a run before may have played to it."""
        if not self._transport.lateness.count:
            self._inbox.put(Act(time.perf_counter_ns(), "panic"))

    def _watch_ports(self, stack: ExitStack) -> None:
        if isinstance(self._ports, RtMidiPorts):
            given = {"in": self._config.in_name, "out": self._config.out_name}
            named = {direction for direction, name in given.items() if name}
            self._hot_plug = HotPlug(self._ports, named, self._tell, self._end_unsent_notes)
            stack.callback(self._hot_plug.stop)
            self._hot_plug.start()

    def _tell(self, text: str) -> None:
        """Tell what happened to the ports."""
        self._outbox.put(LogLine(logging.WARNING, text))
        self._outbox.put(OscOut(OUT_PREFIX + "error", ("midi", text)))

    def _tell_link(self, level: int, text: str) -> None:
        """Tell what happened to the Link session."""
        self._outbox.put(LogLine(level, text))
        if level >= logging.ERROR:
            self._outbox.put(OscOut(OUT_PREFIX + "error", ("link", text)))

    def _wait_for_engine(self) -> None:
        """Wait until the engine is warm, or cannot be loaded, or a signal comes."""
        while not self._engine_up.wait(0.02) and not self._stop.is_set():
            self._watch_threads()
            if self._supervisor.refused:
                raise StartError(f"preset {self._config.preset!r}: {self._supervisor.refused}")

    def _accompany(self, stack: ExitStack) -> None:
        """Start the companion, where one is wanted."""
        if self._config.companion is not None:
            process = subprocess.Popen(self._config.companion(self._osc.port))
            stack.callback(process.wait)
            stack.callback(process.terminate)

    def _announce(self) -> None:
        seconds = (time.perf_counter_ns() - self._begun_ns) / 1e9
        for line in ready_lines(self._ports, self._osc, self._engine_detail):
            self._say(printable(line))
        if self._event_log is not None:
            self._say(
                f"log       {self._event_log.folder}   events for bug reports; --no-log keeps none"
            )
        self._say(f"READY after {seconds:.1f} s; Ctrl-C ends")

    def _catch_signals(self) -> None:
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            # What was started with nohup is to outlive its terminal.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._stop.is_set() and number == signal.SIGINT:
            self._transport.silence()
            time.sleep(0.1)  # the driver sends on a thread of its own
            os._exit(_FORCED_EXIT)
        self._stop.set()
