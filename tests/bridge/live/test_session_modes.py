"""next-bar, loop, continue and the triggered tasks, to the beat."""

from __future__ import annotations

import pytest

from bridge.commands import Act, MidiIn, OscOut, SetParameter, Value
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note
from engine.requests.fixture import FixtureGenerator
from engine.requests.request import PlanRequest, Span
from tests.session_rig import CHORD, MS, TUNE, S, clock, melody, play, rig


def below(request: PlanRequest) -> tuple[Note, ...]:
    """An octave below each lead note the request tells of, and what is known."""
    known = max((s.to_step for s in request.known if s.voice == ACCOMPANIMENT), default=-9999)
    lead = [n for n in request.notes if n.voice == LEAD]
    ours = [
        Note(n.onset_step, n.pitch - 12, 24, ACCOMPANIMENT) for n in lead if n.onset_step >= known
    ]
    return tuple(sorted([*request.notes, *ours]))


def test_next_bar_answers_each_bar_one_bar_later() -> None:
    live = rig({"reply": "next-bar"}, answer=below).add(clock(33)).add(melody(33)).run(15 * S)
    tune = (72, 74, 76, 77, 79, 81, 83, 84)
    assert live.ons == [(2.0 + 0.5 * i, tune[i % 8] - 12) for i in range(27)]
    assert live.counts == {"fresh": 26}
    assert live.osc("out/latency") == [(0.0, (1,))]


def test_next_bar_knows_the_whole_bar_it_answers() -> None:
    live = rig({"reply": "next-bar"}).add(clock(33)).add(melody(33)).run(15 * S)
    when, request = next(row for row in live.requests if row[0] > 10)
    # At step 498 (beat 20.75) for output beat 21, which answers beat 17.
    assert when == 10.375
    assert Span(LEAD, 17 * 24 - 192, 498) in request.known
    assert Span(ACCOMPANIMENT, 17 * 24 - 2 * 24, 17 * 24) in request.known


def test_next_bar_of_an_engine_slower_than_a_beat_is_two_bars_behind() -> None:
    live = rig({"reply": "next-bar"}, delay_ns=lambda request: 700 * MS)
    live.add(clock(65)).add(melody(65)).run(30 * S)
    assert [args for _, args in live.osc("out/latency")] == [(1,), (2,)]
    assert live.counts["fresh"] >= 50
    assert live.counts.get("rest", 0) <= 1


def test_next_bar_passes_the_melody_on_with_the_same_delay() -> None:
    live = rig({"reply": "next-bar", "thru": True}).add(clock(33)).add(melody(16))
    live.add(play(90, 8 * S, 3 * S)).run(16 * S)
    tune = (72, 74, 76, 77, 79, 81, 83, 84)
    passed = [(when, pitch) for when, pitch in live.ons if pitch >= 72]
    assert passed[:16] == [(2.0 + 0.5 * i, tune[i % 8]) for i in range(16)]
    assert (10.0, 90) in live.ons
    assert (13.0, 90) in live.offs
    assert {data[2] for _, due, data in live.sent if due == 10 * S and data[1] == 90} == {100}


def test_loop_first_pass_silent_then_every_bar_at_its_place() -> None:
    live = rig({"reply": "loop", "loop_bars": 2}, answer=below).add(clock(48))
    live.add(melody(8)).run(16 * S - 1)
    tune = (72, 74, 76, 77, 79, 81, 83, 84)
    # The tune is played once, in bars 1 and 2; its answer comes in bars 3 and 4.
    assert [on for on in live.ons if on[0] < 8] == [(4.0 + 0.5 * i, tune[i] - 12) for i in range(8)]
    assert "rest" not in live.counts


def test_loop_by_the_daw_needs_no_listening_anew() -> None:
    live = rig({"reply": "loop", "loop_bars": 4}).add(clock(16)).add(melody(16))
    live.add([MidiIn(8 * S - 1000, (0xF2, 0, 0))]).add(clock(17, 8 * S, start=False))
    live.run(16 * S - 1)
    assert sorted({when for when, _ in live.ons}) == [8.0 + 0.5 * i for i in range(16)]
    assert live.counts == {"fresh": 15}


def test_freeze_plays_the_same_again_and_asks_no_more() -> None:
    count = [0]

    def answer(request: PlanRequest) -> tuple[Note, ...]:
        count[0] += 1
        free = max((s.to_step for s in request.known if s.voice == ACCOMPANIMENT), default=-9999)
        new = (
            Note(step, 40 + (step // 24 + count[0]) % 30, 24, ACCOMPANIMENT)
            for step in range(-(-request.first_step // 24) * 24, request.end_step, 24)
            if step >= free
        )
        return tuple(sorted([*request.notes, *new]))

    live = rig({"reply": "loop", "loop_bars": 2}, answer=answer).add(clock(64)).add(melody(64))
    live.add([Act(9 * S, "freeze", (True,)), Act(21 * S, "freeze", (False,))]).run(28 * S)
    passes = [[p for when, p in live.ons if t <= when < t + 4] for t in (4, 8, 12, 16, 24)]
    assert all(len(notes) == 8 for notes in passes)
    assert passes[2] == passes[3]
    assert passes[4] != passes[3]
    assert not [when for when, _ in live.requests if 13 < when < 21]
    assert live.osc("out/freeze") == [(9.0, (True,)), (21.0, (False,))]
    assert set(live.counts) == {"fresh"}


def test_the_loops_requests_have_the_same_steps_in_every_pass() -> None:
    live = rig({"reply": "loop", "loop_bars": 2}).add(clock(64)).add(melody(64)).run(28 * S)
    steps = [(r.first_step, r.end_step) for when, r in live.requests if when > 8]
    assert steps[:8] == steps[8:16] == steps[16:24]


def test_continue_waits_until_the_phrase_is_over() -> None:
    """Call and response: three bars and a quarter's rest within, whatever listen_bars is."""
    live = rig({"mode": "continue", "reply_bars": 1}).add(clock(64)).add(melody(7))
    live.add(melody(4, 4 * S)).run(12 * S)
    beats = sorted({when for when, _ in live.ons})
    # The last note ends at 5.98 s; the first line with a beat of silence before it is at 8 s.
    assert beats == [8.0, 8.5, 9.0, 9.5]
    assert live.stuck == {}


def test_continue_does_not_begin_while_they_go_on_after_a_pause() -> None:
    live = rig({"mode": "continue", "reply_bars": 1}).add(clock(64)).add(melody(1))
    live.add(melody(2, 1900 * MS)).run(8 * S)  # a pause of a beat and more, and on before the line
    assert sorted({when for when, _ in live.ons}) == [4.0, 4.5, 5.0, 5.5]


def test_continue_listens_for_so_many_bars_at_least() -> None:
    live = rig({"mode": "continue", "reply_bars": 1, "listen_bars": 3}).add(clock(64))
    live.add(melody(4)).run(9 * S)
    assert sorted({when for when, _ in live.ons}) == [6.0, 6.5, 7.0, 7.5]


BY_BARS: dict[str, Value] = {"mode": "continue", "wait_for_phrase": False}


def test_continue_answers_in_turns() -> None:
    live = rig({**BY_BARS, "reply_bars": 2}).add(clock(64)).add(melody(4))
    live.add(play(80, 8500 * MS, 400 * MS)).run(20 * S)
    beats = sorted({when for when, _ in live.ons})
    assert beats == [2.0 + 0.5 * i for i in range(8)] + [10.0 + 0.5 * i for i in range(8)]
    assert {pitch for _, pitch in live.ons} == {*CHORD, TUNE}
    assert live.offs[-1][0] == 14.0
    assert live.stuck == {}
    first = live.requests[0][1]
    assert {span.voice for span in first.known} == {LEAD}


def test_continue_answers_early_when_they_stop_early() -> None:
    live = rig({**BY_BARS, "listen_bars": 4, "reply_bars": 1}).add(clock(64))
    live.add(melody(4)).run(12 * S)
    # Nothing since 2.0 s: a bar of silence is over at 4.0 s, too late for the line at 4.0 s.
    assert sorted({when for when, _ in live.ons}) == [6.0, 6.5, 7.0, 7.5]
    live = rig({**BY_BARS, "listen_bars": 4, "reply_bars": 1}).add(clock(64))
    live.add(melody(20)).run(12 * S)
    assert min(when for when, _ in live.ons) == 8.0


def test_continue_endless_until_they_play_again() -> None:
    live = rig({"mode": "continue", "endless": True, "listen_bars": 0}).add(clock(64))
    live.add(melody(8)).add(play(80, 11 * S, 900 * MS)).run(16 * S)
    beats = sorted({when for when, _ in live.ons})
    assert beats[0] == 6.0, "the bar line after a beat of silence"
    assert [b for b in beats if 11.0 <= b < 14] == []
    assert beats[-1] == 16.0
    assert (11.0, TUNE) in live.offs


def test_endless_interrupted_listens_and_is_ready_on_the_next_bar_line() -> None:
    live = rig({**BY_BARS, "endless": True}).add(clock(64)).add(melody(4))
    live.add(play(80, 8200 * MS, 400 * MS)).run(14 * S)
    beats = sorted({when for when, _ in live.ons})
    assert beats == [2.0 + 0.5 * i for i in range(13)] + [10.0 + 0.5 * i for i in range(9)]
    assert set(live.counts) == {"fresh"}


@pytest.mark.parametrize(
    ("mode", "known"),
    [
        ("infill", {Span(0, 0, 96), Span(0, 288, 384), Span(1, 0, 96), Span(1, 288, 384)}),
        ("vary", set()),
        ("generate", set()),
    ],
)
def test_triggered_tasks_play_from_the_next_bar_line_on(mode: str, known: set[Span]) -> None:
    live = rig({"mode": mode}).add(clock(64)).add(melody(16))
    live.add([Act(8300 * MS, "trigger", (7,))]).run(24 * S)
    ((when, request),) = live.requests
    assert (when, request.first_step, request.end_step) == (8.3, 0, 384)
    assert set(request.known) == known
    assert request.settings.variation == (0.75 if mode == "vary" else 1.0)
    assert len([n for n in request.notes if n.voice == LEAD]) == (0 if mode == "generate" else 16)
    assert live.osc("out/plan")[0][1][0] == 7
    assert (live.ons[0][0], live.ons[-1][0]) == (10.0, 17.5)
    assert live.offs[-1][0] == 18.0
    assert live.stuck == {}
    assert live.counts == {"fresh": 16}


def test_trigger_takes_bars_and_says_what_is_wrong() -> None:
    live = rig({"mode": "vary"}).add(clock(32)).add(melody(16))
    live.add([Act(5 * S, "trigger", (1, 1, 2)), Act(6 * S, "trigger", (2, 3, 1))]).run(7 * S)
    assert [(r.first_step, r.end_step) for _, r in live.requests] == [(0, 192)]
    assert live.osc("out/error")[0][1][0] == "2"
    live = rig({"mode": "vary"}).add([Act(S, "trigger", (3,))]).run(2 * S)
    assert "start the clock" in str(live.osc("out/error")[0][1][1])
    live = rig({}).add(clock(8)).add([Act(S, "trigger")]).run(2 * S)
    assert "mode is harmonize" in str(live.osc("out/error")[0][1][1])
    assert rig({}).session.step(Act(0, "freeze", (True,)))[0] == OscOut(
        "/diffuse/out/error", ("freeze", "works in mode harmonize, reply loop")
    )


def test_split_highest_hears_chords_as_known_accompaniment() -> None:
    live = rig().add(clock(16))
    for i in range(8):
        for pitch in (60, 64, 79):
            live.add(play(pitch, i * 500 * MS, 450 * MS))
    live.run(4 * S)
    request = live.requests[-1][1]
    heard = {(n.pitch, n.voice) for n in request.notes if n.pitch in (60, 64, 79)}
    assert heard == {(60, ACCOMPANIMENT), (64, ACCOMPANIMENT), (79, LEAD)}
    assert not {pitch for _, pitch in live.ons} & {60, 64}


def test_changing_everything_while_playing_leaves_nothing_hanging() -> None:
    live = rig().add(clock(80)).add(melody(80))
    changes: list[tuple[str, Value]] = [
        ("reply", "next-bar"),
        ("reply", "loop"),
        ("mode", "continue"),
        ("mode", "generate"),
        ("mode", "harmonize"),
        ("reply", "live"),
        ("meter", "3/4"),
        ("key", "C"),
        ("out_channel", 5),
        ("style", "hymn"),
    ]
    for i, (name, value) in enumerate(changes):
        live.add([SetParameter((3 + 3 * i) * S + 100 * MS, name, value)])
    live.add([MidiIn(36 * S, (0xFC,))]).run(38 * S)
    assert live.stuck == {}
    assert len({when for when, _ in live.ons}) > 25


@pytest.mark.parametrize("sixteenths", [0, 32, 192])
def test_a_daw_whose_first_note_leads_its_continue_begins_at_its_own_place(
    sixteenths: int,
) -> None:
    # As Ardour does it from the middle of a song: a note 32 ms ahead, position, Continue, clock.
    # Without the clock seen yet, that note has started our own: it must not count as the song.
    asked = FixtureGenerator()
    r = rig(
        {"reply": "next-bar", "listen_bars": 1},
        answer=lambda request: asked.plan(request).notes,
    )
    place = MidiIn(1 * S, (0xF2, sixteenths & 127, sixteenths >> 7))
    r.add([place, MidiIn(1 * S, (0xFB,)), *clock(16, 1 * S, start=False)])
    r.add(c for i in range(16) for c in play(60 + i, 968 * MS + i * 500 * MS, 430 * MS))
    r.run(7 * S)
    chords = [(round(at * 2 - 2, 2), pitch) for at, pitch in r.ons]
    assert chords[:6] == [(4, 48), (4, 52), (4, 55), (5, 49), (5, 53), (5, 56)]


def test_a_daws_loop_keeps_the_note_that_leads_it() -> None:
    # Ardour's loop, as it came over JACK: the first note of the next pass 22 ms before a burst of
    # controllers and Stop, then position and Continue 10 ms later; its own end comes in time.
    asked = FixtureGenerator()
    r = rig({"listen_bars": 0}, answer=lambda request: asked.plan(request).notes)
    for loop in range(3):
        start = 1 * S + loop * 4 * S
        end = start + 4 * S
        if loop:
            r.add([MidiIn(start, (0xF2, 0, 0)), MidiIn(start, (0xFB,))])
        r.add(clock(7.98, start, start=not loop))
        r.add(c for i in range(8) for c in play(60 + i, start - 32 * MS + i * 500 * MS, 430 * MS))
        r.add(MidiIn(end - 10 * MS, (0xB0 + c, number, 0)) for c in (0, 1) for number in (64, 123))
        r.add([MidiIn(end - 10 * MS, (0xFC,))])
    r.run(14 * S)
    heard = r.session.stage.song.input.notes(0, 192, 192)
    first = [note for note in heard if note.onset_step == 0]
    assert [(note.pitch, note.length_steps) for note in first] == [(60, 18)]
    assert r.stuck == {}


def test_the_fixture_engine_follows_the_player_live() -> None:
    # A long note a bar; the beat it begins on is decided before it is heard, the next follows it.
    asked = FixtureGenerator()
    r = rig({"listen_bars": 0}, answer=lambda request: asked.plan(request).notes)
    r.add(clock(12, 1 * S))
    for bar, pitch in enumerate((74, 69, 77)):
        r.add(play(pitch, (1 + 2 * bar) * S, 1900 * MS))
    r.run(7 * S)
    chords: dict[int, list[int]] = {}
    for at, pitch in r.ons:
        chords.setdefault(round(at * 2 - 2), []).append(pitch)
    under_74, under_69, under_77 = [62, 66, 69], [57, 61, 64], [65, 69, 72]
    assert chords == {
        **dict.fromkeys(range(1, 5), under_74),
        **dict.fromkeys(range(5, 9), under_69),
        **dict.fromkeys(range(9, 13), under_77),
    }
