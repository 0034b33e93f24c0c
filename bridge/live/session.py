"""The live session: Commands in, Effects out. Pure: no threads, no I/O, time comes as an argument.

The same commands always give the same effects, so that a log of them replays a session exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bridge.commands import (
    Act,
    Address,
    AskParameter,
    ChoosePreset,
    Command,
    Effect,
    EngineState,
    FollowLink,
    LinkHeard,
    LogLine,
    MidiIn,
    OscOut,
    PlanArrived,
    SendDue,
    SetParameter,
    Tick,
    Value,
)
from bridge.live.actions import Actions, problem
from bridge.live.changes import Changes
from bridge.live.clock.playhead import TransportState
from bridge.live.conductor import Conductor
from bridge.live.learning import Learning
from bridge.live.planning.beat_tally import BeatCounts
from bridge.live.stage import Stage
from bridge.live.taking import Takes
from bridge.midi_messages import Kind, MidiMessage, note_off, parse_message
from bridge.settings.controllers import Controllers
from bridge.settings.knobs import Knobs
from bridge.settings.parameters import CONTROL_CHANNEL
from bridge.settings.rows import ParameterError
from engine.music.grid import STEPS_PER_BEAT

_WAITING_FOR_START = "clock runs, waiting for Start"
_REALTIME = (Kind.CLOCK, Kind.START, Kind.CONTINUE, Kind.STOP, Kind.POSITION)


class Session:
    """A musician's session with the engine. Owner: the transport thread.

    Feed every Command to `step` in the order of time and perform the Effects at once; send a Tick
    at `wake_ns` or earlier.
    """

    def __init__(self, settings: Mapping[str, Value] | None = None) -> None:
        """Raise ParameterError for a setting that is not in the table."""
        self.knobs = Knobs(settings or {})
        self.stage = Stage(self.knobs)
        self._conductor = Conductor(self.stage)
        self.engine_state = "ready"
        self._state = ""
        self._lag_bars = 0
        self._link_beats: float | None = None
        self._engine_trouble = ""
        self._switched_ns: int | None = None
        self._before_switch: dict[str, Value] = {}
        self._changes = Changes(self.stage, self._conductor)
        self._takes = Takes(self.stage, self._set)
        self._controllers = Controllers()
        self._learning = Learning(self._controllers)
        self._actions = Actions(
            self.stage, self._conductor, self._takes, self._learning, self._midi
        )
        self._changes.listen(0)

    # -- The public calls --------------------------------------------------------------------------

    def step(self, command: Command) -> list[Effect]:
        """Return what is to be done because of `command`."""
        if isinstance(command, SendDue):
            return self._conductor.send_due(command.at_ns)
        if isinstance(command, Tick):
            return self._conductor.advance(command.at_ns) + self._report()
        return self._dispatch(command) + self._report()

    def wake_ns(self, now_ns: int) -> int | None:
        """Return when the next Tick is wanted, at the latest; `now_ns` or before means at once."""
        return self._conductor.wake_ns(now_ns)

    def due_ns(self) -> int | None:
        """Return when the next note-on or note-off falls due, or None."""
        return self.stage.due_ns()

    @property
    def state(self) -> str:
        """`starting`, `waiting`, `listening`, `planning`, `playing`, `late`; _WAITING_FOR_START."""
        stage = self.stage
        if not stage.playing and stage.transport.state is TransportState.WAITING:
            return _WAITING_FOR_START
        if not stage.playing:
            return "waiting" if stage.replanner.engine_up else "starting"
        turn = stage.policy.turn
        if turn is None or not turn.covers(stage.step):
            return "listening"
        last = stage.tally.last
        if last in ("stale", "late"):
            return "late"
        unplanned = stage.plan_book.in_force is None
        return "planning" if last == "rest" or (unplanned and not last) else "playing"

    @property
    def counts(self) -> BeatCounts:
        """Beats of the reply so far, by how they went."""
        return self.stage.tally.counts

    # -- Commands ----------------------------------------------------------------------------------

    def _dispatch(self, command: Command) -> list[Effect]:
        if isinstance(command, MidiIn):
            return self._midi(command.data, command.at_ns)
        if isinstance(command, PlanArrived):
            self._engine_trouble = ""
            effects = self._conductor.plan(command.plan, command.at_ns)
            return effects + self._takes.collect()
        if isinstance(command, SetParameter):
            return self._set(command)
        if isinstance(command, AskParameter):
            return [self._answer(command.name, command.sender)]
        if isinstance(command, Act):
            return self._actions.act(command) + self._asked_state(command)
        if isinstance(command, EngineState):
            return self._engine(command)
        if isinstance(command, LinkHeard):
            return self._link(command)
        return []

    def _asked_state(self, act: Act) -> list[Effect]:
        """Answer `stats` with the state too; other subscribers get it when it changes."""
        asked = act.name == "stats"
        return [OscOut("/diffuse/out/state", (self.state,), act.sender)] if asked else []

    def _midi(self, data: tuple[int, ...], at_ns: int) -> list[Effect]:
        message = parse_message(data)
        if message is None:
            return []
        if message.kind in _REALTIME:
            return self._realtime(message, at_ns)
        if message.kind is Kind.CONTROL:
            moved = (message.channel + 1, message.first, message.second)
            learned = self._learning.hear(*moved)
            command = self._controllers.command(*moved, at_ns)
            if command is not None:
                return learned + self._dispatch(command)
        if message.kind is Kind.PROGRAM:
            ours = message.channel == CONTROL_CHANNEL - 1
            return [ChoosePreset(at_ns, message.first)] if ours else []
        return self._notes(message, data, at_ns)

    def _realtime(self, message: MidiMessage, at_ns: int) -> list[Effect]:
        conductor, transport = self._conductor, self.stage.transport
        if message.kind is Kind.CLOCK:
            return conductor.follow(transport.clock_pulse(at_ns), at_ns)
        if message.kind is Kind.START:
            return conductor.follow(transport.start(at_ns), at_ns)
        if message.kind is Kind.CONTINUE:
            return conductor.follow(transport.continue_(at_ns), at_ns)
        if message.kind is Kind.STOP:
            return conductor.follow(transport.stop(at_ns), at_ns)
        return conductor.follow(transport.song_position(message.first, at_ns), at_ns)

    def _link(self, seen: LinkHeard) -> list[Effect]:
        return self._conductor.follow(self.stage.transport.link(seen), seen.at_ns)

    def _notes(self, message: MidiMessage, data: tuple[int, ...], at_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        performer, events = self.stage.performer, self.stage.gate.read(message, at_ns)
        for event in events:
            effects += self._conductor.note(event)
        # What was let through when it began gets its end, whatever `thru` is by then.
        # In next-bar they come out bars later, with their answer.
        at_once = self.knobs.flag("thru") and not self.stage.lag_bars
        begins = message.kind is Kind.NOTE_ON and at_once
        if events and (begins or message.kind is Kind.NOTE_OFF):
            effects += performer.through(data, at_ns)
        if message.kind is Kind.CONTROL:  # all notes off, of which we let none through
            for event in events:
                effects += performer.through(note_off(event.channel, event.pitch), at_ns)
        return effects

    def _engine(self, command: EngineState) -> list[Effect]:
        if command.state == "refused":
            failed = self._engine_fails(command.detail, f"engine: {command.detail}")
            return failed + self._take_back(command.at_ns)
        before, self.engine_state = self.engine_state, command.state
        self.stage.replanner.engine(command.state, command.plan_ns, command.calls)
        news: list[Effect] = []
        if command.news:
            news = [
                OscOut("/diffuse/out/engine", (command.news,)),
                LogLine(logging.WARNING, command.news),
            ]
        if command.state == "ready":
            self._before_switch.clear()
            return [OscOut("/diffuse/out/ready", ()), *news]
        if command.state == "error":
            self.engine_state = before
            return self._engine_fails(command.detail, f"engine: {command.detail}")
        if command.state == "loading":
            self.engine_state = before
        text = f"engine {command.state}" + (f": {command.detail}" if command.detail else "")
        if command.state == "down":
            return self._engine_fails(command.detail, text)
        return [LogLine(logging.INFO, text), *news]

    def _engine_fails(self, detail: str, text: str) -> list[Effect]:
        """Say it once, however often it happens before there is a plan again."""
        if detail == self._engine_trouble:
            return []
        self._engine_trouble = detail
        return [OscOut("/diffuse/out/error", ("engine", detail)), LogLine(logging.WARNING, text)]

    # -- Parameters --------------------------------------------------------------------------------

    def _set(self, command: SetParameter) -> list[Effect]:
        self._remember(command)
        try:
            changed = self.knobs.set(command.name, command.value)
        except ParameterError as err:
            return [problem(command.name, str(err), command.sender)]
        if not changed:  # an echo of it could come back as a set, and go round in circles
            return []
        return [
            self._answer(command.name, command.sender),
            *self._changes.apply(command.name, command.at_ns),
        ]

    def _remember(self, command: SetParameter) -> None:
        """Keep what a preset's own settings, which come in the same instant, replace."""
        if command.name == "preset":
            self._switched_ns = command.at_ns
        if command.at_ns == self._switched_ns:
            self._before_switch.setdefault(command.name, self.knobs.value(command.name))

    def _take_back(self, at_ns: int) -> list[Effect]:
        """Put in force again what was before a preset that cannot be had."""
        before, self._before_switch, self._switched_ns = self._before_switch, {}, None
        commands = (SetParameter(at_ns, name, value) for name, value in before.items())
        return [effect for command in commands for effect in self._set(command)]

    def _answer(self, name: str, to: Address | None) -> OscOut:
        return OscOut(f"/diffuse/out/param/{name}", (self.knobs.value(name),), to)

    # -- Reports -----------------------------------------------------------------------------------

    def _report(self) -> list[Effect]:
        """Return what subscribers are to know when it changes."""
        effects: list[Effect] = []
        state, lag = self.state, self.stage.lag_bars
        if state != self._state:
            self._state = state
            effects.append(OscOut("/diffuse/out/state", (state,)))
        if lag != self._lag_bars:
            self._lag_bars = lag
            effects.append(OscOut("/diffuse/out/latency", (lag,)))
        return effects + self._report_link()

    def _report_link(self) -> list[Effect]:
        """Return whether to be in a Link session, and the bars to count in there."""
        beats = None
        if self.knobs.text("clock") == "link":
            beats = self.knobs.meter.bar_steps / STEPS_PER_BEAT
        if beats == self._link_beats:
            return []
        self._link_beats = beats
        return [FollowLink(beats)]
