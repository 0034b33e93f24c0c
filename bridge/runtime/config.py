"""What the daemon is built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.commands import Value
from bridge.engine_link.address import ServerAddress
from bridge.settings.state import Learned


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """The daemon's configuration."""

    host: str = "127.0.0.1"
    port: int = 9000
    """For OSC; 0: any free one."""
    reply_port: int | None = None
    """None: port + 1."""
    allow: tuple[str, ...] = ()
    """OSC peers besides this machine; none: those of a private network."""
    log: Path | None = None
    """The folder of the event log; None: no log."""
    takes: Path | None = None
    """The folder of takes; None for the usual one."""
    state: Path | None = None
    """The file that is written when settings change; None: none."""
    learned: tuple[Learned, ...] = ()
    """Controllers that were learned before."""
    chords: tuple[tuple[int, float, str], ...] = ()
    """(bar, beat, name), given from the start."""
    companion: Callable[[int], Sequence[str]] | None = None
    """From our OSC port, the command line of a process that runs beside us and ends with us."""
    in_name: str = ""
    out_name: str = ""
    midi_api: str = "auto"
    preset: str = "default"
    settings: Mapping[str, Value] = field(default_factory=dict)
    """Parameters given besides the preset's."""
    threads: int = 0
    """Of the engine; 0: chosen."""
    delay_ms: float = 0.0
    """The fixture engine's time a plan."""
    slow_down: float = 1.0
    """How many times as long each plan takes, to see what a slower machine would do."""
    server: ServerAddress | None = None
    """An engine elsewhere, which this machine's steps in for."""
