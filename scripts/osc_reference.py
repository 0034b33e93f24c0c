"""max_patches/OSC.md: every address and controller, from the table."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.osc.reading import MOST_AHEAD_S
from bridge.osc.schema import IN_ROWS, OUT_ROWS, PARAM_PREFIX, OscRow
from bridge.osc.server import MOST_PER_WINDOW, MOST_SUBSCRIBERS, RENEW_S, SUBSCRIBED_S
from bridge.osc.wire import MOST_BUNDLE_DEPTH, MOST_PACKET_BYTES, MOST_REPLY_BYTES
from bridge.settings.actions import ACTIONS
from bridge.settings.groups import groups
from bridge.settings.parameters import CONTROL_CHANNEL, PARAMETERS
from bridge.settings.rows import Action, Parameter
from scripts.patch_layout import REPLY_PORT, SEND_PORT, default_text

_TAGS = {"float": "f", "int": "i", "bool": "i", "text": "s", "choice": "s"}

_HEAD = f"""# OSC reference

Made from the parameter table by `python -m scripts.make_patches`; do not edit.

`midi-diffuse serve` listens on UDP port {SEND_PORT} (`--port`) of this machine only (`--host
0.0.0.0` lets others in). **Answers** go to the sender's host at port {REPLY_PORT}
(`--reply-port`; port + 1 unless told), and to every subscriber. **Events** (state, bars, notes,
plans, changed values) go to subscribers only: send `/diffuse/subscribe HOST PORT`, and again every
{RENEW_S} s: a subscription ends {SUBSCRIBED_S} s after it was last asked for. The patches do so.

Everything that is sent to you is under `/diffuse/out/`, and nothing there is obeyed: an answer that
comes back, or reaches another midi-diffuse, sets nothing.

## Patches

- `midi-diffuse.maxpat`, for Max 8 or newer: preset, mode and the knobs that matter most, a light
  that says whether midi-diffuse answers, chord, key, panic, notes in and out; *more* opens every
  other parameter. No externals. `midi-diffuse.maxhelp` says how to connect it.
- `midi-diffuse.amxd`, a Max for Live MIDI effect: the same knobs as parameters that Live names,
  stores and automates (the preset is neither stored nor automated: it brings settings of its own).
  *follow scale* and *follow transport* take key, scale, tempo, meter, start and stop from the Live
  Set; *play here* sends the track's notes and plays the reply on it, without MIDI ports. It
  listens on port 9002.
- **These three were generated and validated (objects, inlets, outlets, cables, addresses,
  parameters, the device's container), but none has been opened in Max or Live yet.** If something
  is wrong, please say so.
- `midi-diffuse.pd`, the same for vanilla Pure Data 0.52 or newer. The tests run this one in
  Pd against the daemon's own OSC server.

They send to port {SEND_PORT} of 127.0.0.1; the patches listen on {REPLY_PORT}. To control a daemon
on another machine, change these in the patch, start it with `--host 0.0.0.0`, and send
`/diffuse/subscribe` with your own address.

## How it works

- A parameter's address **with a value sets it, without one asks**: `/diffuse/NAME [value]`. A
  question, and a set that changed something, is answered with the value now in force, at
  `/diffuse/out/param/NAME`.
- An action that was done is answered with `/diffuse/out/done ACTION`, or with answers of its own.
- Numbers may come as int or float; a fader's 12.73 is 13 where whole numbers are wanted. Choices go
  by name or by index from 0. Switches are 0 or 1. A text of several words may come as several
  strings (`/diffuse/chord C E G`).
- An action without arguments also takes the 1 that a button sends when pressed; its 0 does nothing.
- What is not understood is answered with `/diffuse/out/error address text` and changes nothing.
- A bundle's time tag is kept to the millisecond, up to {MOST_AHEAD_S} s ahead.
- Limits: packets of {MOST_PACKET_BYTES} bytes, bundles {MOST_BUNDLE_DEPTH} deep,
  {MOST_PER_WINDOW} messages in 10 ms (the rest is dropped and counted, see `/diffuse/stats`),
  {MOST_SUBSCRIBERS} subscribers; answers are at most {MOST_REPLY_BYTES} bytes.
- UDP may lose messages. Setting a value twice does no harm.
- Who asks from the very address and port that it has subscribed with is answered there only.

- **OSCQuery**: the monitor's server (`midi-diffuse serve --monitor`) tells all of this to programs
  as JSON at `http://127.0.0.1:9080/`, with types, ranges and values (docs/monitor.md).

With liblo: `oscsend localhost {SEND_PORT} /diffuse/temperature f 0.8`, and `oscdump {REPLY_PORT}`
shows the answers.
"""

_CC = f"""
## MIDI controllers

Many parameters and actions listen to a controller on **channel {CONTROL_CHANNEL}** of the input
port. A parameter's range is spread over 0 to 127, choices in equal parts; switches are on, and
actions happen, from 64 up. A program change on that channel takes the preset of that number, as
`midi-diffuse presets` lists them (the first is program 1, sent as 0).
"""


_PARAM = f"""`{PARAM_PREFIX}NAME value` for every parameter, when asked for or changed, and:
"""


def build() -> str:
    """Return the whole page."""
    parts = [_HEAD, "\n## Parameters\n"]
    rows = {row.source.name: row for row in IN_ROWS if isinstance(row.source, Parameter)}
    for group in groups():
        found = [rows[parameter.name] for parameter in group.rows]
        parts += [f"\n### {group.title}\n\n", _table(_PARAMETER_HEAD, map(_parameter, found))]
    actions = [row for row in IN_ROWS if isinstance(row.source, Action)]
    parts += ["\n## Actions\n\n", _table(_ACTION_HEAD, map(_message, actions))]
    parts += ["\n## What is sent to you\n\n", _PARAM, "\n"]
    parts += [_table(_ACTION_HEAD, map(_message, OUT_ROWS)), _CC, "\n"]
    parts += [_table(("CC", "what", "values"), _controllers())]
    return "".join(parts)


_PARAMETER_HEAD = ("address", "type", "values", "default", "CC", "what it does")
_ACTION_HEAD = ("address and arguments", "types", "what it does")


def _parameter(row: OscRow) -> tuple[str, ...]:
    source = row.source
    assert isinstance(source, Parameter)
    values, tag = source.describe_range(), _TAGS[source.kind]
    cc = "" if source.cc is None else str(source.cc)
    return f"`{row.address}`", tag, values, default_text(source), cc, source.doc


def _message(row: OscRow) -> tuple[str, ...]:
    tags = "".join(_TAGS[argument.kind] for argument in row.arguments)
    return f"`{row.usage()}`", tags, row.doc


def _controllers() -> Iterable[tuple[str, ...]]:
    table: tuple[Parameter | Action, ...] = (*PARAMETERS, *ACTIONS)
    rows = [row for row in table if row.cc is not None]
    for row in sorted(rows, key=lambda row: row.cc or 0):
        values = row.describe_range() if isinstance(row, Parameter) else "64 or more"
        yield str(row.cc), row.name, values


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )
