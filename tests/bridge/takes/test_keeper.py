"""Takes on disk: what is in them, what they are called, what happens when the disk says no."""

from __future__ import annotations

import datetime
from pathlib import Path

from bridge.commands import KeepTake, OscOut
from bridge.take import BarsTake
from bridge.takes.keeper import TakeKeeper, as_midi
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.scores.midi_file import parse, read

PEER = ("127.0.0.1", 9001)
LEADS = (Note(0, 76, 48, LEAD, 100), Note(48, 74, 48, LEAD, 90))
REPLY = tuple(Note(0, pitch, 96, ACCOMPANIMENT, 70) for pitch in (48, 55, 60))
TAKE = BarsTake((5, 6), LEADS, (), REPLY, MeterMap(((0, Meter(3, 4)),)), 96.0, "a take")


def noon() -> datetime.datetime:
    return datetime.datetime(2026, 1, 2, 12, 0, 5)


def test_a_take_holds_melody_reply_tempo_meter_and_chords() -> None:
    score = parse(as_midi(TAKE))
    assert [track.name for track in score.tracks] == ["Melody", "midi-diffuse"]
    assert score.notes_of(score.tracks[0], LEAD) == list(LEADS)
    assert score.notes_of(score.tracks[1]) == list(REPLY)
    assert (score.bpm, str(score.meter_map().changes[0][1])) == (96.0, "3/4")
    assert [text for _, text in score.markers] == ["C", "Csus2"]


def test_names_are_ours_and_never_taken_twice(tmp_path: Path) -> None:
    keeper = TakeKeeper(tmp_path / "takes", noon)
    names = [message.arguments[0] for _ in range(2) for message in keeper.keep(KeepTake(TAKE))]
    assert names == ["2026-01-02-120005-bars-5-6.mid", "2026-01-02-120005-bars-5-6-2.mid"]
    assert all(read(tmp_path / "takes" / str(name)).tracks for name in names)


def test_a_take_that_cannot_be_written_is_written_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "takes").write_text("a file where the folder should be")
    keeper = TakeKeeper(tmp_path / "takes", noon)
    (told,) = keeper.keep(KeepTake(TAKE, PEER))
    assert (told.address, told.to) == ("/diffuse/out/error", PEER)
    assert "kept in memory" in str(told.arguments[1])
    (tmp_path / "takes").unlink()
    messages = list(keeper.keep(KeepTake(TAKE, PEER)))
    assert [type(message) for message in messages] == [OscOut, OscOut]
    assert len(list((tmp_path / "takes").iterdir())) == 2
    assert not keeper.unwritten
