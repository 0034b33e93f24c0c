"""What the daemon starts with and ends by: its engine, its first lines, a last clock."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterable

from bridge.commands import Command
from bridge.engine_host.keeper import EngineKeeper
from bridge.engine_host.main import EngineSpec
from bridge.engine_host.supervisor import EngineSupervisor
from bridge.engine_link.address import ServerAddress
from bridge.midi.ports import Ports
from bridge.midi_messages import note_off, panic_messages
from bridge.osc.server import OscServer
from bridge.runtime.config import DaemonConfig
from bridge.settings.knobs import Knobs
from bridge.settings.presets import FIXTURE, Preset


def engine_keeper(server: ServerAddress | None, report: Callable[[Command], None]) -> EngineKeeper:
    """Return what keeps an engine: one in a process of its own, or one elsewhere with that as
    standby."""
    if server is None:
        return EngineSupervisor(report)
    from bridge.engine_link.failover import FailoverEngine

    return FailoverEngine(server, report)


def engine_spec(config: DaemonConfig, preset: Preset, knobs: Knobs) -> EngineSpec:
    """Return what the engine of a preset is to be."""
    return EngineSpec(
        model=FIXTURE if preset.model is None else str(preset.model),
        device=knobs.text("device"),
        preset=preset.name,
        sha256=preset.sha256,
        threads=config.threads,
        delay_ms=config.delay_ms,
        slow_down=config.slow_down,
        warm_up=knobs.sample_settings(knobs.integer("steps")),
        standby=preset.model is not None,
    )


def ready_lines(ports: Ports, osc: OscServer, engine: str) -> list[str]:
    """Return what a musician wants to know when the daemon is up."""
    if ports.advice:
        midi = [
            "MIDI      no MIDI system here; notes work over OSC (/diffuse/note pitch velocity)",
            f"          for MIDI ports {ports.advice}",
        ]
    else:
        midi = [
            f"MIDI in   {ports.in_name} ({ports.api})   play or send your melody here",
            f"MIDI out  {ports.out_name} ({ports.api})   the reply comes from here",
        ]
    reply = f"OSC       {osc.host} port {osc.port}, answers go to port {osc.reply_port}"
    return [*midi, reply, f"engine    {engine}"]


def end_notes(ports: Ports, channels: Iterable[int]) -> None:
    """Send the note-off of every pitch on these channels, counted from 1, and a panic."""
    offs = [note_off(n - 1, pitch) for n in sorted(channels) for pitch in range(128)]
    for data in (*offs, *panic_messages()):
        with contextlib.suppress(OSError):  # the transport thread says so when it matters
            ports.send(data)


def end_within(seconds: float) -> None:
    """Have the system end this process after so long, whatever hangs (not on Windows)."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
