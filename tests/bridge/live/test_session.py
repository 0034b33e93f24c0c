"""harmonize live: exact times under a manual clock, and what happens when the engine does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.commands import (
    Act,
    AskParameter,
    ChoosePreset,
    EngineState,
    LogLine,
    MidiIn,
    OscOut,
    RequestPlan,
    SavePreset,
    SendMidi,
    SetParameter,
    Subscribe,
    Tick,
    Value,
)
from bridge.live.session import Session
from bridge.settings.actions import ACTIONS
from bridge.settings.parameters import DEFAULTS
from bridge.settings.rows import ParameterError
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note
from engine.requests.request import PlanRequest, Span
from tests.session_rig import CHORD, MS, TUNE, S, chords, clock, melody, play, rig

PEER = ("127.0.0.1", 9001)


def test_replies_lie_on_exact_beats_after_the_bar_listened_to() -> None:
    live = rig().add(clock(33)).add(melody(33)).run(16 * S - 1)
    beats = [2.0 + 0.5 * i for i in range(28)]
    assert live.ons == [(beat, pitch) for beat in beats for pitch in CHORD]
    assert live.offs == [(beat, pitch) for beat in beats[1:] for pitch in CHORD]
    assert all(now == due for now, due, _ in live.sent)
    assert live.counts == {"fresh": 27}
    assert [args for _, args in live.osc("out/state")] == [
        ("waiting",),
        ("listening",),
        ("playing",),
    ]
    assert live.osc("out/bar") == [(2.0 * i, (i + 1,)) for i in range(8)]


def test_each_sent_note_is_told_by_osc() -> None:
    live = rig().add(clock(9)).add(melody(9)).run(int(2.1 * S))
    assert live.osc("out/note") == [(2.0, (pitch, 80, 4.0, 1.0)) for pitch in CHORD]


def test_a_decision_for_every_beat_as_late_as_the_engine_allows() -> None:
    live = rig().add(clock(25)).add(melody(25)).run(8 * S)
    times = [when for when, _ in live.requests]
    # At the first note, to learn how fast the engine is; 50 ms fit a sixteenth before each beat.
    assert times == [0.125, *(1.375 + 0.5 * i for i in range(14))]
    assert [request.id for _, request in live.requests] == list(range(1, len(times) + 1))


@pytest.mark.parametrize(("warm_ms", "first"), [(50, 0.5), (340, 1.0)])
def test_without_a_bar_to_listen_to_the_first_plan_knows_the_first_note(
    warm_ms: int, first: float
) -> None:
    """An engine too slow for the next beat, by what its warm-up took, answers on the one after."""
    live = rig({"listen_bars": 0, "steps": 10}, delay_ns=lambda request: warm_ms * MS)
    live.add([EngineState(0, "ready", "", warm_ms * MS, 10)])
    live.add(clock(25)).add(melody(25)).run(6 * S)
    assert live.ons[0][0] == first
    assert set(live.counts) == {"fresh"}
    used = [request for when, request in live.requests if when < first]
    assert [n.pitch for n in used[-1].notes if n.voice == LEAD] == [72]


def test_a_request_tells_what_is_known() -> None:
    live = rig().add(clock(25)).add(melody(25)).run(8 * S)
    when, request = live.requests[7]
    assert when == 4.375  # step 210, for beat 9
    assert request.known == (Span(LEAD, 24, 210), Span(ACCOMPANIMENT, 168, 216))
    assert (request.first_step, request.end_step) == (24, 216 + 9 * 24)
    lead = [n for n in request.notes if n.voice == LEAD]
    assert [(n.onset_step, n.pitch) for n in lead] == [
        (24, 74),
        (48, 76),
        (72, 77),
        (96, 79),
        (120, 81),
        (144, 83),
        (168, 84),
        (192, 72),
    ]
    assert [n.length_steps for n in lead] == [24] * 7 + [210 - 192]
    ours = [n for n in request.notes if n.voice == ACCOMPANIMENT]
    assert [(n.onset_step, n.end_step) for n in ours[::3]] == [
        (168 + 24 * i, 192 + 24 * i)
        for i in range(2)  # the last two beats
    ]


def test_stop_ends_every_note_at_once_and_nothing_follows() -> None:
    live = rig().add(clock(20)).add(melody(20)).add([MidiIn(9100 * MS, (0xFC,))]).run(14 * S)
    assert live.offs[-3:] == [(9.1, pitch) for pitch in CHORD]
    assert live.ons[-1][0] == 9.0
    assert live.stuck == {}
    assert live.session.state == "waiting"


def test_continue_goes_on_with_what_it_remembers() -> None:
    live = rig().add(clock(16)).add(melody(16))
    live.add([MidiIn(8 * S - 10 * MS, (0xFC,))])
    live.add([MidiIn(10 * S, (0xFB,)), *clock(9, 10 * S, start=False)]).run(13 * S)
    after = [when for when, _ in live.ons if when > 8]
    assert after[0] == 10.0
    assert live.requests[-1][1].known[1].voice == ACCOMPANIMENT


def test_a_jump_back_ends_notes_and_goes_on_from_memory() -> None:
    live = rig().add(clock(16)).add(melody(16))
    seek = [MidiIn(8 * S - 1000, (0xF2, 8, 0))]  # 8 sixteenths: beat 2
    live.add(seek).add(clock(13, 8 * S, start=False)).add(melody(13, 8 * S)).run(13 * S)
    assert (8.0, CHORD[0]) in live.offs
    # Beats 4 to 15 were played before: no beat of them is empty, though the plan is for elsewhere.
    after = sorted({when for when, _ in live.ons if when >= 8})
    assert after == [8.5 + 0.5 * i for i in range(10)]
    assert live.stuck.keys() == set(CHORD)  # the last chord sounds
    lead = [n.onset_step for n in live.requests[-1][1].notes if n.voice == LEAD]
    assert lead == sorted(set(lead)), "what is played again is written anew"


def test_notes_ahead_of_start_are_heard_on_the_first_beat() -> None:
    live = rig({"listen_bars": 0}).add(play(72, 979 * MS, 400 * MS)).add(clock(8, S)).run(4 * S)
    first = next(request for when, request in live.requests if when > 1.0)
    assert next((n.onset_step, n.pitch) for n in first.notes if n.voice == LEAD) == (0, 72)


def test_internal_clock_starts_with_the_first_note() -> None:
    live = rig({"tempo": 60.0}).add([Act(S, "note", (72, 90)), Act(2 * S, "note", (72, 0))])
    live.run(6 * S)
    assert live.ons[0] == (5.0, CHORD[0])
    assert live.osc("out/bar")[:2] == [(1.0, (1,)), (5.0, (2,))]


def test_a_pickup_is_not_the_bar_listened_to() -> None:
    live = rig({"clock": "internal", "pickup_beats": 1.0}).add(melody(32, S)).run(8 * S)
    assert live.osc("out/bar")[:3] == [(1.0, (0,)), (1.5, (1,)), (3.5, (2,))]
    assert live.ons[0][0] == 3.5
    late = rig().add(clock(32)).add(melody(32, 1500 * MS)).run(8 * S)
    assert late.ons[0][0] == 4.0


def test_a_daws_notes_lead_its_clock_and_its_stop_brings_a_burst() -> None:
    burst = [MidiIn(14 * S, (0xB0 | ch, cc, 0)) for ch in range(16) for cc in (64, 120, 121, 123)]
    live = rig().add(clock(26, S)).add(melody(26, S - 22 * MS))
    live.add([MidiIn(14 * S, (0xFC,)), *burst]).run(16 * S)
    assert sorted({when for when, _ in live.ons}) == [3.0 + 0.5 * i for i in range(22)]
    lead = [n for n in live.requests[-1][1].notes if n.voice == LEAD]
    assert all(n.onset_step % 24 == 0 for n in lead)
    assert [n.length_steps for n in lead[:-1]] == [24] * (len(lead) - 1)
    assert live.stuck == {}


def test_nothing_starts_by_itself_after_stop_or_beside_a_clock() -> None:
    live = rig().add(clock(8, start=False)).add(play(72, S, 100 * MS)).run(3 * S)
    assert live.session.state == "clock runs, waiting for Start"
    assert live.osc("out/state")[-1][1] == ("clock runs, waiting for Start",)
    logged = [e.text for _, e in live.effects if isinstance(e, LogLine)]
    assert logged == ["MIDI clock runs, waiting for Start; /diffuse/downbeat begins without it"]
    live = rig().add(clock(8)).add([MidiIn(3 * S, (0xFC,))]).add(play(72, 5 * S, 100 * MS))
    assert live.run(8 * S).session.state == "waiting"


def test_continue_right_after_start_is_ignored_in_every_pass() -> None:
    """As several sequencers send it: Start, 6 ms later Continue, then the clock."""
    live = rig()
    for start_ns in (0, 12 * S):
        live.add([MidiIn(start_ns, (0xFA,)), MidiIn(start_ns + 6 * MS, (0xFB,))])
        live.add(clock(16, start_ns + 20 * MS, start=False))
        live.add([MidiIn(start_ns + 8010 * MS, (0xFC,))])
    live.run(21 * S)
    assert [arguments for _, arguments in live.osc("out/bar")] == [(n,) for n in (1, 2, 3, 4)] * 2


def test_continue_while_the_song_runs_says_nothing() -> None:
    live = rig().add([*clock(16), *melody(16)])
    live.add(MidiIn(beat * 500 * MS + 3 * MS, (0xFB,)) for beat in (4, 8))
    live.run(7900 * MS)
    plain = rig().add([*clock(16), *melody(16)]).run(7900 * MS)
    assert [bar for _, bar in live.osc("out/bar")] == [(n,) for n in (1, 2, 3, 4)]
    assert (live.ons, live.counts) == (plain.ons, plain.counts)


def test_a_repeated_key_whose_next_on_comes_before_its_off_is_quarters_all_the_same() -> None:
    live = rig().add(clock(16))
    for beat in range(8):
        on_ns = beat * 500 * MS
        live.add([MidiIn(on_ns, (0x90, 72, 100)), MidiIn(on_ns + 510 * MS, (0x80, 72, 0))])
    live.run(int(4.2 * S))
    lead = [n for n in live.requests[-1][1].notes if n.voice == LEAD]
    assert {(note.onset_step % 24, note.length_steps) for note in lead[:-1]} == {(0, 24)}
    assert len(lead) >= 7


@pytest.mark.parametrize(
    ("bpm", "meter", "two_bars_s"), [(120, "4/4", 4.0), (60, "3/4", 6.0), (200, "7/8", 2.1)]
)
def test_a_request_says_how_long_two_bars_are(bpm: int, meter: str, two_bars_s: float) -> None:
    live = rig({"meter": meter}).add(clock(24, bpm=bpm)).add(melody(24, beat_ns=60 * S // bpm))
    live.run(24 * 60 * S // bpm - 1)
    told = [e.hang_ns / S for _, e in live.effects if isinstance(e, RequestPlan)]
    assert len(told) > 5
    assert told == pytest.approx([two_bars_s] * len(told), rel=0.02)


def test_dead_engine_the_plan_in_hand_goes_on() -> None:
    def delay(request: PlanRequest) -> int | None:
        return None if live.now_ns > 8 * S else 50 * MS

    live = rig(delay_ns=delay)
    live.add(clock(64)).add(melody(64))
    live.run(30 * S)
    beats = sorted({when for when, _ in live.ons})
    assert beats == [2.0 + 0.5 * i for i in range(len(beats))]
    assert beats[-1] >= 29.0, "it never stops"
    assert set(live.counts) == {"fresh", "stale"}
    assert live.session.state == "late"
    # What is played in the end is what was planned last, two bars of it, again and again.
    assert {pitch for when, pitch in live.ons if when > 20} <= set(CHORD)
    ((when, (source, text)),) = live.osc("out/error")
    assert (source, text) == ("engine", "no plan in time: the last bars are played again")
    assert 12.0 < when < 17.0


@pytest.mark.parametrize(("state", "rests"), [("down", 0), ("ready", 4)])
def test_dead_engine_after_a_jump_the_last_bars_are_played_again(state: str, rests: int) -> None:
    """Plans are forgotten, what was played is not. An engine that is there has a bar's time."""

    def delay(request: PlanRequest) -> int | None:
        return None if live.now_ns > 8 * S else 50 * MS

    live = rig(delay_ns=delay).add(clock(64)).add(melody(64))
    four_beats_on = MidiIn(10 * S - 5 * MS, (0xF2, 4 * 24, 0))
    live.add([EngineState(9 * S, state), four_beats_on]).run(30 * S)
    assert live.counts.get("rest", 0) == rests
    assert live.counts.keys() == {"fresh", "stale", *(["rest"] if rests else [])}
    assert max(when for when, _ in live.ons) >= 29.0
    told = [text for _, (_, text) in live.osc("out/error")]
    assert told == ["no plan in time: the last bars are played again"]


def test_restarted_engine_takes_over_at_once() -> None:
    def delay(request: object) -> int | None:
        return None if 8 * S < live.now_ns < 11 * S else 50 * MS

    live = rig(delay_ns=delay).add(clock(64)).add(melody(64))
    live.add([EngineState(8100 * MS, "down"), EngineState(11 * S, "ready")]).run(16 * S)
    assert "rest" not in live.counts
    asked = [when for when, _ in live.requests if when > 8]
    assert asked[0] == 11.0
    assert live.osc("out/ready") == [(11.0, ())]


def test_another_machines_engine_takes_over_without_a_rest_and_is_told() -> None:
    def delay(request: object) -> int | None:
        return None if 8 * S < live.now_ns < 8500 * MS else 50 * MS

    live = rig(delay_ns=delay).add(clock(64)).add(melody(64))
    news = "studio:8443 does not answer in time; default on this machine plays"
    live.add([EngineState(8500 * MS, "ready", "default", 80 * MS, 6, news)]).run(16 * S)
    assert not {"rest", "late"} & live.counts.keys()
    assert live.osc("out/engine") == [(8.5, (news,))]
    assert next(when for when, _ in live.requests if when > 8.4) == 8.5


def test_while_another_model_loads_the_one_in_service_goes_on() -> None:
    def asked_and_played(*states: EngineState) -> tuple[list[float], list[tuple[float, int]]]:
        live = rig().add(clock(64)).add(melody(64)).add(states).run(20 * S)
        assert live.counts == {"fresh": 36}
        return [when for when, _ in live.requests], live.ons

    # Never ready, as a model that is very large, and failing to load, as one that is damaged.
    loading = EngineState(8100 * MS, "loading", "large")
    assert asked_and_played(loading) == asked_and_played()
    assert len(asked_and_played(loading, EngineState(12 * S, "error", "no model"))[0]) >= 36


def test_a_model_that_was_loaded_beside_another_is_measured_anew() -> None:
    live = rig().add(clock(64)).add(melody(64))
    live.add([EngineState(8100 * MS, "loading"), EngineState(11 * S, "ready", "", 700 * MS, 10)])
    live.run(11020 * MS)
    timing = live.session.stage.timing
    assert timing.p95_ns(10) == 700 * MS
    assert live.osc("out/ready") == [(11.0, ())]
    assert "rest" not in live.run(16 * S).counts


@pytest.mark.parametrize("delay_ms", [100, 300, 700])
def test_an_engine_slower_than_a_beat_still_delivers(delay_ms: int) -> None:
    live = rig(delay_ns=lambda request: delay_ms * MS).add(clock(64)).add(melody(64)).run(30 * S)
    assert live.counts == {"fresh": 56} or set(live.counts) == {"fresh", "stale"}
    assert live.session.stage.performer.scheduler.late == 0


def test_an_engine_of_three_beats_a_plan_causes_no_rest() -> None:
    """It is asked early enough to be ready when its turn begins."""
    live = rig(delay_ns=lambda request: 1400 * MS).add(clock(64)).add(melody(64)).run(30 * S)
    assert set(live.counts) == {"fresh", "stale"}


def test_one_slow_plan_makes_no_reply_old() -> None:
    """The plan before it bridges the time; then decisions are as late as they were."""

    def delay(request: object) -> int:
        return 2200 * MS if 3 * S < live.now_ns < 3.6 * S else 10 * MS

    live = rig(delay_ns=delay).add(clock(48)).add(melody(48))
    live.run(24 * S)
    assert live.counts == {"fresh": 42, "stale": 2}


def test_an_engine_that_slows_down_twofold_causes_no_rest() -> None:
    def delay(request: object) -> int:
        return 300 * MS if live.now_ns > 8 * S else 150 * MS

    live = rig(delay_ns=delay).add(clock(64)).add(melody(64))
    live.run(30 * S)
    assert live.counts == {"fresh": 56}


def test_an_engine_far_too_slow_rests_but_is_never_late() -> None:
    live = rig(delay_ns=lambda request: 3 * S).add(clock(64)).add(melody(64)).run(30 * S)
    assert live.counts["rest"] > 0
    assert "late" not in live.counts
    assert "fresh" not in live.counts


def test_a_player_that_was_held_up_drops_what_it_missed() -> None:
    session = Session({"clock": "internal", "listen_bars": 0})
    live = rig().add([])
    live.session = session
    live.add([Act(0, "start")]).add(play(72, 0, 100 * MS)).run(3 * S)
    live.now_ns = int(4.3 * S)  # nobody ran between 3.0 and 4.3 s
    live.run(6 * S)
    assert session.counts.late > 0
    assert live.osc("out/late")
    assert all(now - due <= 50 * MS for now, due, data in live.sent if data[0] & 0xF0 == 0x90)


def test_silence_that_the_plan_chose_is_counted_apart() -> None:
    live = rig(answer=lambda request: request.notes).add(clock(20)).add(melody(20)).run(9 * S)
    assert live.counts == {"silent": 14}


def test_a_new_plan_may_shorten_a_note_that_sounds() -> None:
    def answer(request: PlanRequest) -> tuple[Note, ...]:
        notes = chords(request)
        if live.now_ns < 2.3 * S:  # one chord held for four bars
            return tuple(replace(n, length_steps=384) for n in notes if n.onset_step == 96)
        return tuple(n for n in notes if n.onset_step <= 96)  # held as far as it was known

    live = rig(answer=answer).add(clock(20)).add(melody(20))
    live.run(4 * S)
    assert [when for when, _ in live.ons] == [2.0] * 3
    assert [when for when, _ in live.offs] == [2.5] * 3


def test_bypass_is_silent_and_comes_back_at_once() -> None:
    live = rig().add(clock(20)).add(melody(20))
    live.add([SetParameter(4100 * MS, "bypass", True), SetParameter(6100 * MS, "bypass", False)])
    live.run(8 * S)
    beats = sorted({when for when, _ in live.ons})
    assert [b for b in beats if 4.1 < b < 6.1] == []
    assert 6.5 in beats
    assert (4.1, CHORD[0]) in live.offs


def test_panic_sends_offs_for_what_sounds_and_for_everything() -> None:
    live = rig().add(clock(20)).add(melody(20)).add([Act(4100 * MS, "panic")]).run(5 * S)
    sent = [data for now, _, data in live.sent if now == 4100 * MS]
    assert sent[:3] == [(0x80, pitch, 0) for pitch in CHORD]
    assert len(sent) == 3 + 48
    assert 4.5 in {when for when, _ in live.ons} or 5.0 in {when for when, _ in live.ons}


def test_velocity_follows_the_melody_unless_set() -> None:
    soft = [
        MidiIn(c.at_ns, (*c.data[:2], c.data[2] and 50))
        for c in melody(20)
        if isinstance(c, MidiIn)
    ]
    live = rig().add(clock(20)).add(soft).run(4 * S)
    assert {data[2] for _, _, data in live.sent if data[0] == 0x90} == {40}
    live = rig({"velocity": 33}).add(clock(20)).add(soft).run(4 * S)
    assert {data[2] for _, _, data in live.sent if data[0] == 0x90} == {33}


def test_humanize_moves_notes_a_little_and_always_the_same() -> None:
    runs = [
        rig({"humanize": 1.0, "seed": 5}).add(clock(20)).add(melody(20)).run(6 * S)
        for _ in range(2)
    ]
    assert runs[0].sent == runs[1].sent
    delays = {round((when * 1000) % 500, 3) for when, _ in runs[0].ons}
    assert len(delays) > 5
    assert max(delays) <= 10
    velocities = {data[2] for _, _, data in runs[0].sent if data[0] == 0x90}
    assert len(velocities) > 3
    assert min(velocities) >= 64
    assert max(velocities) <= 96


def test_output_offset_and_channel() -> None:
    for offset in (-40.0, 15.0):
        live = rig({"output_offset_ms": offset, "out_channel": 3}).add(clock(20)).add(melody(20))
        live.run(4 * S)
        ons = [(now, data) for now, _, data in live.sent if data[0] & 0xF0 == 0x90]
        assert ons[0] == (2 * S + round(offset * MS), (0x92, CHORD[0], 80))
        assert live.counts.keys() == {"fresh"}


def test_thru_sends_notes_on_and_ends_them() -> None:
    live = rig({"thru": True}).add(clock(8)).add([MidiIn(S, (0x90, 72, 99))])
    live.add([SetParameter(1200 * MS, "thru", False), MidiIn(1300 * MS, (0x80, 72, 0))])
    live.run(int(1.9 * S))
    assert [(now, data) for now, _, data in live.sent] == [
        (S, (0x90, 72, 99)),
        (1200 * MS, (0x80, 72, 0)),
    ]


def test_every_set_is_answered_with_the_value_in_force() -> None:
    session = Session({})
    answer = OscOut("/diffuse/out/param/tempo", (90.0,), PEER)
    assert answer in session.step(SetParameter(0, "tempo", 90, PEER))
    assert session.step(AskParameter(1, "tempo", PEER)) == [answer]
    assert session.step(SetParameter(1, "tempo", 90.0, PEER)) == []  # nothing has changed
    (problem,) = session.step(SetParameter(2, "tempo", 1000, PEER))
    assert isinstance(problem, OscOut)
    assert problem.address == "/diffuse/out/error"
    assert problem.arguments[0] == "tempo"


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_a_set_that_changes_nothing_is_not_answered(name: str) -> None:
    live = rig().add(clock(20)).add(melody(20))
    live.add([SetParameter(3 * S, name, DEFAULTS[name], PEER)]).run(6 * S)
    assert live.osc(f"out/param/{name}") == live.osc("out/error") == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("start", ()), ("stop", ()), ("panic", ()), ("downbeat", ())],
)
def test_an_action_is_answered_when_it_is_done(name: str, arguments: tuple[Value, ...]) -> None:
    session = Session({"clock": "internal"})
    effects = session.step(Act(0, name, arguments, PEER))
    assert OscOut("/diffuse/out/done", (name,), PEER) in effects


def test_an_action_that_cannot_be_done_is_answered_with_the_reason_only() -> None:
    effects = Session({"mode": "vary"}).step(Act(0, "trigger", (7,), PEER))
    assert [each.address for each in effects if isinstance(each, OscOut) and each.to == PEER] == [
        "/diffuse/out/error"
    ]


def test_a_preset_that_cannot_be_had_takes_its_settings_back() -> None:
    session = Session({"voices": 3, "temperature": 0.9})
    session.step(SetParameter(5, "preset", "broken"))
    for name, value in (("voices", 6), ("temperature", 1.5), ("steps", 20)):
        session.step(SetParameter(5, name, value))
    session.step(SetParameter(9, "steps", 12))  # by hand, after it
    session.step(SetParameter(9, "seed", 7))
    effects = session.step(EngineState(10, "refused", "broken.pt is damaged"))
    told = {each.address: each.arguments for each in effects if isinstance(each, OscOut)}
    assert told["/diffuse/out/error"] == ("engine", "broken.pt is damaged")
    assert told["/diffuse/out/param/preset"] == ("default",)
    assert session.knobs.integer("voices") == 3
    assert session.knobs.number("temperature") == 0.9
    assert session.knobs.integer("steps") == DEFAULTS["steps"]
    assert session.knobs.integer("seed") == 7
    assert session.engine_state == "ready"


def test_a_preset_whose_engine_came_keeps_its_settings() -> None:
    session = Session({"voices": 3})
    session.step(SetParameter(5, "preset", "hymn"))
    session.step(SetParameter(5, "voices", 4))
    session.step(EngineState(7, "ready"))
    session.step(EngineState(9, "refused", "another"))
    assert session.knobs.integer("voices") == 4


def test_settings_are_checked() -> None:
    with pytest.raises(ParameterError, match="did you mean 'tempo'"):
        Session({"tempoo": 3})


def test_control_channel_sets_and_other_channels_do_not() -> None:
    session = Session({})
    session.step(MidiIn(0, (0xB0, 14, 127)))
    assert session.knobs.text("mode") == "harmonize"
    session.step(MidiIn(0, (0xBF, 14, 127)))
    assert session.knobs.text("mode") == "generate"
    session.step(MidiIn(0, (0xBF, 17, 127)))
    assert session.knobs.integer("steps") == 100
    session.step(MidiIn(0, (0xCF, 3)))


def test_questions_are_answered_to_who_asked() -> None:
    session = Session({})
    session.step(Tick(0))
    assert session.step(Act(0, "ping", (), PEER)) == [OscOut("/diffuse/out/pong", (), PEER)]
    rows = session.step(Act(0, "help", (), PEER))
    assert all(isinstance(row, OscOut) and row.to == PEER for row in rows)
    assert len(rows) == len(DEFAULTS) + len(ACTIONS)
    answers = session.step(Act(0, "stats", (), PEER))
    *figures, state = (row for row in answers if isinstance(row, OscOut))
    assert state == OscOut("/diffuse/out/state", ("waiting",), PEER)
    stats = {row.arguments[0]: row.arguments[1] for row in figures}
    assert stats["rest"] == 0.0
    assert {"fresh", "stale", "late", "silent", "engine_p95_ms", "latency_bars"} <= stats.keys()
    assert session.step(Act(0, "subscribe", ("10.0.0.1", 9), PEER)) == [
        Subscribe(("10.0.0.1", 9), True, PEER)
    ]
    assert session.step(Act(0, "unsubscribe", (), PEER)) == [Subscribe(PEER, False, PEER)]


def test_mode_change_ends_what_sounds() -> None:
    live = rig().add(clock(20)).add(melody(20))
    live.add([SetParameter(4100 * MS, "reply", "next-bar")]).run(8 * S)
    assert [pitch for when, pitch in live.offs if when == 4.1] == list(CHORD)
    assert 6.0 in {when for when, _ in live.ons}


def test_a_meter_of_seven_eighths_has_bars_of_84_steps() -> None:
    live = rig({"meter": "7/8"}).add(clock(24)).add(melody(24)).run(8 * S)
    assert [when for when, _ in live.osc("out/bar")] == [0.0, 1.75, 3.5, 5.25, 7.0]
    assert live.ons[0][0] >= 1.75
    assert "rest" not in live.counts


def test_clock_that_stops_coming_goes_on_and_says_so() -> None:
    live = rig().add(clock(8)).add(melody(24)).run(8 * S)
    assert {when for when, _ in live.ons} >= {6.0, 6.5, 7.0, 7.5}
    assert not any(isinstance(e, SendMidi) and now < 1 * S for now, e in live.effects)


def test_parts_go_to_channels_of_their_own() -> None:
    live = rig({"bass_channel": 3, "out_channel": 2}).add(clock(17)).add(melody(17)).run(8 * S - 1)
    channels = {data[1]: data[0] & 0x0F for _, _, data in live.sent if data[0] & 0xF0 == 0x90}
    assert channels == {CHORD[0]: 2, CHORD[1]: 1, CHORD[2]: 1}
    live.add([Act(8 * S, "panic")]).run(9 * S)
    offs = {(data[0] & 0x0F, data[1]) for _, _, data in live.sent if data[0] & 0xF0 == 0x80}
    assert offs == {(2, CHORD[0]), (1, CHORD[1]), (1, CHORD[2])}


def test_a_melody_of_the_replys_own_has_its_channel() -> None:
    live = rig({"mode": "continue", "lead_channel": 5}).add(clock(33)).add(melody(4)).run(14 * S)
    channels = {data[1]: data[0] & 0x0F for _, _, data in live.sent if data[0] & 0xF0 == 0x90}
    assert channels[TUNE] == 4
    assert {channels[pitch] for pitch in CHORD} == {0}


def test_a_program_change_on_the_control_channel_chooses_a_preset() -> None:
    session = Session({})
    assert session.step(MidiIn(5, (0xCF, 3)))[:1] == [ChoosePreset(5, 3)]
    found = session.step(MidiIn(6, (0xC0, 3)))
    assert not any(isinstance(effect, ChoosePreset) for effect in found)


def test_settings_are_saved_under_a_name_that_is_no_path() -> None:
    session = Session({"voices": 2})
    effect = session.step(Act(0, "save", ("my-band_2",), PEER))[0]
    assert isinstance(effect, SavePreset)
    assert (effect.name, effect.to) == ("my-band_2", PEER)
    assert {("voices", 2), ("preset", "default")} <= set(effect.settings)
    for name in ("../x", "", "a b", "x" * 41, ".x"):
        found = session.step(Act(0, "save", (name,), PEER))[0]
        assert isinstance(found, OscOut)
        assert found.address == "/diffuse/out/error"
