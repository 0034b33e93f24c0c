"""A log played again: the same Commands into a fresh Session, its effects held against the log.

The Session is pure, so that a whole log gives bit for bit what was sent. Opens no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from bridge.commands import Command, EngineState, MidiIn, Tick
from bridge.event_log.lines import (
    DAMAGED,
    Header,
    LogError,
    parse_line,
    read_command,
    read_header,
)
from bridge.event_log.outcomes import NOTHING, Outcome, fault_line, outcome, read_outcome
from bridge.live.session import Session
from bridge.settings.rows import ParameterError
from bridge.timebase import NS_PER_S


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where the replay does otherwise. line: of the log, from 1."""

    line: int
    at_s: float
    command: str
    text: str


@dataclass(slots=True)
class Replay:
    """What a log holds, and whether it played again as it was.

    received, sent: (ns since the start, MIDI bytes); sent at the time due. late_ns: of each note,
    in the order sent. incomplete: why the log cannot be replayed from some line on, or empty.
    stepped: commands replayed. ended: the log's last word, empty where it was cut off.
    """

    header: Header
    commands: int = 0
    ticks: int = 0
    stepped: int = 0
    lost: int = 0
    requests: int = 0
    plans: int = 0
    received: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    sent: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    late_ns: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    engine: list[str] = field(default_factory=list)
    difference: Difference | None = None
    incomplete: str = ""
    ended: str = ""
    last_ns: int = 0

    @property
    def exact(self) -> bool:
        """Every effect of every command was the same, from the start to the end of the log."""
        return self.difference is None and not self.incomplete

    @property
    def seconds(self) -> float:
        """From the start to the last command."""
        return (self.last_ns - self.header.at_ns) / NS_PER_S


def replay(lines: Iterable[str]) -> Replay:
    """Read a log, in the order of its parts, and play it again. Raises LogError.

    A last line that was cut off (power loss) is left out.
    """
    numbered = _numbered(lines)
    first = next(numbered, None)
    if first is None:
        raise LogError("an empty log")
    return _Player(read_header(first[1])).run(numbered)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """(line number, its JSON) of each line; LogError says where."""
    broken: LogError | None = None
    for number, line in enumerate(lines, 1):
        if broken is not None:
            raise broken
        try:
            yield number, parse_line(line)
        except LogError as err:
            # An error only if more follows: else the writing was cut short.
            broken = LogError(f"line {number}: {err}")


class _Player:
    """Steps a fresh Session line by line."""

    def __init__(self, header: Header) -> None:
        self._found = Replay(header, last_ns=header.at_ns)
        try:
            self._session = Session(header.settings)
        except ParameterError as err:
            text = f"written by {header.version}, whose settings this version does not know"
            raise LogError(f"{text}: {err}") from None
        self._command: tuple[int, Command] | None = None
        self._did: Outcome = NOTHING
        self._part = header.part
        if header.part:
            self._found.incomplete = f"parts 0 to {header.part - 1} are not there"

    def run(self, rows: Iterable[tuple[int, Any]]) -> Replay:
        for number, row in rows:
            try:
                self._read(number, row)
            except DAMAGED as err:
                raise LogError(f"line {number}: {err}") from None
        if self._found.ended:  # else the outcome of the last command may be cut off
            self._settle(NOTHING)
        return self._found

    def _read(self, number: int, row: Any) -> None:
        if isinstance(row, int | list):
            self._settle(NOTHING)
            self._step(number, read_command(row, self._found.last_ns))
        elif not isinstance(row, dict):
            raise LogError(f"neither a command nor an outcome: {str(row)[:60]}")
        elif "midi-diffuse" in row:
            self._next_part(read_header(row))
        elif "lost" in row:
            self._found.lost += int(row["lost"])
            self._give_up(f"{row['lost']} commands were not written")
        elif "late" in row:
            self._found.late_ns += [int(late_ns) for late_ns in row["late"]]
        elif "end" in row:
            self._found.ended = str(row["end"])
        else:
            self._settle(read_outcome(row, self._found.last_ns))

    def _next_part(self, header: Header) -> None:
        same = header.session == self._found.header.session
        if not same or header.part != self._part + 1:
            self._give_up(f"part {self._part + 1} is not there")
        self._part, self._found.last_ns = header.part, header.at_ns

    def _give_up(self, why: str) -> None:
        self._settle(NOTHING)
        self._found.incomplete = self._found.incomplete or why

    def _step(self, number: int, command: Command) -> None:
        found = self._found
        found.commands += 1
        found.last_ns = command.at_ns
        if isinstance(command, Tick):
            found.ticks += 1
        elif isinstance(command, MidiIn):
            found.received.append((command.at_ns - found.header.at_ns, command.data))
        elif isinstance(command, EngineState):
            found.engine.append(f"{command.state} {command.detail}".strip())
        self._command = (number, command)
        if not found.exact:
            return
        found.stepped += 1
        try:
            self._did = outcome(self._session.step(command))
        except Exception as err:  # the log says whether it did so then
            self._did = outcome((), fault_line(err))

    def _settle(self, recorded: Outcome) -> None:
        """Take the line after a command as its outcome, if it had one."""
        if self._command is None:
            if recorded is not NOTHING:
                raise LogError("an outcome without a command")
            return
        found, (number, command) = self._found, self._command
        zero_ns = found.header.at_ns
        found.sent += [(due_ns - zero_ns, data) for due_ns, data in recorded.sends]
        found.requests += len(recorded.requests)
        found.lines += recorded.lines
        found.faults += [recorded.fault] if recorded.fault else []
        if found.exact and recorded != self._did:
            at_s = (command.at_ns - zero_ns) / NS_PER_S
            text = _difference_in_words(recorded, self._did)
            found.difference = Difference(number, at_s, str(command)[:200], text)
        self._command, self._did = None, NOTHING


def _difference_in_words(then: Outcome, now: Outcome) -> str:
    """Return what is other, the notes first."""
    if then.fault != now.fault:
        return f"then {then.fault or 'no fault'}, now {now.fault or 'no fault'}"
    for old, new in zip_longest(then.sends, now.sends):
        if old != new:
            return f"then sent {_send_in_words(old)}, now {_send_in_words(new)}"
    if then.requests != now.requests:
        return f"then asked for {then.requests}, now {now.requests}"
    if then.lines != now.lines:
        return f"then said {then.lines}, now {now.lines}"
    return f"answers or requests differ (digest {then.digest} then, {now.digest} now)"


def _send_in_words(send: tuple[int, tuple[int, ...]] | None) -> str:
    return "nothing" if send is None else f"{list(send[1])} due at {send[0]} ns"
