"""Random players, DAWs, engines and faults: nothing sticks, nothing is late, a log replays exactly.

MIDI_DIFFUSE_EVENTS sets how many events are drawn (in all, over the seeds).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from bridge.commands import (
    Act,
    Command,
    EngineState,
    MidiIn,
    OscOut,
    RequestPlan,
    SendMidi,
    SetParameter,
    Value,
)
from bridge.parameters import PARAMETERS, Parameter
from bridge.session import Session
from tests.session_rig import MS, Rig, S, chords

EVENTS = int(os.environ.get("MIDI_DIFFUSE_EVENTS", "16000"))
SEEDS = 12
_KEPT = ("thru", "clock", "tempo", "preset", "device", "meter")


def value_of(row: Parameter, draw: random.Random) -> Value:
    if row.kind == "choice":
        return draw.choice(row.choices)
    if row.kind == "bool":
        return draw.random() < 0.5
    if row.kind == "text":
        return {"chord": "Am7", "meter": draw.choice(["3/4", "7/8", "4/4"])}.get(row.name, "x")
    number = draw.uniform(row.low, row.high)
    return number if row.kind == "float" else round(number)


def act(draw: random.Random, at_ns: int) -> Act:
    name = draw.choice(
        [
            "start",
            "start",
            "stop",
            "panic",
            "downbeat",
            "trigger",
            "trigger",
            "freeze",
            "stats",
            "note",
        ]
    )
    arguments: dict[str, tuple[Value, ...]] = {
        "freeze": (draw.random() < 0.5,),
        "note": (draw.randrange(128), draw.choice([0, 90])),
        "trigger": draw.choice([(), (5,), (5, 1, 3), (5, -2, 2)]),
    }
    return Act(at_ns, name, arguments.get(name, ()))


def daw(draw: random.Random, at_ns: int, until_ns: int) -> Iterator[Command]:
    """MIDI clock that starts, stops, seeks, changes tempo, jitters and drops out."""
    pulse_ns = 20 * MS
    yield MidiIn(at_ns, (0xFA,))
    while at_ns < until_ns:
        yield MidiIn(at_ns + draw.randrange(2 * MS), (0xF8,))
        at_ns += pulse_ns
        chance = draw.random()
        if chance < 0.002:
            yield MidiIn(at_ns - 5 * MS, (0xFC,))
            yield from (
                MidiIn(at_ns - 4 * MS, (0xB0 + ch, cc, 0))
                for ch in (0, 3)
                for cc in (64, 120, 121, 123)
            )
            at_ns += draw.choice([0, S, 3 * S])
            if draw.random() < 0.7:
                yield MidiIn(at_ns - MS, (0xF2, draw.randrange(64), 0))
            yield MidiIn(at_ns - MS // 2, (draw.choice([0xFA, 0xFB]),))
        elif chance < 0.004:
            yield MidiIn(at_ns - MS, (0xF2, draw.randrange(64), 0))
        elif chance < 0.006:
            pulse_ns = draw.choice([5 * MS, 10 * MS, 20 * MS, 40 * MS])
        elif chance < 0.007:
            at_ns += 2 * S


def hands(draw: random.Random, at_ns: int, until_ns: int) -> Iterator[Command]:
    """Chords, runs, pedal, doubled note-ons and note-offs without notes."""
    while at_ns < until_ns:
        at_ns += draw.choice([0, 0, 10 * MS, 125 * MS, 250 * MS, 500 * MS])
        channel, pitch = draw.choice([0, 0, 0, 1, 15]), draw.randrange(40, 90)
        if draw.random() < 0.05:
            yield MidiIn(at_ns, (0xB0 | channel, 64, draw.choice([0, 127])))
        yield MidiIn(at_ns, (0x90 | channel, pitch, draw.randrange(128)))
        if draw.random() < 0.9:
            yield MidiIn(at_ns + draw.randrange(1, 900) * MS, (0x80 | channel, pitch, 0))


def knobs(draw: random.Random, at_ns: int, until_ns: int) -> Iterator[Command]:
    rows = [row for row in PARAMETERS if row.name not in _KEPT]
    while at_ns < until_ns:
        at_ns += draw.randrange(1, 5000) * MS
        if draw.random() < 0.25:
            yield act(draw, at_ns)
        elif draw.random() < 0.05:
            yield EngineState(at_ns, draw.choice(["down", "starting", "ready", "ready", "error"]))
        else:
            row = draw.choice(rows)
            row = draw.choice(rows[:2]) if draw.random() < 0.15 else row
            yield SetParameter(at_ns, row.name, value_of(row, draw))


def scene(seed: int, events: int) -> tuple[Rig, dict[str, Value]]:
    """A Rig that has run through about `events` commands, and the settings it began with."""
    draw = random.Random(seed)
    until_ns = max(4 * S, events * 12 * MS)
    settings: dict[str, Value] = {"clock": draw.choice(["auto", "auto", "internal"])}
    settings["mode"] = draw.choice(["harmonize", "harmonize", "continue", "vary"])
    rig = Rig(Session(settings), answer=chords)
    speed = draw.choice([20, 100, 400, 1500])
    rig.delay_ns = lambda request: (
        None if draw.random() < 0.05 else draw.randrange(1, 2 * speed) * MS
    )
    if settings["clock"] == "auto" and draw.random() < 0.8:
        rig.add(daw(draw, 0, until_ns))
    rig.add(hands(draw, 0, until_ns)).add(knobs(draw, 0, until_ns))
    rig.run(until_ns + S)
    rig.add([Act(rig.now_ns, "stop"), MidiIn(rig.now_ns, (0xFC,))]).run(rig.now_ns + S)
    return rig, settings


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_sticks_nothing_is_late_and_the_log_replays(seed: int) -> None:
    rig, settings = scene(seed, EVENTS // SEEDS)
    sounding: Counter[tuple[int, int]] = Counter()
    for now_ns, due_ns, data in rig.sent:
        key = (data[0] & 0x0F, data[1])
        if data[0] & 0xF0 == 0x90:
            assert not sounding[key], "a pitch that sounds is ended before it sounds again"
            assert now_ns - due_ns <= 50 * MS + 1000, "never played late"
            sounding[key] += 1
        elif data[0] & 0xF0 == 0x80:
            assert sounding[key] == 1, "no off without an on"
            sounding[key] -= 1
    assert +sounding == Counter()
    ids = [request.id for _, request in rig.requests]
    assert ids == sorted(set(ids))
    for _, request in rig.requests:
        assert request.first_step < request.end_step <= request.first_step + 34 * 96
    again = Session(settings)
    assert [e for command in rig.commands for e in again.step(command)] == [
        effect for _, effect in rig.effects
    ]


@pytest.mark.parametrize("seed", range(3))
def test_no_note_begins_while_stopped(seed: int) -> None:
    rig, settings = scene(100 + seed, EVENTS // SEEDS // 2)
    session = Session(settings)
    for command in rig.commands:
        effects = session.step(command)
        if not session.conductor.playing:
            assert not [e for e in effects if isinstance(e, SendMidi) and e.data[0] & 0xF0 == 0x90]
            assert session.conductor.performer.scheduler.sounding == frozenset()


def test_what_the_engine_is_told_we_played_is_what_we_sent() -> None:
    draw = random.Random(7)
    rig = Rig(Session({"clock": "internal", "tempo": 120.0, "listen_bars": 0}))
    rig.delay_ns = lambda request: draw.choice([50, 50, 50, 400, 900]) * MS
    rig.add([Act(0, "start")]).add(hands(draw, 0, 20 * S)).run(20 * S)
    sent = {
        (round(float(e.arguments[2]) * 24), e.arguments[0])
        for _, e in rig.effects
        if isinstance(e, OscOut) and e.address == "/diffuse/out/note"
    }
    assert len(sent) > 60
    request = [e.request for _, e in rig.effects if isinstance(e, RequestPlan)][-1]
    begin = next(span.from_step for span in request.known if span.voice == 1)
    known = {(n.onset_step, n.pitch) for n in request.notes if n.voice == 1}
    until = int(rig.session.conductor.position)
    assert {note for note in sent if begin <= note[0] < until} <= known
