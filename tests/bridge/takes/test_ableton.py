"""Takes into clips of a Live Set, against a stand-in that checks every message."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.takes import ableton
from bridge.takes.ableton import AbletonClient, AbletonError, Clip, ClipNote, ClipPlace, clips_of
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.scores.midi_file import parse
from engine.scores.midi_write import NewTrack, new_file
from tests.fake_live import FakeLive, FakeTrack
from tests.song_files import run


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def live() -> Iterator[tuple[FakeLive, AbletonClient]]:
    reply_port = free_port()
    fake = FakeLive(reply_port)
    client = AbletonClient(("127.0.0.1", fake.port), reply_port)
    yield fake, client
    client.close()
    fake.close()


CLIP = Clip("take", 8.0, tuple(ClipNote(60 + i % 12, i / 16, 0.0625, 80) for i in range(128)))


def test_a_clip_goes_on_a_new_track(live: tuple[FakeLive, AbletonClient]) -> None:
    fake, client = live
    client.greet()
    assert client.push(CLIP, "midi-diffuse") == ClipPlace(2, 0, "midi-diffuse")
    track = fake.tracks[2]
    clip = track.clips[0]
    assert (track.name, clip.name, clip.length) == ("midi-diffuse", "take", 8.0)
    assert clip.notes == [(n.pitch, n.start_beats, n.length_beats, 80) for n in CLIP.notes]
    assert fake.wrong == []


def test_the_next_goes_into_the_next_slot_and_makes_a_scene_at_the_end(
    live: tuple[FakeLive, AbletonClient],
) -> None:
    fake, client = live
    places = [client.push(CLIP, "Keys") for _ in range(3)]
    assert [(place.track, place.slot) for place in places] == [(1, 0), (1, 1), (1, 2)]
    assert fake.scenes == 3
    assert len(fake.tracks) == 2
    # An audio track of that name holds no notes.
    assert client.push(CLIP, "Audio").track == 2
    assert fake.wrong == []


def test_what_live_says_is_wrong_is_told(live: tuple[FakeLive, AbletonClient]) -> None:
    _, client = live
    with pytest.raises(AbletonError, match="Live says: Index out of range"):
        client.ask("/live/clip_slot/get/has_clip", 99, 0)


def test_notes_that_are_lost_are_missed(
    live: tuple[FakeLive, AbletonClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, client = live
    monkeypatch.setattr(ableton, "WAIT_S", 0.2)
    monkeypatch.setattr(FakeLive, "_add", lambda *_: None)
    with pytest.raises(AbletonError, match="has not all 128 notes"):
        client.push(CLIP, "Keys")
    assert fake.wrong == []


def test_a_port_that_is_taken_is_told(live: tuple[FakeLive, AbletonClient]) -> None:
    fake, _ = live
    with pytest.raises(AbletonError, match=f"port {fake.port}, to which AbletonOSC answers"):
        AbletonClient(("127.0.0.1", 1), fake.port)


NOTES = [Note(96 + 24 * i, 60, 24, ACCOMPANIMENT) for i in range(4)]
SONG = new_file(
    [NewTrack("Melody", [Note(72, 72, 24, LEAD)]), NewTrack("midi-diffuse bass", NOTES)],
    120,
    MeterMap(((0, Meter(3, 4)),)),
)


def test_clips_are_whole_bars_from_the_first_note_on() -> None:
    ((name, clip),) = clips_of(parse(SONG), "song", everything=False)
    assert (name, clip.name, clip.length_beats) == ("midi-diffuse bass", "song", 6.0)
    assert [note.start_beats for note in clip.notes] == [1.0, 2.0, 3.0, 4.0]
    both = clips_of(parse(SONG), "song", everything=True)
    assert [name for name, _ in both] == ["Melody", "midi-diffuse bass"]
    assert {clip.length_beats for _, clip in both} == {6.0}
    assert both[0][1].notes == (ClipNote(72, 0.0, 1.0, 80),)


def test_the_command_takes_the_last_take_or_any_file(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01-a.mid").write_bytes(b"no")
    (tmp_path / "2026-01-02-b.mid").write_bytes(SONG)
    reply_port = free_port()
    fake = FakeLive(reply_port)
    fake.tracks.append(FakeTrack("midi-diffuse bass"))
    ports = ("--port", fake.port, "--reply-port", reply_port)
    try:
        last = run("push", "--takes", tmp_path, *ports)
        assert "2026-01-02-b.mid: 4 notes, 6 beats -> track 3" in last.output
        run("push", tmp_path / "2026-01-02-b.mid", "--all", "--track", "Keys", *ports)
        assert [len(clip.notes) for clip in fake.tracks[1].clips.values()] == [1, 4]
        assert fake.wrong == []
    finally:
        fake.close()


def test_what_the_command_cannot_do_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ableton, "WAIT_S", 0.2)
    empty = run("push", "--takes", tmp_path, code=2)
    assert "/diffuse/keep makes one" in empty.output
    plain = tmp_path / "plain.mid"
    plain.write_bytes(new_file([NewTrack("Melody", NOTES)], 120, MeterMap()))
    assert "--all takes every part" in run("push", plain, code=2).output
    gone = run("push", plain, "--all", "--port", free_port(), "--reply-port", free_port(), code=2)
    assert "choose AbletonOSC as a control surface" in gone.output
    assert gone.output.count("\n") == 1
