"""Commands as lines of the event log, and back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.commands import (
    Act,
    AskParameter,
    Command,
    EngineState,
    MidiIn,
    PlanArrived,
    SendDue,
    SetParameter,
    Tick,
)
from bridge.event_log.lines import command_line, parse_line, read_command
from engine.music.roll import Note
from engine.requests.request import ChordCell, Plan

INTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(max_size=20)
VALUES = INTS | st.booleans() | TEXTS | st.floats(allow_nan=False)
PEERS = st.none() | st.tuples(TEXTS, st.integers(1, 65535))
NOTES = st.builds(Note, INTS, st.integers(0, 127), INTS, st.integers(0, 1), st.integers(1, 127))
CHORDS = st.builds(
    ChordCell,
    INTS,
    INTS,
    st.frozensets(st.integers(0, 11)),
    st.none() | st.integers(0, 11),
)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(Tick, INTS),
    st.builds(SendDue, INTS),
    st.builds(MidiIn, INTS, st.lists(st.integers(0, 255), max_size=3).map(tuple)),
    st.builds(SetParameter, INTS, TEXTS, VALUES, PEERS),
    st.builds(AskParameter, INTS, TEXTS, PEERS),
    st.builds(Act, INTS, TEXTS, st.lists(VALUES, max_size=3).map(tuple), PEERS),
    st.builds(EngineState, INTS, TEXTS, TEXTS, INTS, INTS, TEXTS),
    st.builds(
        PlanArrived,
        INTS,
        st.builds(
            Plan,
            INTS,
            INTS,
            INTS,
            st.lists(NOTES).map(tuple),
            INTS,
            INTS,
            st.lists(CHORDS, max_size=3).map(tuple),
        ),
    ),
)


@settings(max_examples=60, deadline=None)
@given(COMMANDS, INTS)
def test_every_command_reads_back_as_it_was(command: Command, before_ns: int) -> None:
    back = read_command(parse_line(command_line(command, before_ns)), before_ns)
    assert back == command
    # True is not 1 here, nor 1.0.
    assert command_line(back, before_ns) == command_line(command, before_ns)


def test_an_older_log_does_not_tell_how_fast_the_engine_was() -> None:
    assert read_command([5, "engine", "ready", "x"], 10) == EngineState(15, "ready", "x")
