"""The actions of the table: start, stop, panic, trigger, notes by OSC, answers to questions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields

from bridge.commands import (
    Act,
    Address,
    Effect,
    OscOut,
    RequestPlan,
    SavePreset,
    SendMidi,
    Subscribe,
)
from bridge.live.clock.transport import TransportState
from bridge.live.conductor import Conductor
from bridge.live.learning import Learning
from bridge.live.planning.choose_policy import TRIGGER_MODES
from bridge.live.planning.given_chords import MOST_GIVEN
from bridge.live.stage import Stage
from bridge.live.taking import Takes
from bridge.midi_messages import panic_messages
from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import PARAMETERS
from bridge.timebase import NS_PER_MS
from engine.music.chord_names import Chord, ChordError
from engine.music.grid import STEPS_PER_BEAT

_PRESET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_MOST_TRIGGER_BARS = 32
_DEFAULT_TRIGGER_BARS = 4
_ANSWERED = frozenset({"ping", "help", "stats", "note", "subscribe", "unsubscribe"})
"""Actions that are not answered with `done`: they have answers of their own, or, as notes, none."""
_ERROR = "/diffuse/out/error"


def problem(name: str, text: str, to: Address | None) -> OscOut:
    """Return the answer to what cannot be done."""
    return OscOut(_ERROR, (name, text), to)


class Actions:
    """Performs Acts on a stage. Owner: the transport thread.

    play: hears one MIDI message.
    """

    def __init__(
        self,
        stage: Stage,
        conductor: Conductor,
        takes: Takes,
        learning: Learning,
        play: Callable[[tuple[int, ...], int], list[Effect]],
    ) -> None:
        self._knobs, self._stage, self._conductor = stage.knobs, stage, conductor
        self._play = play
        self._by_name: dict[str, Callable[[Act], list[Effect]]] = {
            "start": self._start,
            "stop": self._stop,
            "panic": self._panic,
            "downbeat": self._downbeat,
            "trigger": self._trigger,
            "freeze": self._freeze,
            "note": self._note,
            "chord_at": self._chord_at,
            "forget_chords": self._forget_chords,
            "save": self._save,
            "learn": learning.learn,
            "unlearn": learning.unlearn,
            "keep": takes.keep,
            "recall": takes.recall,
            "undo": takes.undo,
            "again": takes.again,
            "closer": takes.closer,
            "further": takes.further,
            "subscribe": self._subscribe,
            "unsubscribe": self._subscribe,
            "ping": lambda act: [OscOut("/diffuse/out/pong", (), act.sender)],
            "help": self._help,
            "stats": self._stats,
        }

    def act(self, act: Act) -> list[Effect]:
        """Do it; KeyError for an action that is not in the table."""
        effects = self._by_name[act.name](act)
        failed = any(isinstance(each, OscOut) and each.address == _ERROR for each in effects)
        if failed or act.name in _ANSWERED:
            return effects
        return [*effects, OscOut("/diffuse/out/done", (act.name,), act.sender)]

    def _start(self, act: Act) -> list[Effect]:
        transport = self._stage.transport
        events = transport.start_internal(act.at_ns, self._knobs.number("pickup_beats"))
        if not events and transport.state is TransportState.STOPPED:
            clock = self._knobs.text("clock")
            missing = "Link session is joined" if clock == "link" else "MIDI clock is heard"
            return [problem("start", f"clock is {clock} and no {missing}", act.sender)]
        return self._conductor.follow(events, act.at_ns)

    def _stop(self, act: Act) -> list[Effect]:
        return self._conductor.follow(self._stage.transport.stop_internal(act.at_ns), act.at_ns)

    def _panic(self, act: Act) -> list[Effect]:
        effects = self._conductor.panic(act.at_ns)
        return effects + [SendMidi(act.at_ns, data) for data in panic_messages()]

    def _downbeat(self, act: Act) -> list[Effect]:
        return self._conductor.follow(self._stage.transport.downbeat(act.at_ns), act.at_ns)

    def _freeze(self, act: Act) -> list[Effect]:
        stage = self._stage
        if stage.policy.region is None:
            return [problem("freeze", "works in mode harmonize, reply loop", act.sender)]
        stage.delivery.frozen = bool(act.arguments[0])
        return [OscOut("/diffuse/out/freeze", (stage.delivery.frozen,), act.sender)]

    def _note(self, act: Act) -> list[Effect]:
        pitch, velocity, *rest = (int(value) for value in act.arguments)
        channel = (rest[0] if rest else 1) - 1
        status = 0x90 if velocity else 0x80
        if not 0 <= channel <= 15:
            return [problem("note", "channel wants 1 to 16", act.sender)]
        return self._play((status | channel, pitch, velocity), act.at_ns)

    def _save(self, act: Act) -> list[Effect]:
        """Return the settings in force, as a preset of the user's own."""
        name = str(act.arguments[0])
        if not _PRESET_NAME.fullmatch(name):
            text = f"save wants a name of up to 40 letters, digits, - and _, not {name!r}"
            return [problem("save", text, act.sender)]
        rows = [row for row in PARAMETERS if row.in_preset]
        settings = [(row.name, self._knobs.value(row.name)) for row in rows]
        return [SavePreset(name, (*settings, ("preset", self._knobs.text("preset"))), act.sender)]

    def _chord_at(self, act: Act) -> list[Effect]:
        """Give a place of the song a chord, or with `off` take it back."""
        bar, beat, name = int(act.arguments[0]), float(act.arguments[1]), str(act.arguments[2])
        bars, given = self._stage.bars, self._stage.given
        offset = round((beat - 1) * STEPS_PER_BEAT)
        first, end = bars.bar(bars.start_of(bar))
        if offset >= end - first:
            beats = (end - first) / STEPS_PER_BEAT
            return [problem("chord_at", f"bar {bar} has {beats:g} quarter notes", act.sender)]
        if name.lower() == "off":
            given.take_back(bar, offset)
        else:
            try:
                chord = Chord.parse(name)
            except ChordError as err:
                return [problem("chord_at", str(err), act.sender)]
            if not given.give(bar, offset, chord):
                text = f"{MOST_GIVEN} chords are given already; /diffuse/forget_chords clears them"
                return [problem("chord_at", text, act.sender)]
        self._stage.replanner.hurry()
        return []

    def _forget_chords(self, act: Act) -> list[Effect]:
        self._stage.given.clear()
        self._stage.replanner.hurry()
        return []

    def _trigger(self, act: Act) -> list[Effect]:
        stage, bars = self._stage, self._stage.bars
        given, from_bar, to_bar = (*(int(v) for v in act.arguments), None, None, None)[:3]
        name = "trigger" if given is None else str(given)
        if self._knobs.text("mode") not in TRIGGER_MODES:
            return [
                problem(
                    name,
                    f"mode is {self._knobs.text('mode')}; trigger works in "
                    "infill, vary and generate",
                    act.sender,
                )
            ]
        if not stage.replanner.engine_up:
            return [problem(name, "the engine is not ready", act.sender)]
        if not stage.playing:
            return [problem(name, "stopped; start the clock first (/diffuse/start)", act.sender)]
        now = bars.bar(stage.step)[0]
        start, end = bars.plus(now, -_DEFAULT_TRIGGER_BARS), now
        if from_bar is not None:
            to_bar = from_bar if to_bar is None else to_bar
            start, end = bars.start_of(from_bar), bars.start_of(to_bar + 1)
            if not 0 <= to_bar - from_bar < _MOST_TRIGGER_BARS:
                text = f"bars {from_bar} to {to_bar}: want 1 to {_MOST_TRIGGER_BARS} bars, in order"
                return [problem(name, text, act.sender)]
        request = stage.replanner.trigger(act.at_ns, start, end, given)
        return [RequestPlan(request, stage.two_bars_ns)]

    def _subscribe(self, act: Act) -> list[Effect]:
        on = act.name == "subscribe"
        if len(act.arguments) == 2:
            return [Subscribe((str(act.arguments[0]), int(act.arguments[1])), on, act.sender)]
        if act.sender is None:
            return [problem(act.name, "want host and port", None)]
        return [Subscribe(act.sender, on, act.sender)]

    def _help(self, act: Act) -> list[Effect]:
        rows: list[Effect] = []
        for parameter in PARAMETERS:
            usage = f"/diffuse/{parameter.name} [{parameter.describe_range()}]"
            rows.append(OscOut("/diffuse/out/help", (usage, parameter.doc), act.sender))
        for action in ACTIONS:
            fixed = len(action.arguments) - action.optional
            names = [name for name, _ in action.arguments]
            words = [name if i < fixed else f"[{name}]" for i, name in enumerate(names)]
            usage = " ".join([f"/diffuse/{action.name}", *words])
            rows.append(OscOut("/diffuse/out/help", (usage, action.doc), act.sender))
        return rows

    def _stats(self, act: Act) -> list[Effect]:
        stage, timing, counts = self._stage, self._stage.timing, self._stage.tally.counts
        calls = stage.replanner.calls
        rows = {row.name: float(getattr(counts, row.name)) for row in fields(counts)}
        rows["late_notes"] = float(stage.performer.late)
        rows["sent_notes"] = float(stage.performer.sent)
        rows["engine_median_ms"] = timing.median_ns(calls) / NS_PER_MS
        rows["engine_p95_ms"] = timing.p95_ns(calls) / NS_PER_MS
        rows["engine_steps"] = float(calls)
        rows["horizon_beats"] = stage.replanner.horizon_steps / STEPS_PER_BEAT
        rows["bpm"] = stage.transport.bpm
        rows["untold_notes"] = float(stage.teller.dropped)
        rows["latency_bars"] = float(stage.lag_bars)
        return [OscOut("/diffuse/out/stats", row, act.sender) for row in rows.items()]
