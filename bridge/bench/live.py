"""`bench live`: a melody and a MIDI clock through real ports, and what came back.

The daemon counts its own beats; the recorded reply is checked apart from that. Both are printed.
"""

from __future__ import annotations

import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.bench.stalls import StallMeter
from bridge.client.peers import Bytes, MidiPeer, OscPeer, PlayedNote, played_notes
from bridge.client.rig import DaemonProcess, RigError, jack_server, memory_mb
from bridge.midi.systems import list_ports
from bridge.text import did_you_mean, one_of
from bridge.timebase import NS_PER_MS
from engine.music.grid import STEPS_PER_BEAT

BEATS_IN_BAR = 4
LEAD_IN_NS = 20 * NS_PER_MS
"""From Start to the first clock; the specification wants at least 1 ms."""
_GRID = (0, 6, 8, 12, 16, 18)
"""Sixteenths and triplets of a beat, in steps."""
_OFF_GRID_NS = 25 * NS_PER_MS
"""Beyond the jitter of two JACK periods of 512 frames, which a recorded note has."""

MidiScore = list[tuple[int, Bytes]]
TuneNote = tuple[float, float, int]
"""Onset and length in beats, and pitch."""

_MODES: dict[str, tuple[str, ...]] = {
    "live": ("--reply", "live"),
    "next-bar": ("--reply", "next-bar"),
    "loop": ("--reply", "loop", "--loop-bars", "4"),
    "continue": (
        *("--mode", "continue", "--listen-bars", "2", "--reply-bars", "2"),
        "--no-wait-for-phrase",
    ),
}


class BenchError(Exception):
    """The bench cannot run here; the message is one line."""


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What to play. The last five are handed on to `serve`."""

    bars: int = 200
    bpm: float = 120.0
    mode: str = "live"
    preset: str = "default"
    assignments: tuple[str, ...] = ()
    threads: int = 0
    delay_ms: float = 0.0
    slow_down: float = 1.0

    def arguments(self) -> list[str]:
        """Return the daemon's command line; raises BenchError for an unknown mode."""
        if self.mode not in _MODES:
            hint = did_you_mean(self.mode, _MODES)
            raise BenchError(f"--mode wants {one_of(_MODES)}, not {self.mode!r}{hint}")
        words = ["--preset", self.preset, *_MODES[self.mode], "--threads", str(self.threads)]
        words += ["--delay-ms", str(self.delay_ms), "--slow-down", str(self.slow_down)]
        for text in self.assignments:
            words += ["--set", text]
        return words


def tune(bars: int, mode: str = "live", seed: int = 1) -> list[TuneNote]:
    """Return a melody that wanders through C major in eighths, quarters and halves."""
    rng = random.Random(seed)
    scale = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81]
    place, beat = 4, 0.0
    notes: list[TuneNote] = []
    while beat < bars * BEATS_IN_BAR:
        room = BEATS_IN_BAR - beat % BEATS_IN_BAR
        length = min(rng.choice((0.5, 0.5, 1.0, 1.0, 1.0, 2.0)), room)
        place = min(len(scale) - 1, max(0, place + rng.choice((-2, -1, -1, 0, 1, 1, 2))))
        notes.append((beat, length, scale[place]))
        beat += length
    if mode == "loop":
        first = [note for note in notes if note[0] < 4 * BEATS_IN_BAR]
        passes = range(-(-bars // 4))
        return [(b + 4 * BEATS_IN_BAR * n, length, p) for n in passes for b, length, p in first]
    if mode == "continue":  # two bars of ours, two of the reply
        return [note for note in notes if note[0] // (2 * BEATS_IN_BAR) % 2 == 0]
    return notes


def clock_score(beats: float, bpm: float, from_beat: float = 0.0) -> MidiScore:
    """Start (or Song Position and Continue), 24 clocks a beat, Stop."""
    pulse_ns = 60e9 / bpm / STEPS_PER_BEAT
    score: MidiScore = [(0, (0xFA,))]
    if from_beat:
        sixteenths = int(from_beat * 4)
        score = [(0, (0xF2, sixteenths & 127, sixteenths >> 7)), (0, (0xFB,))]
    count = round(beats * STEPS_PER_BEAT)
    score += [(LEAD_IN_NS + round(i * pulse_ns), (0xF8,)) for i in range(count)]
    return [*score, (LEAD_IN_NS + round(count * pulse_ns), (0xFC,))]


def tune_score(notes: Sequence[TuneNote], bpm: float) -> MidiScore:
    """Note-ons and note-offs, a little detached; beats count from the first clock."""
    beat_ns = 60e9 / bpm
    score: MidiScore = []
    for beat, length, pitch in notes:
        score.append((LEAD_IN_NS + round(beat * beat_ns), (0x90, pitch, 90)))
        score.append((LEAD_IN_NS + round((beat + 0.95 * length) * beat_ns), (0x80, pitch, 0)))
    return score


def merge_messages(*scores: MidiScore) -> MidiScore:
    """Return all messages in order of time; at equal times those of the first score first."""
    return sorted((event for score in scores for event in score), key=lambda event: event[0])


def run_bench(plan: BenchPlan, say: Callable[[str], None]) -> dict[str, Any]:
    """Play `plan` and give what was measured; raises BenchError."""
    arguments = plan.arguments()
    try:
        with ExitStack() as stack:
            api, system = midi_system(stack, say)
            osc = OscPeer()
            stack.callback(osc.close)
            daemon = stack.enter_context(
                DaemonProcess("--midi-api", api, *arguments, reply_port=osc.port)
            )
            osc.to_port = daemon.osc_port
            peer = MidiPeer(api)
            stack.callback(peer.close)
            meter = stack.enter_context(StallMeter())
            minutes = plan.bars * BEATS_IN_BAR / plan.bpm
            say(f"{plan.bars} bars at {plan.bpm:g} bpm, preset {plan.preset}: {minutes:.1f} min")
            return _measure(plan, daemon, osc, peer, meter) | {"midi": system}
    except RigError as err:
        raise BenchError(str(err)) from None


def midi_system(stack: ExitStack, say: Callable[[str], None]) -> tuple[str, str]:
    """Return the API to use and its name; starts a JACK server if none runs, or raises RigError."""
    if sys.platform == "darwin":
        return "core", "CoreMIDI"
    if list_ports("jack"):
        return "jack", "JACK, the server that runs"
    say("no JACK server runs: starting one with the dummy driver")
    stack.enter_context(jack_server(f"midi-diffuse-bench-{os.getpid()}"))
    return "jack", "JACK, dummy driver, 48 kHz, periods of 512 frames"


def _measure(
    plan: BenchPlan, daemon: DaemonProcess, osc: OscPeer, peer: MidiPeer, meter: StallMeter
) -> dict[str, Any]:
    notes = tune(plan.bars, plan.mode)
    beats = plan.bars * BEATS_IN_BAR
    score = merge_messages(tune_score(notes, plan.bpm), clock_score(beats, plan.bpm))
    load_before = os.getloadavg()[0]
    cpu_before_s = _cpu_s(daemon, osc)
    start_ns = time.perf_counter_ns() + 200 * NS_PER_MS
    late = sorted(peer.play(score, start_ns))
    time.sleep(0.5)  # the reply's last note-offs are on their way
    stalls_ms = meter.figures(start_ns)
    figures = osc.stats()
    engines = [int(figures[name]) for name in ("engine_pid", "standby_pid")]
    megabytes = memory_mb([daemon.process.pid, *(pid for pid in engines if pid)])
    cpu_s = _cpu_s(daemon, osc) - cpu_before_s
    replies = played_notes(peer.received)
    code = daemon.end()
    return {
        "mode": plan.mode,
        "bars": plan.bars,
        "bpm": plan.bpm,
        "preset": plan.preset,
        "slow_down": plan.slow_down,
        **{name: int(figures.get(name, 0)) for name in ("fresh", "stale", "rest", "late")},
        "silent": int(figures.get("silent", 0)),
        "fresh_percent": round(_fresh_percent(figures), 2),
        "notes": len(replies),
        "stuck_notes": sum(note.off_ns is None for note in replies),
        **check_reply(replies, start_ns + LEAD_IN_NS, plan.bpm, beats),
        "lateness_ms": {
            name: round(figures[f"send_late_{name}_ms"], 3) for name in ("p50", "p99", "max")
        },
        "engine_ms": {name: round(figures[f"plan_{name}_ms"], 1) for name in ("p50", "p95")},
        "engine_plans": int(figures["plans"]),
        "engine_restarts": int(figures["engine_restarts"]),
        "unsent": int(figures["unsent"]),
        "faults": int(figures["faults"]),
        "memory_mb": round(megabytes),
        "cpu_percent": round(100 * cpu_s / (score[-1][0] / 1e9)),
        "ready_s": round(daemon.ready_s, 2),
        "exit_code": code,
        "player_late_p99_ms": round(late[int(0.99 * len(late))] / NS_PER_MS, 3),
        "stalls_ms": stalls_ms,
        "machine": machine(load_before),
    }


def check_reply(
    replies: Sequence[PlayedNote], beat_zero_ns: int, bpm: float, beats: int
) -> dict[str, Any]:
    """Return what the recording itself says: notes off the grid, the reply's delay, beats without
    notes.

    The way through two ports delays every note alike; the median of the distances to the nearest
    place of the grid is taken for that delay.
    """
    step_ns = 60e9 / bpm / STEPS_PER_BEAT
    places = [step_ns * (beat * STEPS_PER_BEAT + step) for beat in (-1, 0, 1) for step in _GRID]
    beat_ns = step_ns * STEPS_PER_BEAT

    def residual(on_ns: float) -> float:
        inside = (on_ns - beat_zero_ns) % beat_ns
        return min((inside - place for place in places), key=abs)

    residuals = sorted(residual(note.on_ns) for note in replies)
    delay_ns = residuals[len(residuals) // 2] if residuals else 0.0
    off = sum(abs(residual(note.on_ns - delay_ns)) > _OFF_GRID_NS for note in replies)
    answered = set(_beats_heard(replies, beat_zero_ns + delay_ns, beat_ns))
    return {
        "off_grid": off,
        "way_through_ports_ms": round(delay_ns / NS_PER_MS, 2),
        "beats_heard": len(answered & set(range(beats))),
    }


def _beats_heard(
    replies: Sequence[PlayedNote], beat_zero_ns: float, beat_ns: float
) -> Iterator[int]:
    for note in replies:
        end_ns = note.on_ns if note.off_ns is None else note.off_ns
        first = round((note.on_ns - beat_zero_ns) / beat_ns - 0.25)
        yield from range(first, max(first + 1, int((end_ns - beat_zero_ns) / beat_ns - 0.25) + 1))


def _fresh_percent(figures: dict[str, float]) -> float:
    beats = sum(figures.get(name, 0) for name in ("fresh", "stale", "rest", "late", "silent"))
    return 100 * figures.get("fresh", 0) / beats if beats else 0.0


def _cpu_s(daemon: DaemonProcess, osc: OscPeer) -> float:
    """Processor time of daemon and engine so far (Linux; else 0)."""
    ticks = 0
    for pid in (daemon.process.pid, int(osc.stats()["engine_pid"])):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def machine(load: float) -> dict[str, Any]:
    """Return what the figures were measured on. `load`: the 1-minute load average before."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        name = next((x.split(": ")[1] for x in lines if x.startswith("model name")), name)
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "load": round(load, 2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def table(result: dict[str, Any]) -> str:
    """Return the result for people."""
    nested = {key: value for key, value in result.items() if isinstance(value, dict)}
    flat = {key: value for key, value in result.items() if key not in nested}
    for key, value in nested.items():
        flat |= {f"{key} {inner}": each for inner, each in value.items()}
    width = max(map(len, flat))
    return "\n".join(f"{key.replace('_', ' '):{width}}  {value}" for key, value in flat.items())
