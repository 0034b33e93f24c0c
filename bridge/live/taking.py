"""Takes: the last bars to keep, and triggered answers to come back to. Owner: the transport
thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from bridge.commands import Act, Address, Effect, KeepTake, OscOut, RequestPlan, SetParameter, Value
from bridge.live.planning.choose_policy import TRIGGER_MODES
from bridge.live.planning.plan_book import Answer
from bridge.live.stage import Stage
from bridge.take import BarsTake
from engine.music.grid import LEAD, MeterMap
from engine.music.roll import Note

_KEPT_BARS = 8
_MOST_TAKES = 64
_CLOSER = 0.75
"""What `closer` multiplies `variation` by, and `further` divides it by."""
_LEAST_VARIATION, _MOST_VARIATION = 0.05, 1.0

Set = Callable[[SetParameter], list[Effect]]


@dataclass(frozen=True, slots=True)
class TriggeredTake:
    """An answer to a trigger, in the steps it was asked for."""

    number: int
    mode: str
    seed: int
    answer: Answer
    from_step: int
    to_step: int


class Takes:
    """`set_parameter`: sets one as if it had come by OSC."""

    def __init__(self, stage: Stage, set_parameter: Set) -> None:
        self._stage, self._set = stage, set_parameter
        self._ring: deque[TriggeredTake] = deque(maxlen=_MOST_TAKES)
        self._current = 0

    # -- The last bars -----------------------------------------------------------------------------

    def keep(self, act: Act) -> list[Effect]:
        """Return the last bars, the one under way among them, as a file."""
        bars, step = self._stage.bars, self._stage.step
        count = int(act.arguments[0]) if act.arguments else _KEPT_BARS
        end = bars.bar(step)[1] if step > bars.bar(step)[0] else step
        first = bars.plus(end - 1, 1 - count)
        song = self._stage.song
        played = _begun_in(first, song.input.notes(first, end, step))
        reply = _begun_in(first, song.reply.notes(first, end, end))
        if not played and not reply:
            text = f"nothing was played in bars {bars.number(first)} to {bars.number(end - 1)}"
            return [_problem("keep", text, act.sender)]
        first = bars.bar(min(note.onset_step for note in (*played, *reply)))[0]
        numbers = bars.number(first), bars.number(end - 1)
        take = BarsTake(
            numbers,
            _moved(first, [note for note in played if note.voice == LEAD]),
            _moved(first, [note for note in played if note.voice != LEAD]),
            _moved(first, reply),
            _meters_from(bars.shifted(first)),
            round(self._stage.transport.bpm, 3),
            self._label(),
        )
        return [KeepTake(take, act.sender)]

    # -- Triggered answers -------------------------------------------------------------------------

    def collect(self) -> list[Effect]:
        """Remember the answer to a trigger, if one has come."""
        came = self._stage.replanner.take_came()
        if came is None:
            return []
        answer, from_step, to_step, seed = came
        number = self._ring[-1].number + 1 if self._ring else 1
        mode = self._stage.knobs.text("mode")
        take = TriggeredTake(number, mode, seed, answer, from_step, to_step)
        self._ring.append(take)
        self._current = number
        return [_told(take, self._stage)]

    def recall(self, act: Act) -> list[Effect]:
        """Play take number n again, from the next bar line."""
        return self._play(int(act.arguments[0]), act)

    def undo(self, act: Act) -> list[Effect]:
        """Play the take before the present one."""
        return self._play(self._current - 1, act)

    def again(self, act: Act) -> list[Effect]:
        """Take another seed, and make what was triggered last anew."""
        seed = self._stage.knobs.integer("seed")
        effects = self._put("seed", (seed * 1_103_515_245 + 12_345) % 2**31, act)
        return effects + self._anew(act)

    def closer(self, act: Act) -> list[Effect]:
        """`vary`: nearer to the original, and again."""
        return self._vary(_CLOSER, act)

    def further(self, act: Act) -> list[Effect]:
        """`vary`: farther from the original, and again."""
        return self._vary(1 / _CLOSER, act)

    # -- Inside ------------------------------------------------------------------------------------

    def _vary(self, by: float, act: Act) -> list[Effect]:
        knobs = self._stage.knobs
        if knobs.text("mode") != "vary":
            return [_problem(act.name, f"mode is {knobs.text('mode')}; works in vary", act.sender)]
        wished = min(max(knobs.number("variation") * by, _LEAST_VARIATION), _MOST_VARIATION)
        return self._put("variation", round(wished, 4), act) + self._anew(act)

    def _put(self, name: str, value: Value, act: Act) -> list[Effect]:
        return self._set(SetParameter(act.at_ns, name, value, act.sender))

    def _anew(self, act: Act) -> list[Effect]:
        stage = self._stage
        last = stage.replanner.last_trigger
        if stage.knobs.text("mode") not in TRIGGER_MODES or last is None:
            return []
        if not stage.replanner.engine_up or not stage.playing:
            return []
        request = stage.replanner.trigger(act.at_ns, *last, None)
        return [RequestPlan(request, stage.two_bars_ns)]

    def _play(self, number: int, act: Act) -> list[Effect]:
        stage = self._stage
        found = next((take for take in self._ring if take.number == number), None)
        if found is None:
            have = (
                f"{self._ring[0].number} to {self._ring[-1].number}" if self._ring else "none yet"
            )
            return [_problem(act.name, f"no take {number}; there are: {have}", act.sender)]
        mode = stage.knobs.text("mode")
        if mode not in TRIGGER_MODES or not stage.playing:
            text = f"mode is {mode}; takes are played in infill, vary and generate, while it plays"
            return [_problem(act.name, text, act.sender)]
        self._current = number
        answer = stage.replanner.place(
            found.answer, found.from_step, found.to_step, stage.position, stage.policy
        )
        return [*stage.teller.plan(answer.id, answer, answer.turn.start_step), _told(found, stage)]

    def _label(self) -> str:
        knobs = self._stage.knobs
        names = (f"{name} {knobs.value(name)}" for name in ("preset", "mode", "seed"))
        return f"midi-diffuse take: {', '.join(names)}"


def _told(take: TriggeredTake, stage: Stage) -> OscOut:
    first, last = stage.bars.number(take.from_step), stage.bars.number(take.to_step - 1)
    return OscOut("/diffuse/out/take", (take.number, take.mode, take.seed, first, last))


def _problem(name: str, text: str, to: Address | None) -> OscOut:
    return OscOut("/diffuse/out/error", (name, text), to)


def _begun_in(first_step: int, notes: list[Note]) -> list[Note]:
    return [note for note in notes if note.onset_step >= first_step]


def _moved(first_step: int, notes: list[Note]) -> tuple[Note, ...]:
    return tuple(replace(note, onset_step=note.onset_step - first_step) for note in notes)


def _meters_from(meters: MeterMap) -> MeterMap:
    """Return what of the meters holds from step 0 on."""
    before = [meter for start, meter in meters.changes if start <= 0][-1:]
    first = before[0] if before else meters.changes[0][1]
    later = [change for change in meters.changes if change[0] > 0]
    return MeterMap(((0, first), *later))
