"""The one table of parameters and actions.

OSC addresses, the CC map, CLI options, preset keys, the Max and Pure Data patches and the
reference page are all made from these rows. To add a knob, add a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bridge.commands import Value
from bridge.settings.pitch_locks import KEYS, SCALES, chord_pitch_classes
from bridge.text import did_you_mean, one_of, shorten
from engine.music.chord_names import MIXED, ChordError, pitch_class
from engine.music.grid import GridError, Meter
from engine.requests.request import DOUBLINGS, RHYTHMS, SAMPLERS, STYLES


class ParameterError(ValueError):
    """An unknown name or a value that does not fit; the message names the valid choices."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One knob: a row of the table. Ranges are inclusive."""

    name: str
    kind: str
    """float, int, bool, choice or text."""
    default: Value
    doc: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    unit: str = ""
    cc: int | None = None
    """MIDI controller on the control channel."""
    scope: str = "live"
    """`sample`: also steers the file commands. `live`: the daemon only."""
    request: bool = False
    """The field of that name in a request's SampleSettings, as it is."""
    in_preset: bool = False
    """What the band sounds like, so a preset sets it; not the player's place in it (tempo, key,
    channels, ports)."""
    on_change: str = ""
    """What is to be done when it changes live (`bridge.live.changes`). Empty: it is read when it is
    needed; of `sample` rows the next plan is wanted at once."""
    for_files: Value | None = None
    """The file commands' default, where it is another: they have time."""
    for_task: Mapping[str, Value] = field(default_factory=dict)
    """And a task's: where a melody leads the reply may be bold; what has less to go by falls
    apart."""
    words: Mapping[str, Value] = field(default_factory=dict)
    """Values by name."""
    read: Callable[[str], str] = str
    """Of text and choices: the text as it is kept. Raises ParameterError."""

    def describe_range(self) -> str:
        """The valid values in words: `0.1 to 2.0`, `live, next-bar or loop`, ..."""
        if self.kind in ("float", "int"):
            return f"{self.low:.10g} to {self.high:.10g}" + (f" {self.unit}" if self.unit else "")
        if self.kind == "bool":
            return "0 or 1"
        if self.choices:
            return one_of(self.choices)
        return "text"


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do. `arguments` are (name, kind) pairs; `optional` of them may be left out."""

    name: str
    doc: str
    arguments: tuple[tuple[str, str], ...] = ()
    optional: int = 0
    cc: int | None = None


def _tonic(text: str) -> str:
    """A key as the table writes it: `Db` is C#, `bb` is Bb. Raises ParameterError for a scale."""
    word, *scale = text.replace("-", " ").split() or [text]
    found = pitch_class(word[:1].upper() + word[1:])
    if found is None:
        return text
    if scale:
        raise ParameterError(
            f"key wants a tonic, such as {MIXED[found]}; the scale is a parameter of its own: "
            f"key {MIXED[found]} and scale {_scale_of(scale[0])}"
        )
    return MIXED[found]


def _scale_of(word: str) -> str:
    """The scale that a word stands for, or the usual one."""
    short = {"m": "minor", "min": "minor", "moll": "minor", "dur": "major", "maj": "major"}
    wished = short.get(word.lower(), word.lower())
    return wished if wished in SCALES else "major"


def _f(name: str, default: float, low: float, high: float, doc: str, **more: object) -> Parameter:
    return Parameter(name, "float", default, doc, low, high, **more)  # type: ignore[arg-type]


def _i(name: str, default: int, low: int, high: int, doc: str, **more: object) -> Parameter:
    return Parameter(name, "int", default, doc, low, high, **more)  # type: ignore[arg-type]


def _b(name: str, default: bool, doc: str, **more: object) -> Parameter:
    return Parameter(name, "bool", default, doc, 0, 1, **more)  # type: ignore[arg-type]


def _c(name: str, default: str, choices: Iterable[str], doc: str, **more: object) -> Parameter:
    return Parameter(name, "choice", default, doc, choices=tuple(choices), **more)  # type: ignore[arg-type]


def _t(name: str, default: str, doc: str, **more: object) -> Parameter:
    return Parameter(name, "text", default, doc, **more)  # type: ignore[arg-type]


DENSITY_WORDS: dict[str, Value] = {"auto": -1.0, "sparse": 1.5, "medium": 3.0, "dense": 6.0}
"""What `density` is for who does not count notes, in notes a beat."""


def _meter(text: str) -> str:
    try:
        return str(Meter.parse(text))
    except GridError as err:
        raise ParameterError(str(err)) from None


def _chord(text: str) -> str:
    text = "" if text.lower() in ("off", "none") else text
    try:
        chord_pitch_classes(text)
    except ChordError as err:
        raise ParameterError(str(err)) from None
    return text


# CCs stay off 0, 1, 6, 7, 10, 11, 32, 38, 64-69, 96-101 and 120-127, which DAWs and keyboards use.
PARAMETERS: tuple[Parameter, ...] = (
    _c(
        "mode",
        "harmonize",
        ("harmonize", "continue", "infill", "vary", "generate"),
        "what is played back to you",
        cc=14,
        in_preset=True,
        on_change="policy",
    ),
    _c(
        "reply",
        "live",
        ("live", "next-bar", "loop"),
        "harmonize: with you now, each bar one bar later, or over a loop",
        cc=15,
        in_preset=True,
        on_change="policy",
    ),
    _t(
        "preset",
        "default",
        "model and settings by name; see `midi-diffuse presets`",
        scope="sample",
        on_change="model",
    ),
    _b(
        "bypass",
        False,
        "stay silent (plans go on, so that coming back is instant)",
        cc=16,
        on_change="bypass",
    ),
    _i(
        "steps",
        6,
        1,
        100,
        "sampler calls: more is finer and slower",
        cc=17,
        scope="sample",
        for_files=20,
        in_preset=True,
    ),
    _f(
        "temperature",
        0.7,
        0.1,
        2.0,
        "lower is safer, higher bolder",
        cc=18,
        scope="sample",
        in_preset=True,
        request=True,
        for_task={"harmonize": 1.0},
    ),
    _f(
        "density",
        -1.0,
        -1.0,
        12.0,
        "wished new notes per beat, or sparse, medium, dense; -1 or auto leaves it to the model",
        unit="notes/beat",
        cc=19,
        scope="sample",
        in_preset=True,
        words=DENSITY_WORDS,
    ),
    _f(
        "guidance",
        1.0,
        0.0,
        5.0,
        "how strongly style and density are followed; above 1 doubles the cost",
        cc=20,
        scope="sample",
        in_preset=True,
        request=True,
        for_task={"generate": 2.0},
    ),
    _f(
        "variation",
        0.75,
        0.05,
        1.0,
        "vary: how far from the original",
        cc=21,
        scope="sample",
        in_preset=True,
    ),
    _c(
        "rhythm",
        "free",
        RHYTHMS,
        "vary: keep = the same onsets and lengths, only other pitches",
        scope="sample",
        in_preset=True,
    ),
    _i("seed", 0, 0, 2**31 - 1, "same seed, same input, same notes", scope="sample", request=True),
    _i(
        "context_bars",
        2,
        1,
        8,
        "bars of the past the model hears",
        unit="bars",
        cc=22,
        in_preset=True,
    ),
    _i(
        "memory_beats",
        2,
        0,
        32,
        "its own past that the model sees: less follows you more freely, more keeps a figure",
        unit="beats",
        cc=45,
        in_preset=True,
    ),
    _i(
        "reply_bars",
        4,
        1,
        16,
        "continue: bars answered; 16 with `endless` never stops",
        unit="bars",
        cc=23,
        in_preset=True,
    ),
    _i(
        "listen_bars",
        1,
        0,
        8,
        "bars listened to before the first answer",
        unit="bars",
        cc=24,
        in_preset=True,
    ),
    _b(
        "wait_for_phrase",
        True,
        "continue: answer when you have paused for a beat; off: after `listen_bars`, come what may",
        in_preset=True,
    ),
    _b(
        "endless",
        False,
        "continue: keep answering until you play again or stop",
        cc=25,
        in_preset=True,
    ),
    _i(
        "low",
        36,
        21,
        108,
        "lowest pitch of the reply",
        unit="MIDI pitch",
        cc=26,
        scope="sample",
        in_preset=True,
    ),
    _i(
        "high",
        84,
        21,
        108,
        "highest pitch of the reply",
        unit="MIDI pitch",
        cc=27,
        scope="sample",
        in_preset=True,
    ),
    _i(
        "voices",
        4,
        1,
        8,
        "most notes at once in the reply",
        cc=28,
        scope="sample",
        in_preset=True,
        request=True,
    ),
    _c(
        "doubling",
        "avoid",
        DOUBLINGS,
        "whether the reply may play your note's very pitch while you do",
        scope="sample",
        in_preset=True,
        request=True,
    ),
    _c(
        "key",
        "off",
        KEYS,
        "tonic of the scale lock; off = no lock, auto = the key it hears, major or minor",
        cc=29,
        scope="sample",
        read=_tonic,
    ),
    _c("scale", "major", tuple(SCALES), "scale of the lock", cc=30, scope="sample"),
    _t(
        "chord", "", "chord lock, such as `Am7` or `C E G`; off = none", scope="sample", read=_chord
    ),
    _c(
        "split",
        "highest",
        ("highest", "all-lead", "channel", "chord"),
        "polyphonic input: top note leads, all lead, channel 1 leads, or left hand gives the chord",
        cc=31,
        on_change="listen",
    ),
    _i(
        "split_point",
        60,
        21,
        108,
        "split chord: keys below it are the left hand's",
        unit="MIDI pitch",
        cc=48,
        on_change="listen",
    ),
    _c(
        "pedal",
        "extend",
        ("extend", "ignore"),
        "what CC64 does to your notes",
        cc=33,
        in_preset=True,
        on_change="listen",
    ),
    _b("thru", False, "send your notes on to the output", cc=34, on_change="thru"),
    _i("in_channel", 0, 0, 16, "channel listened to; 0 = all", cc=35, on_change="listen"),
    _i("out_channel", 1, 1, 16, "channel of the reply", cc=36, on_change="silence"),
    _i(
        "bass_channel",
        0,
        0,
        16,
        "channel of the reply's lowest notes; 0 = out_channel",
        cc=46,
        on_change="silence",
    ),
    _i(
        "lead_channel",
        0,
        0,
        16,
        "channel of a melody of the reply's own; 0 = out_channel",
        cc=47,
        on_change="silence",
    ),
    _i(
        "velocity",
        0,
        0,
        127,
        "velocity of the reply; 0 = 0.8 of your last beat's mean",
        cc=37,
        in_preset=True,
    ),
    _f(
        "humanize",
        0.0,
        0.0,
        1.0,
        "random velocity (up to 20 %) and timing (up to 10 ms late)",
        cc=39,
        in_preset=True,
    ),
    _f("input_offset_ms", 0.0, -200.0, 200.0, "added to the time of incoming notes", unit="ms"),
    _f(
        "output_offset_ms",
        0.0,
        -200.0,
        200.0,
        "added to the time of outgoing notes; negative plays early",
        unit="ms",
    ),
    _c(
        "input_quantize",
        "16+triplet",
        ("16+triplet", "16", "8", "off"),
        "grid your notes are moved to",
        cc=40,
        in_preset=True,
    ),
    _f("tempo", 120.0, 20.0, 400.0, "internal clock", unit="bpm", on_change="tempo"),
    _t(
        "meter",
        "4/4",
        "time signature, from the next bar on (MIDI clock does not carry it)",
        scope="sample",
        on_change="meter",
        read=_meter,
    ),
    _c(
        "clock",
        "auto",
        ("auto", "midi", "internal", "link"),
        "auto: MIDI clock when there is one, else internal; link: Ableton Link",
        cc=41,
        on_change="clock",
    ),
    _f(
        "pickup_beats",
        0.0,
        0.0,
        8.0,
        "internal clock started by a note: beats before bar 1",
        unit="beats",
    ),
    _i("loop_bars", 4, 1, 32, "reply loop: length", unit="bars", cc=42, on_change="loop"),
    _i(
        "loop_start",
        -1,
        -1,
        9999,
        "reply loop: first bar; -1 = where loop is switched on",
        unit="bar",
        on_change="loop",
    ),
    _b(
        "echo_guard", True, "ignore our own notes when they come back in", cc=43, on_change="listen"
    ),
    _c(
        "style",
        "any",
        STYLES,
        "style the model is asked for",
        cc=44,
        scope="sample",
        in_preset=True,
        request=True,
    ),
    _c(
        "sampler",
        "renoise",
        SAMPLERS,
        "reverse process (docs/training.md)",
        scope="sample",
        for_files="renoise-coupled",
        in_preset=True,
        request=True,
    ),
    _f(
        "chord_temperature",
        0.7,
        0.1,
        2.0,
        "how bold the chords are that the reply follows: lower is plainer",
        scope="sample",
        in_preset=True,
        request=True,
    ),
    _i(
        "chord_calls",
        5,
        1,
        100,
        "sampler calls for the chords that the reply follows",
        scope="sample",
        in_preset=True,
        request=True,
        for_files=16,
    ),
    _i(
        "chord_choices",
        24,
        1,
        64,
        "plans of chords that are drawn; the one the others agree with most is played",
        scope="sample",
        in_preset=True,
        request=True,
        for_files=1,
    ),
    _c(
        "device",
        "auto",
        ("auto", "cpu", "cuda", "mps"),
        "where the model runs; at start-up",
        scope="sample",
    ),
)

ACTIONS: tuple[Action, ...] = (
    Action("start", "start the internal clock at bar 1", cc=102),
    Action("stop", "stop the internal clock; every note off", cc=103),
    Action("panic", "every note off now, plans forgotten", cc=104),
    Action("downbeat", "now is the first beat of a bar", cc=105),
    Action(
        "trigger",
        "infill, vary or generate now; default the last 4 bars",
        (("id", "int"), ("from_bar", "int"), ("to_bar", "int")),
        optional=3,
        cc=106,
    ),
    Action("freeze", "reply loop: keep the harmony as it is", (("on", "bool"),), cc=107),
    Action(
        "note",
        "a note comes in by OSC; velocity 0 ends it",
        (("pitch", "int"), ("velocity", "int"), ("channel", "int")),
        optional=1,
    ),
    Action(
        "chord_at",
        "this chord from there to the bar's end or the next one given in it; `off` takes it back",
        (("bar", "int"), ("beat", "float"), ("name", "text")),
    ),
    Action("forget_chords", "every chord given by chord_at is forgotten"),
    Action(
        "save",
        "write the settings in force as a preset of your own",
        (("name", "text"),),
    ),
    Action(
        "keep",
        "write the last bars as a MIDI file to the takes folder; default 8",
        (("bars", "int"),),
        optional=1,
        cc=108,
    ),
    Action("again", "another seed; what was triggered last is made anew", cc=109),
    Action("undo", "play the take before this one, from the next bar line", cc=110),
    Action(
        "recall",
        "infill, vary, generate: play take n again, from the next bar line",
        (("take", "int"),),
    ),
    Action("closer", "vary: nearer to the original, and again", cc=111),
    Action("further", "vary: farther from the original, and again", cc=112),
    Action(
        "subscribe",
        "send all answers to host and port as well; another host than yours wants `--allow`",
        (("host", "text"), ("port", "int")),
    ),
    Action("unsubscribe", "stop sending there", (("host", "text"), ("port", "int")), optional=2),
    Action("ping", "answered with /diffuse/out/pong"),
    Action("help", "every address, one message each"),
    Action("stats", "beats fresh, stale, rest, late; lateness; engine time"),
)

BY_NAME: dict[str, Parameter] = {row.name: row for row in PARAMETERS}
ACTION_BY_NAME: dict[str, Action] = {row.name: row for row in ACTIONS}
CONTROL_CHANNEL = 16
DEFAULTS: dict[str, Value] = {row.name: row.default for row in PARAMETERS}


def file_defaults(task: str = "") -> dict[str, Value]:
    """What a file command starts from (docs/benchmarks.md, Samplers)."""
    found = dict(DEFAULTS)
    for row in PARAMETERS:
        if row.for_files is not None:
            found[row.name] = row.for_files
        found[row.name] = row.for_task.get(task, found[row.name])
    return found


def find(name: str) -> Parameter:
    """The row called `name`; raises ParameterError that names the choices."""
    if name in BY_NAME:
        return BY_NAME[name]
    hint = did_you_mean(name, BY_NAME)
    raise ParameterError(f"no parameter {name!r}{hint}; there are: {', '.join(BY_NAME)}")


def check(name: str, value: object) -> Value:
    """The value as the table wants it, or ParameterError with the valid range in words."""
    row = find(name)
    given = shorten(_in_words(value))
    if isinstance(value, str):
        value = row.words.get(value.strip().lower(), value)
    wrong = ParameterError(f"{name} wants {row.describe_range()}, not {given}")
    if row.kind == "choice":
        text = str(value)
        if isinstance(value, int) and not isinstance(value, bool) and value < len(row.choices):
            text = row.choices[value] if value >= 0 else text
        text = row.read(text)
        if text not in row.choices:
            hint = did_you_mean(text, row.choices)
            raise ParameterError(f"{name} wants {row.describe_range()}, not {given}{hint}")
        return text
    if row.kind == "text":
        if not isinstance(value, str | int | float):
            raise wrong
        return row.read(str(value).strip())
    return _check_number(row, value, wrong)


def _in_words(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # of an int of thousands of digits, of a list in itself
        return f"such {type(value).__name__}"


def _check_number(row: Parameter, value: object, wrong: ParameterError) -> Value:
    if row.kind == "bool" and isinstance(value, str):
        words = {"0": 0, "1": 1, "off": 0, "on": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
        value = words.get(value.lower(), value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if not math.isfinite(number) or not row.low <= number <= row.high:
        raise wrong
    if row.kind == "float":
        return number
    if number != int(number):
        raise wrong
    return bool(number) if row.kind == "bool" else int(number)
