"""What a session makes of what the engine says of itself, and which state it says it is in."""

from __future__ import annotations

import logging

import pytest

from bridge.commands import (
    Act,
    Effect,
    EngineState,
    LogLine,
    MidiIn,
    OscOut,
    Value,
)
from bridge.live.planning.request_window import Turn
from bridge.live.session import Session
from tests.session_rig import MS, Rig

DOWN = OscOut("/diffuse/out/error", ("engine", "gone"))

LIVE: dict[str, Value] = {"clock": "internal", "tempo": 120.0, "listen_bars": 0, "steps": 1}


def step(session: Session, state: str, detail: str = "gone", news: str = "") -> list[Effect]:
    effects = session.step(EngineState(0, state, detail, news=news))
    return [e for e in effects if not (isinstance(e, OscOut) and e.address.endswith("state"))]


@pytest.mark.parametrize(
    ("state", "after", "effects"),
    [
        ("ready", "ready", [OscOut("/diffuse/out/ready", ())]),
        ("error", "ready", [DOWN, LogLine(logging.WARNING, "engine: gone")]),
        ("loading", "ready", [LogLine(logging.INFO, "engine loading: gone")]),
        ("down", "down", [DOWN, LogLine(logging.WARNING, "engine down: gone")]),
        ("starting", "starting", [LogLine(logging.INFO, "engine starting: gone")]),
        ("refused", "ready", [DOWN, LogLine(logging.WARNING, "engine: gone")]),
    ],
)
def test_what_is_said_of_the_engine(state: str, after: str, effects: list[Effect]) -> None:
    session = Session()
    assert step(session, state) == effects
    assert session.engine_state == after


def test_the_same_trouble_is_said_once() -> None:
    session = Session()
    assert len(step(session, "error")) == 2
    assert step(session, "error") == []
    assert step(session, "down") == []
    assert len(step(session, "down", "broken")) == 2
    assert step(session, "starting", "") == [LogLine(logging.INFO, "engine starting")]


def test_news_of_the_engine_is_passed_on() -> None:
    told = [OscOut("/diffuse/out/engine", ("slow",)), LogLine(logging.WARNING, "slow")]
    assert step(Session(), "ready", news="slow")[1:] == told
    assert step(Session(), "starting", news="slow")[1:] == told


@pytest.mark.parametrize(
    ("turn", "last", "state"),
    [
        (None, "", "listening"),
        (Turn(96), "fresh", "listening"),
        (Turn(0), "", "planning"),
        (Turn(0), "rest", "planning"),
        (Turn(0), "fresh", "playing"),
        (Turn(0), "silent", "playing"),
        (Turn(0), "stale", "late"),
        (Turn(0), "late", "late"),
    ],
)
def test_the_state_of_a_song_that_plays(turn: Turn | None, last: str, state: str) -> None:
    session = Session({"clock": "internal"})
    assert session.state == "waiting"
    session.step(Act(0, "start"))
    session.stage.policy.turn, session.stage.tally.last = turn, last
    assert session.state == state


def test_the_state_of_a_song_that_stands_still() -> None:
    session = Session()
    step(session, "starting")
    assert session.state == "starting"
    step(session, "ready")
    assert session.state == "waiting"


def test_what_the_first_plan_took_counts_for_the_second() -> None:
    """Warmed up at 65 ms a plan, the horizon is a sixteenth, 125 ms at 120 bpm; after one of 72
    ms it is two, and the second plan is wanted at 750 ms, not at 875."""
    rig = Rig(Session(LIVE), delay_ns=lambda request: 72 * MS)
    ready = EngineState(0, "ready", plan_ns=65 * MS, calls=1)
    rig.add([ready, Act(0, "start"), MidiIn(0, (0x90, 60, 64))]).run(1000 * MS)
    assert [at_s for at_s, _ in rig.requests[:2]] == pytest.approx([0.375, 0.75], abs=0.001)


@pytest.mark.parametrize("tempo", [60.0, 120.0, 200.0])
@pytest.mark.parametrize("offset_ms", [0.0, -100.0, -200.0])
@pytest.mark.parametrize("plan_ms", [2, 65, 95, 130, 205, 260])
def test_a_plan_that_takes_what_the_warm_up_took_is_in_time(
    plan_ms: int, offset_ms: float, tempo: float
) -> None:
    """Also where notes are played early: then they are taken from the plan so much earlier."""
    live: dict[str, Value] = {**LIVE, "tempo": tempo, "output_offset_ms": offset_ms}
    rig = Rig(Session(live), delay_ns=lambda request: plan_ms * MS)
    ready = EngineState(0, "ready", plan_ns=plan_ms * MS, calls=1)
    rig.add([ready, Act(0, "start"), MidiIn(0, (0x90, 60, 64))]).run(5000 * MS)
    counts = rig.session.counts
    assert counts.fresh >= 2
    assert (counts.stale, counts.rest, counts.late) == (0, 0, 0)
