"""The file commands as a user runs them, with the fixture engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from bridge import cli_files, file_tasks
from bridge.cli import main
from bridge.file_tasks import Piece
from engine.fixture import FixtureGenerator
from engine.grid import ACCOMPANIMENT, LEAD, PAPER, PIANO, Meter, MeterMap
from engine.midi_file import Score, read
from engine.midi_write import NewTrack, new_file
from engine.request import FillRequest, SampleSettings
from engine.roll import Note, PianoRoll

FIXTURE = ("--preset", "fixture")
TUNE = [Note(24 * i, 72 + (0, 2, 4, 5)[i % 4], 24, LEAD, 100) for i in range(16)]  # 4 bars
BASS = [Note(96 * i, 40, 96, ACCOMPANIMENT, 70) for i in range(4)]


def song(path: Path, *tracks: NewTrack, meters: MeterMap = MeterMap()) -> Path:  # noqa: B008
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(new_file(tracks or [NewTrack("Melody", TUNE)], 100, meters))
    return path


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result


def reply_of(path: Path) -> list[Note]:
    score = read(path)
    (track,) = [track for track in score.tracks if track.name == "midi-diffuse"]
    return score.notes_of(track)


def same_chunks(before: Path, after: Path) -> bool:
    old, new = read(before), read(after)
    return new.chunks[:-1] == old.chunks


# -- The five tasks --------------------------------------------------------------------------------


def test_harmonize_adds_a_track_and_keeps_the_rest_byte_for_byte(tmp_path: Path) -> None:
    source, target = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    run("harmonize", source, "-o", target, *FIXTURE)
    assert same_chunks(source, target)
    reply = reply_of(target)
    # The fixture plays a triad in quarters under each note: root an octave below.
    assert [(n.onset_step, n.pitch) for n in reply[:6]] == [
        (0, 60), (0, 64), (0, 67), (24, 62), (24, 66), (24, 69),
    ]  # fmt: skip
    assert {n.velocity for n in reply} == {80}  # 0.8 of the melody's 100


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
    assert reply_of(tmp_path / "out.mid")[0].onset_step == 96 * 5


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


# -- What the engine is asked ----------------------------------------------------------------------


class Recorder(FixtureGenerator):
    """Keeps the last request."""

    asked: FillRequest | None = None

    def fill(self, request: FillRequest) -> PianoRoll:
        Recorder.asked = request
        return super().fill(request)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    monkeypatch.setattr(cli_files, "load_engine", lambda preset, device: Recorder())
    return Recorder


def test_options_reach_the_engine_over_the_preset_over_the_table(
    tmp_path: Path, asked: type[Recorder]
) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('model = "fixture"\n[settings]\nsteps = 7\nvoices = 3\n')
    source = song(tmp_path / "in.mid")
    run("harmonize", source, "-o", tmp_path / "o.mid", "--preset", preset, "--voices", 2,
        "--low", 40, "--key", "C", "--scale", "pentatonic", "--seed", 5)  # fmt: skip
    assert asked.asked is not None
    assert asked.asked.settings == SampleSettings(
        steps=7, voices=2, low=40, high=84, seed=5, variation=1.0,
        pitch_classes=frozenset({0, 2, 4, 7, 9}),
    )  # fmt: skip
    run("vary", source, "-o", tmp_path / "o.mid", "--variation", 0.3, "--rhythm", "keep", *FIXTURE)
    assert (asked.asked.settings.variation, asked.asked.settings.rhythm) == (0.3, "keep")
    run("harmonize", source, "-o", tmp_path / "o.mid", "--doubling", "allow", *FIXTURE)
    assert asked.asked.settings.doubling == "allow"


def test_continue_gives_only_so_much_context(tmp_path: Path, asked: type[Recorder]) -> None:
    long = [Note(24 * i, 72, 24, LEAD) for i in range(4 * 100)]
    source = song(tmp_path / "in.mid", NewTrack("Melody", long))
    run("continue", source, "-o", tmp_path / "o.mid", *FIXTURE)
    assert asked.asked is not None
    assert (asked.asked.roll.first_step, asked.asked.roll.end_step) == (84 * 96, 104 * 96)
    assert asked.asked.known[..., : 16 * 96].all()
    assert not asked.asked.known[..., 16 * 96 :].any()


def piece(*tracks: NewTrack) -> Piece:
    from engine.midi_file import parse

    return Piece.of(parse(new_file(tracks, 120, MeterMap())))


def test_infill_hides_the_notes_of_the_gap_but_not_those_held_into_it() -> None:
    held = [Note(90, 60, 24, LEAD), Note(120, 62, 96, LEAD), Note(300, 64, 12, LEAD)]
    job = file_tasks.infill(piece(NewTrack("Melody", held)), SampleSettings(), PIANO, 2, 2)
    known, cells = job.request.known, job.request.roll.cells
    assert not known[..., 96:192].any()
    assert known[..., :96].all()
    assert known[..., 192:].all()
    assert not cells[LEAD, :, 62 - PIANO.low].any()  # hidden, its end too
    assert cells[LEAD, 0, 60 - PIANO.low, 90]


def test_vary_gives_the_source_under_what_is_free_and_holds_what_is_kept() -> None:
    whole = piece(NewTrack("Melody", TUNE), NewTrack("Bass", BASS))
    job = file_tasks.vary(whole, SampleSettings(), PIANO, "accompaniment")
    assert job.voices == (LEAD,)
    assert job.request.known[ACCOMPANIMENT].all()
    assert not job.request.known[LEAD].any()
    assert job.request.roll.cells[LEAD, 0, 72 - PIANO.low, 0]
    assert [track.name for track in job.replaced] == ["Melody"]


def test_a_polyphonic_part_alone_has_no_certain_lead() -> None:
    chords = [Note(24 * i, p, 24) for i in range(8) for p in (48, 52, 55)]
    piano = piece(NewTrack("Piano", chords))
    job = file_tasks.continue_(piano, SampleSettings(), PIANO, 1)
    assert not job.request.roll.cells[LEAD].any()
    assert job.request.roll.cells[ACCOMPANIMENT].any()


def test_notes_out_of_the_models_range_are_folded_and_said() -> None:
    wide = [Note(0, 20, 24, LEAD), Note(24, 60, 24, LEAD), Note(48, 120, 24, LEAD)]
    job = file_tasks.harmonize(piece(NewTrack("Melody", wide)), SampleSettings(), PAPER)
    rows = np.flatnonzero(job.request.roll.cells[LEAD, 0].any(axis=1)) + PAPER.low
    assert rows.tolist() == [44, 60, 84]
    assert job.folded == 2
    (warning, silent) = file_tasks.range_warnings(job, [])
    assert warning.startswith("2 notes outside the model's range (MIDI pitch 33 to 88)")
    assert "silent" in silent


@pytest.mark.parametrize(
    ("bars", "middle"), [(1, (1, 1)), (2, (2, 2)), (3, (2, 2)), (4, (2, 3)), (16, (5, 12))]
)
def test_the_middle_half(bars: int, middle: tuple[int, int]) -> None:
    notes = [Note(96 * i, 60, 96, LEAD) for i in range(bars)]
    job = file_tasks.infill(piece(NewTrack("Melody", notes)), SampleSettings(), PIANO)
    assert job.bars == middle


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


# -- What is refused -------------------------------------------------------------------------------


def refused(*arguments: object) -> str:
    """The one line on stderr; exit code 2."""
    result = run(*arguments, code=2)
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    return line


def test_bad_wishes_are_told_in_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    source, out = song(tmp_path / "in.mid"), tmp_path / "out.mid"
    head = ("harmonize", source, "-o", out, *FIXTURE)
    told: list[tuple[tuple[Any, ...], str]] = [
        ((*head, "--steps", "many"), "harmonize: --steps wants 1 to 100, not 'many'"),
        ((*head, "--temperature", 9), "temperature wants 0.1 to 2"),
        ((*head, "--style", "hym"), "(did you mean 'hymn'?)"),
        ((*head, "--low", 80, "--high", 50), "low 80 is above high 50"),
        ((*head, "--melody-track", "Melodi"), "(did you mean 'Melody'?); tracks with notes"),
        ((*head, "--preset", "fixtur"), "(did you mean 'fixture'?)"),
        ((*head, "--chord", "H7"), "want a chord such as"),
        ((*head, "--tempo", 90), "--tempo"),
        (("harmonize", source, *FIXTURE), "say where the result goes"),
        (("harmonize", source, source, "-o", out, *FIXTURE), "-o takes one file"),
        (("harmonize", tmp_path, "-o", out, *FIXTURE), "-o takes one file"),
        (("harmonize", source, "-o", out, "--out-dir", tmp_path), "say where the result goes"),
        (("harmonize", source, "-o", source, *FIXTURE), "that is the input itself"),
        (("harmonize", source, "-o", tmp_path / "o.wav", *FIXTURE), "end in .mid or .midi"),
        (("harmonize", source, "--out-dir", tmp_path, *FIXTURE), "is one of the inputs"),
        (("harmonize", source, "--out-dir", source, *FIXTURE), "a file, not a folder"),
        (("harmonize", tmp_path / "no.mid", "-o", out, *FIXTURE), "no such file"),
        (("infill", source, "-o", out, "--from-bar", 3, "--to-bar", 9, *FIXTURE),
         "no bars 3 to 9; the piece has bars 1 to 4"),
        (("vary", source, "-o", out, "--from-bar", 0, *FIXTURE), "no bars 0 to 4"),
        (("continue", source, "-o", out, "--bars", 0, *FIXTURE), "--bars wants 1 to 1000"),
        (("generate", "-o", out, "--meter", "4/5", *FIXTURE), "--meter 4/5"),
        (("generate", "-o", tmp_path / "x.png", *FIXTURE), "end in .mid or .midi"),
        (("render", source, "-o", out), "end in .png"),
    ]  # fmt: skip
    for arguments, expected in told:
        assert expected in refused(*arguments)
    (tmp_path / "empty").mkdir()
    line = refused("harmonize", tmp_path / "empty", "--out-dir", tmp_path / "o", *FIXTURE)
    assert "no MIDI files" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "in.mid"]


@pytest.mark.parametrize("size", range(0, 120, 7))
def test_a_truncated_file_is_told_with_exit_code_2(size: int, tmp_path: Path) -> None:
    whole = song(tmp_path / "in.mid").read_bytes()
    cut = tmp_path / "cut.mid"
    cut.write_bytes(whole[:size])
    assert str(cut) in refused("harmonize", cut, "-o", tmp_path / "out.mid", *FIXTURE)
    assert not (tmp_path / "out.mid").exists()


def test_what_the_musician_should_know_is_said(tmp_path: Path) -> None:
    source = song(tmp_path / "in.mid", NewTrack("Melody", TUNE), NewTrack("Bass", BASS))
    first = run("harmonize", source, "-o", tmp_path / "one.mid", *FIXTURE)
    assert "kept but not heard: track 2 'Bass'" in first.stderr
    again = run("harmonize", tmp_path / "one.mid", "-o", tmp_path / "two.mid", *FIXTURE)
    assert "there is a midi-diffuse track already" in again.stderr


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    source = song(tmp_path / "in.mid")
    for name in ("a", "b"):
        run("harmonize", source, "-o", tmp_path / f"{name}.mid", "--seed", 9, *FIXTURE)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_importing_the_commands_imports_neither_torch_nor_pillow() -> None:
    heavy = "[name for name in ('torch', 'PIL', 'tqdm') if name in sys.modules]"
    code = f"import sys, bridge.cli_files; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- The bundled melodies --------------------------------------------------------------------------

MELODIES = Path(__file__).resolve().parents[2] / "presets" / "melodies"


@pytest.mark.parametrize("path", sorted(MELODIES.glob("*.mid")), ids=lambda path: path.stem)
def test_bundled_melodies_are_one_named_line_of_whole_bars(path: Path) -> None:
    score: Score = read(path)
    (track,) = score.tracks
    assert track.name == "Melody"
    found = Piece.of(score)
    assert found.melody.below == 0
    assert found.bars >= 12


def test_the_melodies_are_what_the_script_writes(tmp_path: Path) -> None:
    script = MELODIES.parents[1] / "scripts" / "make_melodies.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in MELODIES.glob("*.mid")}
    assert len(made) >= 5
