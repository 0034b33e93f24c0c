"""The black box: what went into the Session and what came out of it, noted for a log.

A log holds a header (version, settings in force at the start), then one line for every Command
(`bridge.event_log.lines`) and, where it had effects, one for those. Reading runs nothing. Opens no
files.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from bridge.commands import (
    ChoosePreset,
    Command,
    Effect,
    FollowLink,
    KeepTake,
    LogLine,
    OscOut,
    RequestPlan,
    SavePreset,
    SendMidi,
    Subscribe,
)
from bridge.event_log.lines import DAMAGED, LogError, flat, to_json
from engine.requests.request import SampleSettings

_SETTINGS = tuple(row.name for row in fields(SampleSettings) if row.name != "pitch_classes")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a Command brought about, as far as a log keeps it.

    sends: (due_ns, MIDI bytes). digest: CRC-32 of all effects, in order. requests: (id, first
    step, end step, notes). lines: for the terminal. fault: the error, where the step raised.
    """

    digest: int = 0
    sends: tuple[tuple[int, tuple[int, ...]], ...] = ()
    requests: tuple[tuple[int, int, int, int], ...] = ()
    lines: tuple[str, ...] = ()
    fault: str = ""


NOTHING = Outcome()


class TakesSteps(Protocol):
    """The part of a Session that a log is about."""

    def step(self, command: Command) -> list[Effect]:
        """Take a command; say what is to be done."""
        ...

    def wake_ns(self, now_ns: int) -> int | None:
        """Return when the next Tick is wanted."""
        ...

    def due_ns(self) -> int | None:
        """Return when the next note falls due."""
        ...


class Recorded:
    """A Session of which every step is noted. Owner: the transport thread.

    note: takes (command, effects, fault); must be quick and must not raise.
    """

    def __init__(
        self, session: TakesSteps, note: Callable[[Command, Sequence[Effect], str], None]
    ) -> None:
        self._session, self._note = session, note
        self.wake_ns, self.due_ns = session.wake_ns, session.due_ns

    def step(self, command: Command) -> list[Effect]:
        """Return the Session's own step."""
        try:
            effects = self._session.step(command)
        except Exception as err:
            self._note(command, (), fault_line(err))
            raise
        self._note(command, effects, "")
        return effects


def fault_line(err: Exception) -> str:
    """Return a fault in one line."""
    return f"{type(err).__name__}: {' '.join(str(err).split())[:200]}"


# -- Effects -------------------------------------------------------------------------------------


def outcome(effects: Sequence[Effect], fault: str = "") -> Outcome:
    """Return what a log keeps of a step's effects."""
    if fault:
        return Outcome(fault=fault)
    if not effects:
        return NOTHING
    plain = json.dumps([_PLAIN[type(effect)](effect) for effect in effects], default=repr)
    requests = [effect.request for effect in effects if isinstance(effect, RequestPlan)]
    return Outcome(
        digest=zlib.crc32(plain.encode()),
        sends=tuple((e.due_ns, tuple(e.data)) for e in effects if isinstance(e, SendMidi)),
        requests=tuple((r.id, r.first_step, r.end_step, len(r.notes)) for r in requests),
        lines=tuple(e.text for e in effects if isinstance(e, LogLine)),
    )


def _plain_request(effect: RequestPlan) -> list[Any]:
    request, settings = effect.request, effect.request.settings
    return [
        "request",
        [request.id, request.first_step, request.end_step],
        flat(request.notes),
        [(span.voice, span.from_step, span.to_step) for span in request.known],
        [(step, str(meter)) for step, meter in request.meters.changes],
        [getattr(settings, name) for name in _SETTINGS],
        sorted(settings.pitch_classes),
    ]


_PLAIN: dict[type, Callable[[Any], list[Any]]] = {
    SendMidi: lambda e: ["midi", e.due_ns, e.data],
    RequestPlan: _plain_request,
    OscOut: lambda e: ["osc", e.address, e.arguments, e.to],
    Subscribe: lambda e: ["subscribe", e.peer, e.on],
    LogLine: lambda e: ["line", e.level, e.text],
    FollowLink: lambda e: ["link", e.quantum_beats],
    SavePreset: lambda e: ["save", e.name, e.settings, e.to],
    ChoosePreset: lambda e: ["choose", e.number],
    KeepTake: lambda e: ["keep", e.take.bars, flat(e.take.reply), e.to],
}


def outcome_line(found: Outcome, at_ns: int) -> str:
    """Return a log's line of an outcome; `at_ns` is its command's."""
    row: dict[str, object] = {"crc": found.digest}
    if found.fault:
        row = {"fault": found.fault}
    if found.sends:
        row["send"] = [[due_ns - at_ns, *data] for due_ns, data in found.sends]
    if found.requests:
        row["request"] = found.requests
    if found.lines:
        row["told"] = found.lines
    return to_json(row)


def read_outcome(row: dict[str, Any], at_ns: int) -> Outcome:
    """Return the inverse of `outcome_line`. Raises LogError."""
    try:
        return Outcome(
            digest=int(row.get("crc", 0)),
            sends=tuple(
                (at_ns + int(ahead), tuple(int(byte) for byte in data))
                for ahead, *data in row.get("send", ())
            ),
            requests=tuple(
                (int(n), int(first), int(end), int(notes))
                for n, first, end, notes in row.get("request", ())
            ),
            lines=tuple(str(text) for text in row.get("told", ())),
            fault=str(row.get("fault", "")),
        )
    except DAMAGED:
        raise LogError(f"not an outcome: {str(row)[:80]}") from None
