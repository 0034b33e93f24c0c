"""MIDI systems and ports, whether a clock comes in, whether what we send comes back, how late."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bridge.doctor.finding import FAIL, OK, WARN, Finding
from bridge.midi.systems import (
    PortNames,
    candidates,
    discard,
    list_ports,
    no_midi_advice,
    open_existing,
    open_port,
    try_device,
)
from bridge.midi_messages import NOTE_OFF, NOTE_ON
from bridge.timebase import NS_PER_MS, NS_PER_S

_CLOCK = 0xF8
_PULSES_A_BEAT = 24
PROBE = (0xF0, 0x7D, 0x6D, 0x64, 0xF7)
"""System exclusive of the id kept for experiments: no instrument sounds or answers."""
_LISTEN_S = 1.2
_ECHO_S = 0.3
_MOST_PORTS = 16
_LOOP_NOTES = 24
_POLL_S = 0.0005
_LATE_LOOP_MS = 30.0


def systems(api: str) -> Finding:
    """Return which MIDI systems answer, and their ports."""
    found = list_ports(api)
    if not found:
        return Finding("MIDI system", FAIL, "none answers", no_midi_advice())
    parts = [f"{s.api}: {len(s.inputs)} to hear, {len(s.outputs)} to play to" for s in found]
    return Finding("MIDI system", OK, "; ".join(parts))


def virtual_ports(api: str) -> Finding:
    """Find out whether we can make ports of our own."""
    opened = open_port("out", "", candidates(api))
    if opened is None:
        fix = (
            "name existing ports with `serve --in NAME --out NAME` (Windows: make them in loopMIDI)"
        )
        return Finding("own ports", WARN, "this system has none", fix)
    discard(opened.device)
    return Finding("own ports", OK, f"can be made ({opened.api})")


def clock(api: str, seconds: float = _LISTEN_S) -> Finding:
    """Find out whether a MIDI clock comes in at any port that can be listened to."""
    listening = _listen_everywhere(api)
    time.sleep(seconds)
    heard = {name: sum(data[0] == _CLOCK for data in _taken(device)) for name, device in listening}
    discard(*(device for _, device in listening))
    name, pulses = max(heard.items(), key=lambda each: each[1], default=("", 0))
    if pulses < _PULSES_A_BEAT / 2:
        fix = (
            "have your DAW send MIDI clock to `midi-diffuse in`; or /diffuse/start, or --clock link"
        )
        return Finding("MIDI clock", WARN, "none heard; the internal clock will be used", fix)
    bpm = pulses / _PULSES_A_BEAT / seconds * 60
    return Finding("MIDI clock", OK, f"some {bpm:.0f} bpm from {name}")


def echo(api: str) -> Finding:
    """Find out whether what is sent to a port comes back in at another."""
    listening = _listen_everywhere(api)
    loops = []
    for system in list_ports(api):
        for name in system.outputs[:_MOST_PORTS]:
            if _send_once(name, api):
                time.sleep(_ECHO_S)
            loops += [f"{name} -> {port}" for port, each in listening if PROBE in _taken(each)]
    discard(*(device for _, device in listening))
    if not loops:
        return Finding("echo", OK, "nothing that is sent comes back in")
    fix = "fine if you made these loops; do not use both ends for midi-diffuse (echo_guard helps)"
    return Finding("echo", WARN, "; ".join(loops[:4]), fix)


def loop(out_name: str, in_name: str, api: str) -> Finding:
    """Return how long a note takes from one port to another, over a loop that you made."""
    keys = candidates(api)
    source, target = open_existing("in", in_name, keys), open_existing("out", out_name, keys)
    late_ms = [_there_and_back_ms(target.device, source.device) for _ in range(_LOOP_NOTES)]
    discard(source.device, target.device)
    return loop_finding([each for each in late_ms if each is not None], _LOOP_NOTES)


def _there_and_back_ms(target: Any, source: Any) -> float | None:
    """Return a quiet note's way; None where it does not come back."""
    _taken(source)
    sent_ns = time.perf_counter_ns()
    target.send_message((NOTE_ON, 60, 1))
    target.send_message((NOTE_OFF, 60, 0))
    while (late_ns := time.perf_counter_ns() - sent_ns) < _ECHO_S * NS_PER_S:
        if any(data[:2] == (NOTE_ON, 60) for data in _taken(source)):
            return late_ns / NS_PER_MS
        time.sleep(_POLL_S)
    return None


def loop_finding(late_ms: list[float], sent: int) -> Finding:
    """Return what the times of the notes that came back say, of so many sent."""
    if len(late_ms) < sent:
        text = f"{sent - len(late_ms)} of {sent} notes did not come back"
        return Finding("loop", FAIL, text, "connect the output to the input and try again")
    median, worst = statistics.median(late_ms), max(late_ms)
    text = f"{median:.1f} ms there and back, at most {worst:.1f} ms"
    fix = f"half of it each way: serve --input-offset-ms {-median / 2:.0f}" if median > 4 else ""
    return Finding("loop", OK if median < _LATE_LOOP_MS else WARN, text, fix)


def _listen_everywhere(api: str) -> list[tuple[str, Any]]:
    """(port, open device) of every port there is to hear.

    Without callbacks: what comes in waits in rtmidi's own queue, and closing is safe.
    """
    found = []
    for key, system in _with_keys(api):
        for index, name in enumerate(system.inputs[:_MOST_PORTS]):
            device = try_device("in", key)
            if device is None:
                continue
            device.ignore_types(sysex=False, timing=False, active_sense=True)
            device.open_port(index, "midi-diffuse doctor")
            found.append((name, device))
    return found


def _taken(device: Any) -> list[tuple[int, ...]]:
    """Return what has come in since the last call."""
    found = []
    while event := device.get_message():
        found.append(tuple(event[0]))
    return found


def _with_keys(api: str) -> list[tuple[str, PortNames]]:
    return [(key, system) for key in candidates(api) for system in list_ports(key)]


def _send_once(name: str, api: str) -> bool:
    try:
        opened = open_existing("out", name, candidates(api))
        opened.device.send_message(PROBE)
    except (OSError, ValueError):
        return False
    discard(opened.device)
    return True
