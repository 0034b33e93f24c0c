"""What a datagram means by the table of addresses.

Trust nothing: arity, types, ranges, sizes and times are checked before a Command exists. Opens no
socket.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
from collections.abc import Callable
from dataclasses import dataclass

from bridge.commands import Act, Address, AskParameter, Command, SetParameter, Value
from bridge.osc.schema import ARGUMENT_RANGES, BY_ADDRESS, OUT_PREFIX, Argument, OscRow
from bridge.osc.wire import IMMEDIATELY, OscMessage, OscWireError, decode_packet, timetag_unix_ns
from bridge.settings.rows import Action, Parameter, ParameterError
from bridge.settings.values import check_value
from bridge.text import one_of
from bridge.timebase import NS_PER_S

MOST_AHEAD_S = 10
MOST_TEXT = 200
"""Characters in a text argument."""
_KINDS: dict[str, Callable[[float], Value]] = {"bool": bool, "int": int, "float": float}


@dataclass(frozen=True, slots=True)
class OscProblem:
    """A message that was not understood, and why. `address` is empty where none could be read."""

    address: str
    text: str


def parse_packet(
    packet: bytes, at_ns: int, sender: Address | None = None, wall_ns: int | None = None
) -> list[Command | OscProblem]:
    """Return what a datagram asks for, in order; never raises, whatever a check below may raise.

    at_ns: monotonic time of its arrival. wall_ns: Unix time of the same instant, by which the
    time tags of bundles are read: a Command with a time in the future carries a later `at_ns`
    (at most MOST_AHEAD_S). Without it, and for times in the past, everything is for now.
    """
    found: list[Command | OscProblem] = []
    for message in decode_packet(packet):
        if isinstance(message, OscWireError):
            found.append(OscProblem(message.address, str(message)))
            continue
        try:
            command = _read(message, _due_ns(message.timetag, at_ns, wall_ns), sender)
        except ParameterError as err:
            found.append(OscProblem(message.address, str(err)))
        except Exception as err:  # a gap in a check costs one message, not the thread that reads
            text = f"not understood ({type(err).__name__})"
            found.append(OscProblem(message.address, text))
        else:
            found += [command] if command else []
    return found


def hint(problem: OscProblem) -> str:
    """Return the problem's text, with the nearest address where the address is not one of ours.

    Apart from `parse` because looking for the nearest takes about a millisecond.
    """
    if not problem.address or problem.address in BY_ADDRESS:
        return problem.text
    close = difflib.get_close_matches(problem.address, BY_ADDRESS, n=1)
    return f"{problem.text}; did you mean {close[0]}?" if close else problem.text


def is_own_reply(problem: OscProblem) -> bool:
    """Return whether one of our own answers came back; answering it would go round in circles."""
    return problem.address.startswith(OUT_PREFIX)


def _due_ns(timetag: int, at_ns: int, wall_ns: int | None) -> int:
    if timetag == IMMEDIATELY or wall_ns is None:
        return at_ns
    ahead_ns = timetag_unix_ns(timetag) - wall_ns
    if ahead_ns > MOST_AHEAD_S * NS_PER_S:
        raise ParameterError(
            f"bundle timed {ahead_ns / NS_PER_S:.0f} s ahead; at most {MOST_AHEAD_S}"
        )
    return at_ns + max(ahead_ns, 0)


def _read(message: OscMessage, at_ns: int, sender: Address | None) -> Command | None:
    row = BY_ADDRESS.get(message.address)
    if row is None:
        raise ParameterError("no such address")
    arguments = tuple(_plain(value) for value in message.arguments if value is not None)
    if isinstance(row.source, Parameter):
        return _read_parameter(row.source, arguments, at_ns, sender)
    assert isinstance(row.source, Action)
    return _read_action(row, row.source, arguments, at_ns, sender)


def _plain(value: Value | bytes) -> Value:
    if isinstance(value, bytes):
        raise ParameterError("a blob is not understood here")
    if isinstance(value, str) and len(value) > MOST_TEXT:
        raise ParameterError(f"text of {len(value)} characters; at most {MOST_TEXT}")
    # Pd and many controllers send every number as a float, indices of choices too.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_parameter(
    row: Parameter, arguments: tuple[Value, ...], at_ns: int, sender: Address | None
) -> Command:
    if not arguments:
        return AskParameter(at_ns, row.name, sender)
    # Max and Pd send `chord C E G` as three symbols.
    if row.kind == "text" and len(arguments) > 1:
        arguments = (" ".join(str(value) for value in arguments),)
    if len(arguments) > 1:
        raise ParameterError(f"{row.name} wants one value, not {len(arguments)}")
    value = check_value(row.name, _in_steps(row, arguments[0]))
    # Files are opened by name only: a peer on the network must not choose a path.
    if row.name == "preset" and (set(str(value)) & set("/\\:") or str(value).endswith(".toml")):
        raise ParameterError("preset wants a name, as listed by `midi-diffuse presets`")
    return SetParameter(at_ns, row.name, value, sender)


def _in_steps(row: Parameter, value: Value) -> Value:
    """Return a fader's 12.73 as the nearest whole number, for what has whole numbers or choices."""
    if row.kind in ("float", "text") or not isinstance(value, float) or not math.isfinite(value):
        return value
    return math.floor(value + 0.5)


def _read_action(
    row: OscRow, action: Action, arguments: tuple[Value, ...], at_ns: int, sender: Address | None
) -> Command | None:
    least, most = len(row.arguments) - row.optional, len(row.arguments)
    # Max and Pd send `chord_at 3 1 C E G` as three symbols.
    if most and row.arguments[-1].kind == "text" and len(arguments) > most:
        text = " ".join(str(value) for value in arguments[most - 1 :])
        arguments = (*arguments[: most - 1], text)
    # Buttons of OSC controllers send 1 when pressed and 0 when let go.
    if most == 0 and arguments in ((0,), (1,)):
        return Act(at_ns, action.name, (), sender) if arguments[0] else None
    if not least <= len(arguments) <= most:
        counts = one_of(str(count) for count in range(least, most + 1))
        noun = "argument" if counts == "1" else "arguments"
        raise ParameterError(f"want {counts} {noun}, not {len(arguments)}: {row.usage()}")
    checked = (
        _check_argument(arg, value) for arg, value in zip(row.arguments, arguments, strict=False)
    )
    return Act(at_ns, action.name, tuple(checked), sender)


def _check_argument(argument: Argument, value: Value) -> Value:
    wrong = ParameterError(f"{argument.name} wants {argument.values}, not {value!r}")
    if argument.name == "host":
        return _check_host(value)
    if argument.kind == "text":
        return str(value)
    if isinstance(value, str) or not math.isfinite(value):
        raise wrong
    if argument.kind != "float" and value != int(value):
        raise wrong
    low, high = ARGUMENT_RANGES.get(argument.name, (0, 1))
    if not low <= value <= high:
        raise wrong
    return _KINDS[argument.kind](value)


def _check_host(value: Value) -> str:
    # Names are not looked up: that can take seconds.
    text = "127.0.0.1" if value == "localhost" else str(value)
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ParameterError(
            f"host wants an IPv4 address such as 127.0.0.1, not {value!r}"
        ) from None
