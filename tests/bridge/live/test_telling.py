"""What a session tells of the music: notes, plans, chords, key, place."""

from __future__ import annotations

from bridge.commands import Act, OscOut, SetParameter
from bridge.live.listening.input_recorder import PREROLL_NS
from bridge.live.listening.note_gate import Change, NoteEvent
from bridge.live.listening.note_memory import SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.plan_book import Answer
from bridge.live.planning.request_window import Turn
from bridge.live.telling import MOST_PLANNED, MOST_PLAYED, Teller
from engine.music.chord_names import Chord
from engine.music.grid import ACCOMPANIMENT, MeterMap
from engine.music.roll import Note
from engine.requests.request import ChordCell, PlanRequest
from tests.session_rig import CHORD, MS, Rig, S, clock, melody, play, rig

PEER = ("127.0.0.1", 9001)


def words(live: Rig, name: str) -> list[tuple[object, ...]]:
    return [args for _, args in live.osc(f"out/{name}")]


def test_notes_of_the_player_are_told_as_they_begin_and_end() -> None:
    live = rig().add(clock(9)).add(play(72, 500 * MS, 250 * MS)).run(2 * S)
    assert words(live, "played") == [(72, 100, 1.0, 0.0), (72, 100, 1.0, 0.5)]


def test_a_note_that_leads_the_clock_belongs_to_the_song() -> None:
    live = rig().add(play(72, 970 * MS, 530 * MS)).add(clock(9, S)).run(3 * S)
    (begun, ended) = words(live, "played")
    assert begun[0] == 72
    assert -0.1 < float(str(begun[2])) <= 0
    assert 1 <= float(str(ended[3])) < 1.1
    late = rig({"clock": "midi"}).add(play(72, 0, 300 * MS)).add(clock(9, S)).run(3 * S)
    assert words(late, "played") == []


def test_every_beat_tells_where_it_is_and_what_is_decided() -> None:
    live = rig({"meter": "3/4"}).add(clock(9)).add(melody(9)).run(3 * S)
    places = words(live, "horizon")
    assert [place[:4] for place in places[:5]] == [
        (0.0, 1, 1.0, 120.0),
        (1.0, 1, 2.0, 120.0),
        (2.0, 1, 3.0, 120.0),
        (3.0, 2, 1.0, 120.0),
        (4.0, 2, 2.0, 120.0),
    ]
    assert all(float(str(place[4])) >= float(str(place[0])) for place in places)
    assert {place[5] for place in places} == {"midi"}


def test_a_plan_is_told_with_its_notes() -> None:
    live = rig().add(clock(9)).add(melody(9)).run(4 * S)
    (_, (number, _, count)) = live.osc("out/plan")[0]
    notes = [each[1:] for each in words(live, "planned") if each[0] == number]
    assert sum(map(len, notes)) == 3 * int(count) <= 3 * MOST_PLANNED
    assert all(len(some) <= 60 for some in notes)
    assert notes[0][:6] == (CHORD[0], 4.0, 1.0, CHORD[1], 4.0, 1.0)


def test_chords_are_told_once_ahead_and_again_when_they_sound() -> None:
    live = rig().add(clock(25)).add(melody(25)).run(8 * S)
    told = live.osc("out/chord")
    assert told[0][1] == ("C", "C", 2, 1.0)
    places = [args[2:] for _, args in told]
    assert len(set(places)) == len(places)
    assert all(when <= 2 * (bar - 1) + 0.5 * (beat - 1) for when, (_, _, bar, beat) in told)  # type: ignore[operator]
    assert live.osc("out/chord_now") == [(2.0, ("C",))]


def test_a_plan_that_changes_its_chords_tells_those_and_no_others() -> None:
    def answer(request: PlanRequest) -> tuple[Note, ...]:
        later = 144 if request.id > 4 else 1000
        return tuple(
            Note(step, pitch + (5 if step >= later else 0), 24, ACCOMPANIMENT)
            for step in range(96, request.end_step, 24)
            for pitch in CHORD
        )

    live = rig(answer=answer).add(clock(25)).add(melody(25)).run(5 * S)
    changed = [args for _, args in live.osc("out/chord") if args[0] != "C"]
    assert changed
    assert all(args[0] == "F" for args in changed)
    assert ("F",) in words(live, "chord_now")


def test_the_key_is_told_and_locks_where_it_is_auto() -> None:
    live = rig({"key": "auto"}).add(clock(25)).add(melody(25)).run(8 * S)
    assert words(live, "key")[0] == ("C major",)
    assert live.requests[0][1].settings.pitch_classes == frozenset()
    assert live.requests[-1][1].settings.pitch_classes == {0, 2, 4, 5, 7, 9, 11}


def test_a_flood_of_notes_is_dropped_and_counted() -> None:
    flood = [each for i in range(100) for each in play(30 + i % 90, 600 * MS + i * MS, 100 * MS)]
    live = rig().add(clock(9)).add(flood).run(3 * S)
    assert len([1 for when, _ in live.osc("out/played") if when < 1.0]) == MOST_PLAYED
    (stats,) = (
        effect.arguments[1]
        for effect in live.session.step(Act(3 * S, "stats", (), PEER))
        if isinstance(effect, OscOut) and effect.arguments[:1] == ("untold_notes",)
    )
    assert stats == 2 * 100 - MOST_PLAYED


def test_given_chords_reach_the_engine_in_its_steps() -> None:
    live = rig().add([Act(0, "chord_at", (3, 2.0, "Am7"), PEER)])
    live.add(clock(25)).add(melody(25)).run(8 * S)
    asked = live.requests[-1][1].chords
    am = frozenset({9, 0, 4, 7})
    assert asked[:2] == (ChordCell(216, 240, am, 9), ChordCell(240, 288, am))
    live.add([Act(live.now_ns, "forget_chords", (), PEER)]).add(clock(4, live.now_ns, start=False))
    assert ("forget_chords",) not in words(live, "error")


def test_chords_that_cannot_be_given_are_told() -> None:
    session = rig().session
    for arguments, text in (
        ((3, 1.0, "H"), "chord 'H': want a chord"),
        ((3, 5.0, "C"), "bar 3 has 4 quarter notes"),
    ):
        (told, *_) = session.step(Act(0, "chord_at", arguments, PEER))
        assert isinstance(told, OscOut)
        assert told.address == "/diffuse/out/error"
        assert text in str(told.arguments[1])
    done = session.step(Act(0, "chord_at", (3, 1.0, "off"), PEER))
    assert OscOut("/diffuse/out/done", ("chord_at",), PEER) in done


def test_next_bar_follows_the_chord_of_the_melodys_bar() -> None:
    live = rig({"reply": "next-bar"}).add([Act(0, "chord_at", (2, 1.0, "F"), PEER)])
    live.add(clock(25)).add(melody(25)).run(8 * S)
    asked = {cell.first_step for _, request in live.requests for cell in request.chords}
    assert asked == {96, 120}


def test_key_auto_can_be_set_and_ended() -> None:
    session = rig().session
    session.step(SetParameter(0, "key", "auto"))
    session.step(SetParameter(0, "key", "off"))
    assert session.knobs.sample_settings(4).pitch_classes == frozenset()


def test_no_key_is_told_before_one_is_heard() -> None:
    live = rig({"clock": "internal", "tempo": 120.0}).add([Act(0, "start")]).run(4 * S)
    assert words(live, "key") == []


def teller() -> Teller:
    return Teller(SongMemory(), BeatLines(MeterMap()))


def with_chord(step: int, name: str) -> Answer:
    return Answer(1, Turn(0), 0, 192, (), ((step, Chord.parse(name)),))


def test_a_chord_that_sounds_is_told_again_only_where_it_is_another() -> None:
    tells = teller()
    assert len(tells.plan(1, with_chord(24, "C"), 0)) == 2
    now = tells.beat(24, 24.0, 120.0, 30, "midi")
    assert [e.arguments for e in now if isinstance(e, OscOut)][-1] == ("C",)
    assert len(tells.plan(2, with_chord(24, "C"), 0)) == 1, "known"
    assert len(tells.plan(3, with_chord(24, "F"), 25)) == 1, "too late"
    assert len(tells.plan(4, with_chord(24, "F"), 24)) == 2


def test_what_is_played_early_is_told_up_to_150_ms_later() -> None:
    for late_ns, told in ((0, 1), (1, 0)):
        tells = teller()
        tells.early(NoteEvent(Change.ON, 5 * S, 0, 60, 90))
        found = tells.tell_early(5 * S + PREROLL_NS + late_ns, lambda at_ns: 0.0)
        assert len(found) == told
        assert tells.tell_early(5 * S, lambda at_ns: 0.0) == [], "once"
