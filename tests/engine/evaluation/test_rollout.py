"""Causal rollout: what each request knows, and what is kept of each plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.rollout import LiveSettings, Rollout
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.requests.request import Plan, PlanRequest, SampleSettings, Span

COMMON = MeterMap()
BEAT = 24
TUNE = tuple(Note(beat * BEAT, 72 + beat % 5, BEAT, LEAD) for beat in range(32))
COMPOSED = tuple(
    Note(beat * BEAT, 48 + tone + beat % 7, 2 * BEAT, ACCOMPANIMENT)
    for beat in range(0, 32, 2)
    for tone in (0, 4)
)


@dataclass
class Scripted:
    """Answers with `music(request)` from where our part is free, and keeps what it was asked."""

    music: Callable[[PlanRequest], Iterable[Note]]
    asked: list[PlanRequest] = field(default_factory=list)

    def plan(self, request: PlanRequest) -> Plan:
        self.asked.append(request)
        kept = {(n.onset_step, n.pitch, n.voice): n for n in self.music(request)}
        kept = {key: n for key, n in kept.items() if request.first_step <= n.onset_step}
        kept = {key: n for key, n in kept.items() if n.onset_step < request.end_step}
        return Plan(0, request.first_step, request.end_step, tuple(sorted(kept.values())), 0, 1)


def by_the_beat(request: PlanRequest) -> list[Note]:
    """A note on every beat, of another pitch in every request."""
    pitch = 40 + len(request.notes) % 5
    return [Note(s, pitch, BEAT, ACCOMPANIMENT) for s in range(0, request.end_step, BEAT)]


@pytest.mark.parametrize("horizon", [0, 1, 4])
def test_the_lead_is_known_up_to_now_and_our_part_up_to_the_horizon(horizon: int) -> None:
    engine = Scripted(by_the_beat)
    rollout = Rollout(TUNE, COMMON, 32 * BEAT)
    played = rollout.perform(engine, horizon * BEAT).notes
    assert len(engine.asked) == 28
    for index, request in enumerate(engine.asked):
        place = (4 + index) * BEAT
        now = place - horizon * BEAT
        lead = [note for note in request.notes if note.voice == LEAD]
        first = max(0, place - 8 * BEAT)
        assert request.first_step == first
        assert lead == [n for n in TUNE if first <= n.onset_step < now]
        spans = [Span(LEAD, first, now)] if now > first else []
        ours = [n for n in request.notes if n.voice == ACCOMPANIMENT]
        remembered = max(4 * BEAT, place - 2 * BEAT)
        assert ours == [n for n in played if remembered <= n.onset_step < place]
        if index:
            spans.append(Span(ACCOMPANIMENT, remembered, place))
        assert request.known == tuple(spans)


def test_a_note_that_is_still_held_is_known_as_far_as_it_was_heard() -> None:
    engine = Scripted(lambda request: [])
    held = (Note(0, 72, 200, LEAD), Note(200, 74, 100, LEAD))
    Rollout(held, COMMON, 240).perform(engine, 0)
    assert [(n.onset_step, n.length_steps) for n in engine.asked[2].notes] == [(0, 144)]
    assert [(n.onset_step, n.length_steps) for n in engine.asked[5].notes] == [(0, 200), (200, 16)]


def test_each_beat_comes_from_the_plan_made_for_it_and_then_stays() -> None:
    def numbered(request: PlanRequest) -> list[Note]:
        pitch = 40 + len(engine.asked)  # 41 in the first plan
        return [Note(s, pitch, BEAT, ACCOMPANIMENT) for s in range(0, request.end_step, 12)]

    engine = Scripted(numbered)
    played = Rollout(TUNE, COMMON, 8 * BEAT).perform(engine, BEAT)
    onsets = [(96, 41), (108, 41), (120, 42), (132, 42), (144, 43), (156, 43), (168, 44), (180, 44)]
    assert [(n.onset_step, n.pitch) for n in played.notes] == onsets
    assert played.planned > 0
    assert played.taken_back == played.planned  # no two plans agree


def test_the_end_of_a_sounding_note_stays_open() -> None:
    def holding(request: PlanRequest) -> list[Note]:
        if len(engine.asked) == 1:
            return [Note(96, 48, 96, ACCOMPANIMENT), Note(96, 52, 20, ACCOMPANIMENT)]
        if len(engine.asked) == 2:  # knows of it, and lets it end sooner
            return [Note(96, 48, 30, ACCOMPANIMENT), Note(120, 55, 60, ACCOMPANIMENT)]
        return [Note(150, 57, 10, ACCOMPANIMENT)]  # knows nothing of the note before

    engine = Scripted(holding)
    notes = Rollout(TUNE, COMMON, 7 * BEAT).perform(engine, 0).notes
    assert notes == (
        Note(96, 48, 30),
        Note(96, 52, 20),
        Note(120, 55, 30),
        Note(150, 57, 10),
    )


@pytest.mark.parametrize("horizon", [0, 6, 24, 96])
def test_an_engine_that_knows_the_composer_plays_as_composed(horizon: int) -> None:
    played = Rollout(TUNE, COMMON, 32 * BEAT).perform(Scripted(lambda request: COMPOSED), horizon)
    assert played.notes == tuple(n for n in COMPOSED if n.onset_step >= 96)
    assert played.taken_back == 0
    assert played.planned > 100


def test_seed_and_bar_lines_are_the_same_in_every_request() -> None:
    engine = Scripted(by_the_beat)
    meters = MeterMap(((-24, Meter(3, 4)),))
    sampling = SampleSettings(seed=7)
    Rollout(TUNE, meters, 16 * BEAT, LiveSettings(), sampling).perform(engine, 24)
    asked = replace(sampling, chords_from="melody")  # what we played says nothing of the chords
    assert {(r.settings, r.meters) for r in engine.asked} == {(asked, meters)}


@pytest.mark.parametrize(
    ("first_bar", "onset", "listen", "horizon", "first_place"),
    [
        (0, 0, 1, 0, 96),  # a bar heard
        (0, 24, 1, 0, 96),
        (0, 48, 1, 0, 192),  # a pickup belongs to the next bar
        (-24, 0, 1, 0, 72),
        (-72, 0, 1, 0, 120),
        (0, 0, 2, 0, 192),
        (0, 0, 1, 96, 96),  # answered before anything was heard of it
        (-24, 0, 1, 96, 96),
        (0, 30, 1, 96, 144),
    ],
)
def test_who_comes_in_when(
    first_bar: int, onset: int, listen: int, horizon: int, first_place: int
) -> None:
    meters = MeterMap(((first_bar, Meter(4, 4)),))
    lead = (Note(onset, 72, 24, LEAD),)
    assert Rollout(lead, meters, 480, LiveSettings(listen)).places(horizon)[0] == first_place


def test_a_bar_of_seven_eighths_has_a_short_beat() -> None:
    rollout = Rollout(TUNE, MeterMap(((0, Meter(7, 8)),)), 8 * BEAT)
    assert rollout.places(0) == [84, 108, 132, 156, 168]


def test_a_melody_that_comes_too_late_gets_no_answer() -> None:
    assert Rollout((Note(180, 72, 12, LEAD),), COMMON, 192).places(0) == []


@settings(max_examples=30)
@given(
    horizon=st.sampled_from([0, 6, 18, 24, 48, 96]),
    meter=st.sampled_from([Meter(4, 4), Meter(3, 4), Meter(6, 8), Meter(7, 8)]),
    shift=st.integers(-4, 0),
)
def test_nothing_of_the_future_is_ever_shown(horizon: int, meter: Meter, shift: int) -> None:
    engine = Scripted(lambda request: COMPOSED)
    rollout = Rollout(TUNE, MeterMap(((shift * BEAT, meter),)), 24 * BEAT)
    rollout.perform(engine, horizon)
    for place, request in zip(rollout.places(horizon), engine.asked, strict=True):
        ends = {voice: [n.end_step for n in request.notes if n.voice == voice] for voice in (0, 1)}
        assert max(ends[LEAD], default=0) <= place - horizon
        assert max(ends[ACCOMPANIMENT], default=0) <= place
        assert all(s.to_step <= (place - horizon, place)[s.voice] for s in request.known)
