"""When the engine is asked: each beat, as late as its time allows, and one request at a time."""

from __future__ import annotations

import pytest

from bridge.commands import Value
from bridge.live.listening.note_memory import RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.engine_timing import EngineTiming
from bridge.live.planning.loop import LoopReply
from bridge.live.planning.plan_book import PlanBook
from bridge.live.planning.policies import Accompany, Policy, Scene, Triggered
from bridge.live.planning.replanner import NEVER, Replanner
from bridge.live.planning.request_window import Turn, ahead_steps
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS as MS
from engine.music.chord_names import Chord
from engine.music.grid import Meter, MeterMap
from engine.requests.request import ChordCell, Plan

BAR, BPM = 96, 120.0


class Rig:
    """A replanner with all it needs."""

    def __init__(self, policy: Policy | None = None, **settings: Value) -> None:
        self.knobs, self.song = Knobs(settings), SongMemory()
        self.bars, self.timing = BeatLines(MeterMap()), EngineTiming()
        self.book = PlanBook(self.timing)
        self.policy = policy or Accompany()
        self.replanner = Replanner(self.knobs, self.song, self.bars, self.book, self.timing)
        self.timing.expect(50 * MS, 6)
        self.replanner.aim(0, self.policy, BPM)

    def decide(self, position: float) -> int | None:
        scene = Scene(self.knobs, self.bars, self.song, self.replanner.horizon_steps)
        return self.replanner.decide(0, position, BPM, self.policy, scene, lambda step: False)

    def ask(self, position: float, horizon: int) -> int:
        return self.replanner.ask(0, position, BPM, horizon, self.policy).id

    def answer(self, number: int, position: float = 0.0) -> tuple[int, int] | None:
        plan = Plan(number, 0, 4 * BAR, (), 50 * MS, 6)
        found = self.replanner.arrived(plan, 50 * MS, position, BPM, self.policy)
        return None if found is None else (found[0].turn.start_step, found[1])


def test_the_next_beat_is_decided_a_horizon_before_it() -> None:
    rig = Rig()
    assert (rig.replanner.target, rig.replanner.horizon_steps) == (24, 6)
    assert rig.replanner.next_step == 18
    rig.policy.turn = Turn(0)
    assert rig.decide(18) == 24
    assert rig.replanner.next_step == 42


@pytest.mark.parametrize(
    ("turn", "position", "horizon"),
    [
        (None, 18, None),
        (Turn(BAR), 18, None),  # a beat before its turn is early enough
        (Turn(48), 18, 24),
        (Turn(0, 24), 18, None),  # over by then
        (Turn(0, 48), 18, 24),
        (Turn(0), 30, 36),  # too late for the beat: the sixteenth that a plan can reach
    ],
)
def test_a_decision_is_for_our_turn_only(
    turn: Turn | None, position: float, horizon: int | None
) -> None:
    rig = Rig()
    rig.policy.turn = turn
    assert rig.decide(position) == horizon


def test_an_engine_of_unknown_speed_is_asked_four_beats_ahead() -> None:
    rig = Rig()
    rig.timing.forget()
    rig.policy.turn = Turn(BAR + 24)
    assert rig.decide(10) == 30


def test_while_one_request_is_open_the_next_waits_and_then_hurries() -> None:
    rig = Rig()
    rig.policy.turn = Turn(0)
    number = rig.ask(18, rig.decide(18) or 0)
    assert rig.decide(42) is None
    assert rig.answer(number) == (0, number)
    assert rig.replanner.next_step == float("-inf")
    assert rig.decide(45) == 54


def test_triggered_modes_decide_nothing_by_themselves() -> None:
    rig = Rig(Triggered(), mode="vary")
    assert rig.replanner.target == NEVER
    rig.replanner.hurry()
    assert rig.replanner.next_step == NEVER - rig.replanner.horizon_steps


def test_a_trigger_is_played_from_the_next_bar_line_under_the_name_it_was_given() -> None:
    rig = Rig(Triggered(), mode="infill")
    request = rig.replanner.trigger(0, 0, 4 * BAR, 77)
    assert [(span.voice, span.from_step, span.to_step) for span in request.known] == [
        (0, 0, BAR),
        (0, 3 * BAR, 4 * BAR),
        (1, 0, BAR),
        (1, 3 * BAR, 4 * BAR),
    ]
    assert rig.answer(request.id, position=4 * BAR + 10.5) == (5 * BAR, 77)
    assert rig.policy.turn == Turn(5 * BAR, 9 * BAR, 0, (0, 1))


@pytest.mark.parametrize(
    ("state", "up", "known"),
    [
        ("loading", True, True),
        ("error", True, True),
        ("down", False, True),
        ("starting", False, False),
        ("ready", True, False),
    ],
)
def test_what_the_engine_says_of_itself(state: str, up: bool, known: bool) -> None:
    rig = Rig()
    rig.timing.measured(50 * MS, 6)
    rig.replanner.engine(state)
    assert rig.replanner.engine_up is up
    assert rig.timing.known is known


def test_fewer_calls_where_a_beat_is_short() -> None:
    rig = Rig()
    for _ in range(3):
        rig.timing.measured(600 * MS, 6)
    rig.replanner.fit_to_engine(BPM)
    assert rig.replanner.calls == 3  # 375 ms of a beat, 100 ms a call
    assert rig.replanner.horizon_steps % 6 == 0


def test_a_request_reaches_as_far_beyond_its_horizon_as_an_engine_may_take() -> None:
    rig = Rig()
    rig.policy.turn = Turn(0)
    request = rig.replanner.ask(0, 18.0, BPM, 24, rig.policy)
    assert request.end_step == 24 + ahead_steps(24 - 18, BPM)
    assert request.settings.steps == 6


def test_a_request_far_ahead_of_now_reaches_further() -> None:
    rig = Rig()
    rig.policy.turn = Turn(0)
    request = rig.replanner.ask(0, 24.9, BPM, BAR, rig.policy)
    assert request.end_step == BAR + 3 * (BAR - 24) + 24


def test_the_policy_considers_the_step_under_way() -> None:
    seen: list[tuple[int, int]] = []

    class Considers(Accompany):
        def consider(self, now_step: int, horizon_step: int, scene: Scene) -> None:
            seen.append((now_step, horizon_step))

    rig = Rig(Considers())
    rig.decide(18.9)
    assert seen == [(18, 24)]


def test_a_beat_line_off_the_sixteenths_is_decided_for_once() -> None:
    rig = Rig()
    rig.bars.use(MeterMap(((25, Meter(4, 4)),)))
    rig.policy.turn = Turn(0)
    rig.replanner.hurry()
    assert rig.decide(19.0) == 24
    assert rig.replanner.target == 49, "a plan made now for the line at 25 has just been asked for"


def looping() -> tuple[Rig, LoopReply]:
    """In the second pass of a loop of bars 1 and 2."""
    policy = LoopReply()
    rig = Rig(policy, loop_bars=2)
    policy.begin(0, Scene(rig.knobs, rig.bars, rig.song, 6))
    policy.turn = Turn(2 * BAR)
    return rig, policy


def test_chords_of_a_loop_are_given_where_its_first_pass_is_asked_for() -> None:
    rig, policy = looping()
    chord = Chord.parse("F/A")
    rig.replanner.given.give(2, 0, chord)
    assert rig.replanner.ask(0, 18.0, BPM, 24, accompany(Turn(0))).chords[0].first_step == BAR
    request = rig.replanner.ask(0, 2 * BAR + 18.0, BPM, 2 * BAR + 24, policy)
    spans = [(cell.first_step, cell.end_step) for cell in request.chords]
    pass_before, this_pass = [(-BAR, -72), (-72, 0)], [(BAR, BAR + 24), (BAR + 24, 2 * BAR)]
    assert spans == pass_before + this_pass, "bar 2 of each"


def accompany(turn: Turn) -> Accompany:
    policy = Accompany()
    policy.turn = turn
    return policy


def test_the_chord_that_is_held_holds_from_the_horizon_on() -> None:
    chord = Chord(frozenset({0, 4, 7}), 0)
    rig, policy = looping()
    rig.replanner.hold(chord)
    request = rig.replanner.ask(0, 2 * BAR + 18.0, BPM, 2 * BAR + 24, policy)
    assert request.chords == (ChordCell(24, request.end_step, chord.classes, 0),)
    assert request.settings.pitch_classes == chord.classes
    behind = accompany(Turn(BAR, shift_steps=BAR))
    request = rig.replanner.ask(0, BAR + 18.0, BPM, BAR + 24, behind)
    assert [cell.first_step for cell in request.chords] == [24]


@pytest.mark.parametrize(
    ("position", "line"),
    [(4 * BAR - 1.0, 4 * BAR), (4 * BAR - 0.9, 5 * BAR), (4 * BAR, 5 * BAR), (4.5 * BAR, 5 * BAR)],
)
def test_a_trigger_mid_song_is_answered_from_the_next_line_that_can_be_reached(
    position: float, line: int
) -> None:
    rig = Rig(Triggered(), mode="infill")
    request = rig.replanner.trigger(0, BAR, 5 * BAR, None)
    assert {(s.from_step, s.to_step) for s in request.known} == {
        (BAR, 2 * BAR),
        (4 * BAR, 5 * BAR),
    }
    assert rig.answer(request.id, position=position) == (line, request.id)
    assert rig.policy.turn == Turn(line, line + 4 * BAR, 0, (0, 1))
    assert rig.book.in_force is not None
    assert rig.book.in_force.end_step == 4 * BAR + line - BAR


@pytest.mark.parametrize(("mode", "notes"), [("generate", 0), ("vary", 2), ("infill", 2)])
def test_a_trigger_shows_what_was_played_there_unless_it_is_to_be_new(
    mode: str, notes: int
) -> None:
    rig = Rig(Triggered(), mode=mode)
    rig.song.input.add(RememberedNote(BAR, BAR + 24, 72, 80, 0))
    rig.song.reply.add(RememberedNote(BAR, BAR + 24, 48, 80, 1))
    request = rig.replanner.trigger(0, BAR, 5 * BAR, None)
    assert len(request.notes) == notes
    assert len(request.known) == (4 if mode == "infill" else 0)


def test_what_was_played_is_played_again_where_a_plan_is_missing() -> None:
    """There was one; or the engine is gone; or it had a bar's time since the jump or the turn."""
    rig, turn = Rig(), Turn(0)
    rig.policy.turn = turn
    for beat in range(8):
        rig.song.reply.add(RememberedNote(24 * beat, 24 * beat + 24, 60, 80, 1))

    def again(first: int, turn: Turn = turn) -> list[int]:
        return [note.onset_step for note in rig.replanner.spare(first, first + 24, turn)]

    rig.replanner.forget(2 * BAR)
    assert again(3 * BAR - 1) == []
    assert again(3 * BAR) == [3 * BAR]
    assert again(3 * BAR, Turn(2 * BAR + 1)) == []
    rig.replanner.engine("down")
    assert again(2 * BAR) == [2 * BAR]
    rig.replanner.engine("ready")
    assert again(2 * BAR) == []
    rig.answer(rig.ask(2 * BAR, 2 * BAR))
    assert again(2 * BAR) == [2 * BAR]


def test_a_plan_is_orphaned_from_the_end_of_its_engine_to_the_next_plan() -> None:
    rig = Rig()
    rig.policy.turn = Turn(0)
    for state in ("loading", "error", "starting", "ready"):
        rig.replanner.engine(state)
        assert not rig.book.orphaned
    rig.replanner.engine("down")
    rig.replanner.engine("starting")
    rig.replanner.engine("ready")
    assert rig.book.orphaned
    rig.answer(rig.ask(0, 24))
    assert not rig.book.orphaned
