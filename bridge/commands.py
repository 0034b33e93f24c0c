"""What goes into the Session and what comes out: frozen Commands and Effects.

Other threads only append Commands to the inbox; the transport thread steps the Session with them
and performs the Effects. Every Command carries the monotonic instant it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.take import BarsTake
from engine.requests.request import Plan, PlanRequest

Value = float | int | str | bool
"""A parameter's value or an OSC argument."""

Address = tuple[str, int]
"""Host and UDP port of an OSC peer."""


# -- Commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MidiIn:
    """One MIDI message from the input port, stamped first thing in the callback."""

    at_ns: int
    data: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SetParameter:
    """Set a parameter; `value` is already checked against the table."""

    at_ns: int
    name: str
    value: Value
    sender: Address | None = None


@dataclass(frozen=True, slots=True)
class AskParameter:
    """Say what a parameter's value is."""

    at_ns: int
    name: str
    sender: Address | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Perform an action of the table (start, stop, panic, trigger, note, ...)."""

    at_ns: int
    name: str
    arguments: tuple[Value, ...] = ()
    sender: Address | None = None


@dataclass(frozen=True, slots=True)
class PlanArrived:
    """The engine answered."""

    at_ns: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class EngineState:
    """The engine process is now `starting`, `ready`, `error` (one request failed) or `down`.

    `loading`: another engine is on its way, while the one that serves goes on. `refused`: the one
    that was on its way cannot be loaded, and the settings that came with it are to be taken back.

    plan_ns, calls: of a `ready` and warm one, how long a plan took it and in how many sampler
    calls; else 0. news: what the musician is to know of it, such as that another machine's
    engine plays from now on; mostly empty.
    """

    at_ns: int
    state: str
    detail: str = ""
    plan_ns: int = 0
    calls: int = 0
    news: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: send what is due, decide what is to be decided."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class SendDue:
    """Send what is due at `at_ns` and do nothing else; may be asked for a little ahead of time."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class LinkHeard:
    """The Ableton Link session at `at_ns`, as seen by this peer.

    peers: others in it; 0 means that there is none, or none any more, and the rest says nothing.
    beat: quarter notes, 0 modulo `quantum_beats` on the session's bar lines. rolling: start/stop.
    """

    at_ns: int
    peers: int
    beat: float
    bpm: float
    rolling: bool
    quantum_beats: float


Command = (
    MidiIn
    | SetParameter
    | AskParameter
    | Act
    | PlanArrived
    | EngineState
    | LinkHeard
    | Tick
    | SendDue
)


# -- Effects -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendMidi:
    """Send now. `due_ns` is when it should sound, for measuring lateness."""

    due_ns: int
    data: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """Ask the engine; newest wins in its one pending slot.

    hang_ns: an engine that takes so long hangs; two bars at the tempo of now.
    """

    request: PlanRequest
    hang_ns: int


@dataclass(frozen=True, slots=True)
class OscOut:
    """Send an OSC message: to `to` and every subscriber, or to every subscriber only (None)."""

    address: str
    arguments: tuple[Value, ...]
    to: Address | None = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Add (or with `on` False remove) an OSC subscriber; `to`, who asked, is answered."""

    peer: Address
    on: bool
    to: Address | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line for the terminal."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class FollowLink:
    """Join the Ableton Link session and count in bars of `quantum_beats`; None: leave it."""

    quantum_beats: float | None


@dataclass(frozen=True, slots=True)
class KeepTake:
    """Write a take to the takes folder; `to`, who asked, is told its name."""

    take: BarsTake
    to: Address | None = None


@dataclass(frozen=True, slots=True)
class ChoosePreset:
    """Switch to preset number `number` of the list, from 0: a program change asked for it."""

    at_ns: int
    number: int


@dataclass(frozen=True, slots=True)
class SavePreset:
    """Write settings as the user's own preset `name`; `to`, who asked, is answered."""

    name: str
    settings: tuple[tuple[str, Value], ...]
    to: Address | None = None


Effect = (
    SendMidi
    | RequestPlan
    | OscOut
    | Subscribe
    | LogLine
    | FollowLink
    | KeepTake
    | ChoosePreset
    | SavePreset
)
