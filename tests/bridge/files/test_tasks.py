"""What the engine is asked for a file, and how options reach it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.cli import file_job as cli_files
from bridge.files import tasks as file_tasks
from bridge.files.job_warnings import range_warnings
from bridge.files.tasks import SourcePiece
from engine.music.grid import ACCOMPANIMENT, LEAD, PAPER, PIANO, MeterMap
from engine.music.roll import Note, PianoRoll
from engine.requests.fixture import FixtureGenerator
from engine.requests.request import FillRequest, SampleSettings
from engine.scores.midi_write import NewTrack, new_file
from tests.song_files import BASS, FIXTURE, TUNE, run, song


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
    run(
        *(
            f"harmonize {source} -o {tmp_path / 'o.mid'} --preset {preset} --voices 2 "
            "--low 40 --key C --scale pentatonic --seed 5"
        ).split()
    )
    assert asked.asked is not None
    assert asked.asked.settings == SampleSettings(
        # the file commands' own
        steps=7,
        temperature=1.0,
        sampler="renoise-joint",
        chord_calls=16,
        chord_choices=1,
        voices=2,
        low=40,
        high=84,
        seed=5,
        variation=1.0,
        chords_from="melody",
        pitch_classes=frozenset({0, 2, 4, 7, 9}),
    )
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


def piece(*tracks: NewTrack) -> SourcePiece:
    from engine.scores.midi_file import parse

    return SourcePiece.of(parse(new_file(tracks, 120, MeterMap())))


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
    (warning, silent) = range_warnings(job, [])
    assert warning.startswith("2 notes outside the model's range (MIDI pitch 33 to 88)")
    assert "silent" in silent


@pytest.mark.parametrize(
    ("bars", "middle"), [(1, (1, 1)), (2, (2, 2)), (3, (2, 2)), (4, (2, 3)), (16, (5, 12))]
)
def test_the_middle_half(bars: int, middle: tuple[int, int]) -> None:
    notes = [Note(96 * i, 60, 96, LEAD) for i in range(bars)]
    job = file_tasks.infill(piece(NewTrack("Melody", notes)), SampleSettings(), PIANO)
    assert job.bars == middle


def test_key_auto_is_the_melodys(tmp_path: Path, asked: type[Recorder]) -> None:
    scale = [Note(24 * i, p, 24, LEAD) for i, p in enumerate((63, 65, 67, 68, 70, 72, 74, 75, 70))]
    source = song(tmp_path / "in.mid", NewTrack("Melody", scale))
    run("harmonize", source, "-o", tmp_path / "out.mid", "--key", "auto", *FIXTURE)
    assert asked.asked is not None
    assert asked.asked.settings.pitch_classes == {3, 5, 7, 8, 10, 0, 2}


def test_each_take_has_the_next_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    class Seeds(FixtureGenerator):
        def fill(self, request: FillRequest) -> PianoRoll:
            seeds.append(request.settings.seed)
            return super().fill(request)

    monkeypatch.setattr(cli_files, "load_engine", lambda preset, device: Seeds())
    source = song(tmp_path / "in.mid")
    run("harmonize", source, "-o", tmp_path / "out.mid", "--takes", 3, "--seed", 5, *FIXTURE)
    assert seeds == [5, 6, 7]


@pytest.mark.parametrize("command", ["harmonize", "generate"])
def test_a_whole_piece_is_asked_to_end(command: str, tmp_path: Path, asked: type[Recorder]) -> None:
    source = [song(tmp_path / "in.mid")] if command == "harmonize" else []
    run(command, *source, "-o", tmp_path / "out.mid", *FIXTURE)
    assert asked.asked is not None
    assert asked.asked.ends
