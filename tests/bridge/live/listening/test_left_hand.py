"""The left hand's chord, by itself and in a session."""

from __future__ import annotations

from bridge.commands import MidiIn, SetParameter
from bridge.live.listening.left_hand import LeftHand
from bridge.live.listening.note_gate import Change, NoteEvent
from engine.music.chord_names import Chord
from engine.music.grid import ACCOMPANIMENT, LEAD
from tests.session_rig import CHORD, MS, S, clock, melody, play, rig

C, F = Chord(frozenset({0, 4, 7}), 0), Chord(frozenset({5, 9, 0}), 5)


def press(*pitches: int) -> list[NoteEvent]:
    return [NoteEvent(Change.ON, 0, 0, pitch, 90) for pitch in pitches]


def lift(*pitches: int) -> list[NoteEvent]:
    return [NoteEvent(Change.OFF, 0, 0, pitch) for pitch in pitches]


def test_the_chord_stays_when_the_keys_are_let_go() -> None:
    hand = LeftHand()
    hand.split_at(60)
    assert [hand.note(event) for event in press(48, 52, 55)] == [False, True, True]
    assert [hand.note(event) for event in lift(48, 52, 55)] == [False] * 3
    assert hand.chord == C
    assert [hand.note(event) for event in press(41)] == [False]
    assert hand.chord == C
    for event in press(45, 48):
        hand.note(event)
    assert hand.chord == F
    hand.split_at(None)
    assert hand.chord is None


def test_whose_key_it_is() -> None:
    hand = LeftHand()
    (low,), (high,) = press(48), press(60)
    assert not hand.owns(low)
    hand.split_at(60)
    assert (hand.owns(low), hand.owns(high)) == (True, False)
    hand.note(low)
    hand.split_at(None)
    assert hand.owns(lift(48)[0])
    assert not hand.owns(lift(50)[0])


def test_the_reply_keeps_to_the_left_hands_chord_and_the_right_hand_leads() -> None:
    live = rig({"split": "chord"}).add(clock(33)).add(melody(33))
    for pitch in (50, 53, 57):  # not the notes that the reply plays: those would be echoes
        live.add(play(pitch, 4 * S + 100 * MS, 300 * MS))
    live.run(8 * S)
    before = [request for when, request in live.requests if when < 4][-1]
    after = [request for when, request in live.requests if when > 4.2]
    assert (before.settings.pitch_classes, before.chords) == (frozenset(), ())
    assert all(request.settings.pitch_classes == {2, 5, 9} for request in after)
    (cell,) = after[-1].chords
    assert (cell.classes, cell.bass, cell.end_step) == (frozenset({2, 5, 9}), 2, after[-1].end_step)
    assert cell.first_step > after[-1].first_step
    heard = {note.pitch for request in after for note in request.notes if note.voice == LEAD}
    assert min(heard) >= 72
    ours = {note.pitch for note in after[-1].notes if note.voice == ACCOMPANIMENT}
    assert ours == set(CHORD)
    assert [args[0] for _, args in live.osc("out/played")].count(53) == 2


def test_another_way_to_split_forgets_the_chord() -> None:
    session = rig({"split": "chord"}).session
    for pitch in (48, 52, 55):
        session.step(MidiIn(0, (0x90, pitch, 90)))
    replanner = session.stage.replanner
    assert session.stage.left_hand.chord == C
    session.step(SetParameter(1, "split", "highest"))
    assert session.stage.left_hand.chord is None
    assert replanner._settings(4).pitch_classes == frozenset()
