"""What is asked for by name: answers, refusals, and what a trigger asks the engine for."""

from __future__ import annotations

import pytest

from bridge.commands import Act, Effect, EngineState, OscOut, RequestPlan, Value
from bridge.live.planning.given_chords import MOST_GIVEN
from bridge.live.session import Session
from bridge.settings.actions import ACTIONS
from engine.music.chord_names import Chord
from tests.session_rig import MS, S, clock, rig

PEER = ("127.0.0.1", 9001)


def act(session: Session, name: str, *arguments: Value, at_ns: int = 0) -> list[Effect]:
    return session.step(Act(at_ns, name, arguments, PEER))


def told(effects: list[Effect], word: str) -> list[tuple[Value, ...]]:
    return [
        each.arguments
        for each in effects
        if isinstance(each, OscOut) and each.address == f"/diffuse/out/{word}"
    ]


def test_a_start_beside_a_clock_that_runs_waits_and_is_no_mistake() -> None:
    live = rig().add(clock(1, start=False)).run(400 * MS)
    effects = act(live.session, "start", at_ns=400 * MS)
    assert (told(effects, "error"), told(effects, "done")) == ([], [("start",)])
    alone = Session({"clock": "midi"})
    (problem,) = told(act(alone, "start"), "error")
    assert problem == ("start", "clock is midi and no MIDI clock is heard")
    assert told(act(Session({"clock": "internal"}), "start"), "error") == []


def test_a_loop_can_be_frozen_and_nothing_else() -> None:
    looping = Session({"reply": "loop", "clock": "internal"})
    assert told(act(looping, "freeze", True), "error") != [], "no loop before it plays"
    act(looping, "start")
    assert told(act(looping, "freeze", True), "freeze") == [(True,)]
    assert looping.stage.delivery.frozen
    live = Session({"clock": "internal"})
    act(live, "start")
    assert told(act(live, "freeze", True), "freeze") == []


def test_a_chord_too_many_is_refused() -> None:
    session = Session()
    for bar in range(2, MOST_GIVEN + 1):
        session.stage.given.give(bar, 0, Chord.parse("C"))
    assert told(act(session, "chord_at", 1, 1.0, "F"), "error") == []
    (problem,) = told(act(session, "chord_at", 1, 2.0, "F"), "error")
    assert problem[0] == "chord_at"
    assert len(session.stage.given) == MOST_GIVEN
    assert told(act(session, "chord_at", 1, 1.0, "off"), "error") == []
    assert len(session.stage.given) == MOST_GIVEN - 1


@pytest.mark.parametrize(("beat", "fits"), [(1.0, True), (4.9, True), (4.99, False), (5.0, False)])
def test_a_chord_lies_in_its_bar(beat: float, fits: bool) -> None:
    found = told(act(Session(), "chord_at", 3, beat, "F"), "error")
    assert found == ([] if fits else [("chord_at", "bar 3 has 4 quarter notes")])


def triggering(**settings: Value) -> Session:
    """In bar 7, at its second beat."""
    session = Session({"mode": "vary", "clock": "internal", "tempo": 120.0, **settings})
    act(session, "start")
    return rig_to(session, 12 * S + 500 * MS)


def rig_to(session: Session, at_ns: int) -> Session:
    live = rig()
    live.session = session
    live.run(at_ns)
    return session


@pytest.mark.parametrize(
    ("arguments", "bars"),
    [
        ((), (3, 6)),  # the four before this one
        ((5,), (3, 6)),
        ((5, 3), (3, 3)),
        ((5, 3, 4), (3, 4)),
        ((5, 1, 32), (1, 32)),
    ],
)
def test_which_bars_a_trigger_asks_for(arguments: tuple[int, ...], bars: tuple[int, int]) -> None:
    session = triggering()
    effects = act(session, "trigger", *arguments, at_ns=12_600 * MS)
    (request,) = [each.request for each in effects if isinstance(each, RequestPlan)]
    first, last = bars
    assert session.stage.replanner.last_trigger == ((first - 1) * 96, last * 96)
    assert request.end_step - request.first_step == (last - first + 1) * 96


@pytest.mark.parametrize("bars", [(3, 2), (1, 33)])
def test_bars_out_of_order_or_too_many_are_refused(bars: tuple[int, int]) -> None:
    effects = act(triggering(), "trigger", 5, *bars, at_ns=12_600 * MS)
    (problem,) = told(effects, "error")
    assert problem == ("5", f"bars {bars[0]} to {bars[1]}: want 1 to 32 bars, in order")


def test_a_trigger_that_cannot_be_says_why_under_its_own_name() -> None:
    harmonize = triggering(mode="harmonize")
    for arguments, name in (((), "trigger"), ((7,), "7")):
        ((found, text),) = told(act(harmonize, "trigger", *arguments), "error")
        assert (found, str(text)[:18]) == (name, "mode is harmonize;")
    down = triggering()
    down.step(EngineState(0, "down", "gone"))
    assert told(act(down, "trigger"), "error") == [("trigger", "the engine is not ready")]
    stopped = Session({"mode": "vary"})
    assert told(act(stopped, "trigger"), "error")[0][1] == (
        "stopped; start the clock first (/diffuse/start)"
    )


def test_help_names_every_action_and_what_may_be_left_out() -> None:
    usages = [str(words[0]) for words in told(act(Session(), "help"), "help")]
    for action in ACTIONS:
        (usage,) = [each for each in usages if each.split()[0] == f"/diffuse/{action.name}"]
        words = usage.split()[1:]
        assert len(words) == len(action.arguments)
        assert [word.startswith("[") for word in words] == sorted(
            word.startswith("[") for word in words
        )
        assert usage.count("[") == action.optional
