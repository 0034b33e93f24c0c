"""The demo: plays a melody to a daemon of its own, in time, and keeps what comes back.

What a DAW would do, done small: over real MIDI ports where this machine can make them, else over
OSC. The daemon is `midi-diffuse serve`, a process of its own; nothing is short-cut.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.client.peers import OscPeer
from bridge.client.rig import DaemonProcess
from bridge.demo.ways import DemoPeer, MidiWay, OscWay, our_api
from bridge.settings.presets import shared_dir
from bridge.text import Say, did_you_mean
from engine.music.grid import STEPS_PER_BEAT, Meter, MeterMap
from engine.music.roll import Note
from engine.scores.melody import find_melody
from engine.scores.midi_file import read
from engine.scores.midi_write import NewTrack, new_file, write
from engine.scores.parts import REPLY_NAME

_NS_PER_MINUTE = 60_000_000_000
_SOUNDFONT_FOLDERS = (
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
)


class DemoError(ValueError):
    """The demo cannot be given; the message is one line."""


@dataclass(frozen=True, slots=True)
class Tune:
    """A melody to play: its notes, tempo, bar lines, and how many bars of it."""

    name: str
    notes: tuple[Note, ...]
    bpm: float
    meter: Meter
    bars: int

    @property
    def step_ns(self) -> float:
        """Nanoseconds in a step, which is also one MIDI clock."""
        return _NS_PER_MINUTE / self.bpm / STEPS_PER_BEAT

    def events(self) -> dict[int, list[tuple[int, int]]]:
        """(pitch, velocity) by absolute step; velocity 0 ends a note, ends come first."""
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for note in self.notes:
            found[note.onset_step].append((note.pitch, note.velocity))
            found[note.end_step].append((note.pitch, 0))
        return {step: sorted(each, key=lambda event: event[1] > 0) for step, each in found.items()}


@dataclass(frozen=True, slots=True)
class Performed:
    """What came back: the reply on the song's grid, by which way, and the daemon's figures."""

    reply: tuple[Note, ...]
    way: str
    stats: dict[str, float]


def tune_names() -> list[str]:
    """Return the bundled melodies."""
    return sorted(path.stem for path in (shared_dir("presets") / "melodies").glob("*.mid"))


def load_tune(name_or_path: str, bars: int | None) -> Tune:
    """Return a bundled melody, or one of a MIDI file; the first `bars` of it. Raises DemoError."""
    path = Path(name_or_path)
    if path.suffix.lower() not in (".mid", ".midi"):
        if name_or_path not in tune_names():
            hint = did_you_mean(name_or_path, tune_names())
            there = ", ".join(tune_names())
            raise DemoError(f"no melody {name_or_path!r}{hint}; there are: {there}")
        path = shared_dir("presets") / "melodies" / f"{name_or_path}.mid"
    score = read(path)
    meter, lead = score.meters[0][1], find_melody(score).lead
    length = -(-max(note.end_step for note in lead) // meter.bar_steps)
    wanted = min(bars or length, length)
    notes = tuple(note for note in lead if note.onset_step < wanted * meter.bar_steps)
    return Tune(path.stem, notes, score.bpm, meter, wanted)


# -- The performance -------------------------------------------------------------------------------


def give(tune: Tune, options: Sequence[str], extra_bars: int, say: Say) -> Performed:
    """Start the daemon with `options` after `serve`, play to it, and end it.

    Raises RigError (of `bridge.client.rig`) when the daemon does not start.
    """
    others = our_api()
    with _daemon(tune, options) as (daemon, peer):
        say(f"midi-diffuse is ready after {daemon.ready_s:.1f} s")
        # With another daemon's ports of the same name here we could not tell them apart.
        api = "" if others else our_api()
        way: DemoPeer = MidiWay(api) if api else OscWay(peer)
        say(f"playing {tune.name} ({tune.bars} bars, {tune.bpm:.0f} bpm) over {way.name}")
        play_tune(tune, way, extra_bars, say)
        last = (tune.bars + extra_bars) * tune.meter.bar_steps
        reply = [
            replace(note, length_steps=min(note.length_steps, last - note.onset_step))
            for note in way.reply(tune.step_ns)
            if note.onset_step < last
        ]
        return Performed(tuple(reply), way.name, peer.stats())


@contextmanager
def _daemon(tune: Tune, options: Sequence[str]) -> Iterator[tuple[DaemonProcess, OscPeer]]:
    with ExitStack() as stack:
        peer = OscPeer()
        stack.callback(peer.close)
        settings = {"tempo": f"{tune.bpm:.4f}", "meter": str(tune.meter)}
        words = [word for item in settings.items() for word in ("--set", "=".join(item))]
        daemon = stack.enter_context(DaemonProcess(*options, *words, reply_port=peer.port))
        peer.to_port = daemon.osc_port
        yield daemon, peer


def play_tune(tune: Tune, way: DemoPeer, extra_bars: int, say: Say) -> None:
    """Play the tune and `extra_bars` of silence, step by step, and say how it goes."""
    events, bar_steps = tune.events(), tune.meter.bar_steps
    before, last = 0, (tune.bars + extra_bars) * bar_steps
    start_ns = way.begin()
    for step in range(last):
        _sleep_until(start_ns + round(step * tune.step_ns))
        way.pulse()
        for pitch, velocity in events.get(step, ()):
            way.note(pitch, velocity)
        if step % bar_steps == bar_steps - 1:
            count = way.reply_count
            say(_bar_line(tune, step // bar_steps, count - before))
            before = count
    for note in tune.notes:
        if note.end_step >= last:
            way.note(note.pitch, 0)
    way.end()


def _bar_line(tune: Tune, bar: int, replied: int) -> str:
    first, end = bar * tune.meter.bar_steps, (bar + 1) * tune.meter.bar_steps
    played = sum(first <= note.onset_step < end for note in tune.notes)
    reply = "o" * replied or "(listening)"
    return f"  bar {bar + 1:3}   melody {'#' * played or '-':12}  reply {reply}"


def _sleep_until(due_ns: int) -> None:
    left_ns = due_ns - time.perf_counter_ns()
    if left_ns > 0:
        time.sleep(left_ns / 1e9)


# -- What it leaves --------------------------------------------------------------------------------


def save_demo(tune: Tune, outcome: Performed, path: Path, picture: Path) -> None:
    """Write both tracks as MIDI to `path` and as a piano-roll to `picture`."""
    tracks = [NewTrack("melody", tune.notes), NewTrack(REPLY_NAME, outcome.reply, 0, {1: 1})]
    title = tune.name.replace("-", " ")
    write(new_file(tracks, tune.bpm, MeterMap(((0, tune.meter),)), title), path)
    from engine.scores import picture as pictures
    from engine.scores import render

    render.save_png(render.draw(pictures.picture_of(read(path), title, "melody")), picture)


def find_soundfont() -> Path | None:
    """Return a soundfont of this machine, or None."""
    found = (path for folder in _SOUNDFONT_FOLDERS for path in sorted(Path(folder).glob("*.sf2")))
    return next(found, None)


def check_wav(soundfont: Path | None) -> tuple[str, Path]:
    """fluidsynth and the soundfont it is to use. Raises DemoError that says what is missing."""
    found, program = soundfont or find_soundfont(), shutil.which("fluidsynth")
    if program is None or found is None:
        missing = "fluidsynth" if program is None else "a soundfont (--soundfont FILE.sf2)"
        raise DemoError(f"--wav needs {missing}: apt install fluidsynth fluid-soundfont-gm")
    return program, found


def make_wav(path: Path, wav: Path, soundfont: Path | None) -> None:
    """Let fluidsynth play the MIDI file into `wav`. Raises DemoError."""
    program, sounds = check_wav(soundfont)
    command = [program, "-ni", "-q", "-g", "0.7", "-F", str(wav), "-r", "44100"]
    done = subprocess.run([*command, str(sounds), str(path)], capture_output=True, text=True)
    if done.returncode or not wav.exists():
        raise DemoError(f"fluidsynth made no {wav}: {done.stderr.strip()}")


def summary(tune: Tune, outcome: Performed) -> list[str]:
    """Return how it went, in words."""
    stats = outcome.stats
    beats = ", ".join(f"{stats.get(name, 0):.0f} {name}" for name in ("fresh", "stale", "rest"))
    return [
        f"melody {len(tune.notes)} notes, reply {len(outcome.reply)} notes over {outcome.way}",
        f"beats: {beats}; notes too late: {stats.get('late_notes', 0):.0f}",
    ]
