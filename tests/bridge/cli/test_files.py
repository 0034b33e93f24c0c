"""The file commands as a user runs them, with the fixture engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from bridge.cli import file_job
from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.scores.midi_file import read
from engine.scores.midi_write import NewTrack
from tests.song_files import BASS, FIXTURE, TUNE, reply_of, run, same_chunks, song

# -- The five tasks --------------------------------------------------------------------------------


def test_harmonize_adds_a_track_and_keeps_the_rest_byte_for_byte(tmp_path: Path) -> None:
    source, target = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    run("harmonize", source, "-o", target, *FIXTURE)
    assert same_chunks(source, target)
    reply = reply_of(target)
    # The fixture plays a triad in quarters under each note: root an octave below.
    assert [(n.onset_step, n.pitch) for n in reply[:6]] == [
        (0, 60),
        (0, 64),
        (0, 67),
        (24, 62),
        (24, 66),
        (24, 69),
    ]
    assert {n.velocity for n in reply} == {80}  # 0.8 of the melody's 100


def test_the_best_of_several_answers_is_an_answer(tmp_path: Path) -> None:
    source = song(tmp_path / "in.mid")
    for name, more in (("one.mid", ()), ("best.mid", ("--best-of", 3))):
        run("harmonize", source, "-o", tmp_path / name, *more, *FIXTURE)
    # The fixture answers alike whatever the seed.
    assert (tmp_path / "best.mid").read_bytes() == (tmp_path / "one.mid").read_bytes()
    refused = run("harmonize", source, "-o", tmp_path / "no.mid", "--best-of", 0, *FIXTURE, code=2)
    assert "--best-of" in refused.output


def test_velocity_follows_the_melody_locally_or_is_as_given(tmp_path: Path) -> None:
    tune = [Note(96 * i, 72, 96, LEAD, velocity) for i, velocity in enumerate((120, 60, 20))]
    source, target = song(tmp_path / "in.mid", NewTrack("Melody", tune)), tmp_path / "out.mid"
    run("harmonize", source, "-o", target, *FIXTURE)
    loud = {n.onset_step: n.velocity for n in reply_of(target)}
    assert (loud[0], loud[120], loud[216]) == (96, 48, 16)
    assert loud[72] == 48  # a beat from 96: only the note there is near
    run("harmonize", source, "-o", target, "--velocity", 33, *FIXTURE)
    assert {n.velocity for n in reply_of(target)} == {33}


def test_harmonize_begins_with_the_melodys_first_bar(tmp_path: Path) -> None:
    late = [Note(96 * 5 + 48, 72, 24, LEAD), Note(96 * 6, 74, 24, LEAD)]
    source = song(tmp_path / "in.mid", NewTrack("Melody", late), NewTrack("Piano", BASS))
    report = json.loads(
        run("harmonize", source, "-o", tmp_path / "out.mid", "--json", *FIXTURE).stdout
    )
    assert report["bars"] == [6, 7]
    # It is a pickup, so nothing before it.
    assert reply_of(tmp_path / "out.mid")[0].onset_step == 96 * 5 + 48


def test_continue_begins_on_the_next_bar_line_of_the_files_meter(tmp_path: Path) -> None:
    meters = MeterMap(((0, Meter(4, 4)), (96, Meter(3, 4))))
    source = song(tmp_path / "in.mid", NewTrack("Melody", TUNE[:5]), meters=meters)
    run("continue", source, "-o", tmp_path / "out.mid", "--bars", 2, *FIXTURE)
    assert same_chunks(source, tmp_path / "out.mid")
    reply = reply_of(tmp_path / "out.mid")
    assert (reply[0].onset_step, max(n.end_step for n in reply)) == (168, 168 + 2 * 72)


def test_infill_takes_the_middle_half_or_the_bars_asked_for(tmp_path: Path) -> None:
    source, target = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    run("infill", source, "-o", target, *FIXTURE)
    reply = reply_of(target)
    assert (reply[0].onset_step, max(n.end_step for n in reply)) == (96, 288)
    run("infill", source, "-o", target, "--from-bar", 2, "--to-bar", 2, *FIXTURE)
    reply = reply_of(target)
    assert (reply[0].onset_step, max(n.end_step for n in reply)) == (96, 192)
    assert same_chunks(source, target)


def test_replace_takes_the_original_notes_out_of_the_new_bars(tmp_path: Path) -> None:
    source, target = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    kept = run("infill", source, "-o", target, *FIXTURE)
    assert "--replace takes them out" in kept.stderr
    replaced = run("infill", source, "-o", target, "--replace", *FIXTURE)
    assert "--replace" not in replaced.stderr
    score = read(target)
    onsets = [n.onset_step for n in score.notes_of(score.tracks[0])]
    assert onsets == [n.onset_step for n in TUNE if not 96 <= n.onset_step < 288]


def test_replace_puts_the_new_melody_on_the_melodys_track(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [Note(96, 76, 96, LEAD, 90), Note(96, 48, 96, ACCOMPANIMENT, 60)]
    monkeypatch.setattr(file_job, "answer_of", lambda job, *_: (new, [(96, "C")], job))
    source, target = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    bars = ("--from-bar", 2, "--to-bar", 2, "--replace")
    report = json.loads(run("infill", source, "-o", target, *bars, "--json", *FIXTURE).stdout)
    score = read(target)
    melody = score.notes_of(score.tracks[0], LEAD)
    assert melody == sorted([n for n in TUNE if not 96 <= n.onset_step < 192] + new[:1])
    assert reply_of(target) == new[1:]
    assert report["notes_added"] == 2
    # Beside the old melody, the new one stays apart.
    run("infill", source, "-o", target, *bars[:-1], *FIXTURE)
    assert len(read(target).tracks[0].notes) == len(TUNE)
    assert len(reply_of(target)) == 2


def test_parts_have_tracks_of_their_own_and_are_no_melody(tmp_path: Path) -> None:
    source, target = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    run("harmonize", source, "-o", target, "--parts", "--takes", 2, *FIXTURE)
    names = [track.name for track in read(target).tracks]
    assert names[1:] == [
        "midi-diffuse bass", "midi-diffuse chords", "midi-diffuse 2 bass", "midi-diffuse 2 chords",
    ]  # fmt: skip
    again = run("harmonize", target, "-o", tmp_path / "again.mid", *FIXTURE)
    assert "melody: track 1 'Melody'" in again.output
    new = tmp_path / "new.mid"
    run("generate", "-o", new, "--bars", 2, "--parts", *FIXTURE)
    assert read(new).tracks[0].name == "midi-diffuse bass"


def test_vary_keeps_what_it_is_told_to(tmp_path: Path) -> None:
    source, target = (
        song(tmp_path / "in.mid", NewTrack("Melody", TUNE), NewTrack("Bass", BASS)),
        (tmp_path / "out.mid"),
    )
    run("vary", source, "-o", target, "--keep", "lead", "--replace", *FIXTURE)
    score = read(target)
    assert [track.name for track in score.tracks] == ["Melody", "midi-diffuse"]
    assert len(reply_of(target)) == 16 * 3
    run("vary", source, "-o", target, "--from-bar", 2, "--to-bar", 3, *FIXTURE)
    reply = reply_of(target)
    assert (reply[0].onset_step, max(n.end_step for n in reply)) == (96, 288)


def test_generate_writes_a_new_file(tmp_path: Path) -> None:
    target = tmp_path / "new.mid"
    options = ("--bars", 3, "--tempo", 90, "--meter", "3/4", "--json")
    report = json.loads(run("generate", "-o", target, *options, *FIXTURE).stdout)
    assert report["notes_added"] == 3 * 3 * 3
    score = read(target)
    assert score.meter_map().changes == ((0, Meter(3, 4)),)
    assert score.bpm == pytest.approx(90, abs=0.01)
    assert [track.name for track in score.tracks] == ["midi-diffuse"]
    assert "input" not in report


def test_render_draws_a_png(tmp_path: Path) -> None:
    source, middle = song(tmp_path / "in.mid"), tmp_path / "middle.mid"
    run("harmonize", source, "-o", middle, *FIXTURE)
    run("render", middle, "-o", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.width == 1600


def test_render_writes_beside_its_input_unless_told_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    song(tmp_path / "ode.mid")
    result = run("render", "ode.mid")
    assert result.stdout.startswith("ode.mid -> ode.png: 4 bars (")
    run("render", "ode.mid", "-o", "named.png")
    assert (tmp_path / "ode.png").read_bytes() == (tmp_path / "named.png").read_bytes()
    songs = tmp_path / "songs"
    run("render", song(songs / "a.v2.mid"), song(songs / "b.mid"), song(songs / "b.midi"))
    names = sorted(path.name for path in songs.iterdir())
    assert names == ["a.v2.mid", "a.v2.png", "b-2.png", "b.mid", "b.midi", "b.png"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "ode.mid",
        "ode.png",
        "named.png",
        "songs",
    }


def test_one_bad_file_to_render_is_told_as_with_a_target(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mid"
    bad.write_bytes(b"MThd")
    result = run("render", bad, code=2)
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.endswith("bad.mid: is cut off in its header")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.mid"]


# -- Many files ------------------------------------------------------------------------------------


def test_folders_keep_their_structure_and_bad_files_do_not_stop_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    for name in ("a.mid", "deep/b.MID", "deep/.hidden.mid"):
        song(folder / name)
    (folder / "broken.mid").write_bytes(b"MThd")
    (folder / "notes.txt").write_text("no")
    out = tmp_path / "out"
    result = run("harmonize", folder, "--out-dir", out, *FIXTURE, code=1)
    assert {str(p.relative_to(out)) for p in out.rglob("*.*")} == {"a.mid", "deep/b.MID"}
    assert "broken.mid: is cut off in its header" in result.stderr
    assert "1 of 3 files failed" in result.stderr


def test_json_has_one_object_a_file(tmp_path: Path) -> None:
    good = song(tmp_path / "good.mid")
    bad = tmp_path / "bad.mid"
    bad.write_bytes(b"")
    out = tmp_path / "out"
    result = run("harmonize", good, bad, "--out-dir", out, "--json", "--seed", 3, *FIXTURE, code=1)
    first, second = map(json.loads, result.stdout.splitlines())
    assert first.pop("seconds") >= 0
    assert first == {
        "input": str(good.resolve()),
        "output": str(out / "good.mid"),
        "task": "harmonize",
        "preset": "fixture",
        "seed": 3,
        "notes_added": 48,
        "bars": [1, 4],
        "melody_track": "track 1 'Melody', by its name",
        "folded": 0,
        "left_out": 0,
        "warnings": [],
    }
    assert second == {"input": str(bad.resolve()), "error": f"{bad.resolve()}: is empty"}


def test_results_never_collide(tmp_path: Path) -> None:
    first, second = song(tmp_path / "one" / "x.mid"), song(tmp_path / "two" / "X.mid")
    out = tmp_path / "out"
    run("harmonize", first, second, first, "--out-dir", out, *FIXTURE)
    assert sorted(p.name for p in out.iterdir()) == ["X-2.mid", "x.mid"]
    run("render", first, song(tmp_path / "one" / "x.midi"), "--out-dir", tmp_path / "pictures")
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == ["x-2.png", "x.png"]


def test_results_of_an_earlier_run_are_no_inputs(tmp_path: Path) -> None:
    song(tmp_path / "songs" / "a.mid")
    for _ in range(2):
        run("harmonize", tmp_path / "songs", "--out-dir", tmp_path / "songs" / "out", *FIXTURE)
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.mid"))
    assert found == ["songs/a.mid", "songs/out/a.mid"]


def test_takes_stand_on_tracks_of_their_own(tmp_path: Path) -> None:
    source, target = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    report = json.loads(
        run("harmonize", source, "-o", target, "--takes", 3, "--json", *FIXTURE).stdout
    )
    score = read(target)
    names = [track.name for track in score.tracks][-3:]
    assert names == ["midi-diffuse", "midi-diffuse 2", "midi-diffuse 3"]
    assert len({track.channel for track in score.tracks[-3:]}) == 3
    assert report["notes_added"] == 3 * len(score.tracks[-1].notes)
    before = read(source).chunks
    assert score.chunks[: len(before)] == before
