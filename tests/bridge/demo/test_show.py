"""The demo: what it plays, and the whole of it over OSC."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.main import main
from bridge.demo import show as demo
from bridge.demo.show import DemoError, Tune, load_tune, play_tune, tune_names
from bridge.demo.ways import MidiWay
from engine.music.grid import STEPS_PER_BEAT, Meter
from engine.music.roll import Note
from engine.scores.midi_file import read

TUNE = Tune("two notes", (Note(0, 60, 24, 0, 90), Note(24, 62, 24, 0, 80)), 6000.0, Meter(2, 4), 1)


class FakeWay:
    """Writes down what is played to it."""

    name = "fake"

    def __init__(self) -> None:
        self.steps = 0
        self.played: list[tuple[int, int, int]] = []
        self.ended = False

    def begin(self) -> int:
        return 0

    def pulse(self) -> None:
        self.steps += 1

    def note(self, pitch: int, velocity: int) -> None:
        self.played.append((self.steps - 1, pitch, velocity))

    def end(self) -> None:
        self.ended = True

    @property
    def reply_count(self) -> int:
        return self.steps // STEPS_PER_BEAT

    def reply(self, step_ns: float) -> list[Note]:
        return []


def test_every_step_is_a_clock_and_every_note_ends() -> None:
    way, said = FakeWay(), list[str]()
    play_tune(TUNE, way, 0, said.append)
    assert way.steps == 48
    assert way.played == [(0, 60, 90), (24, 60, 0), (24, 62, 80), (47, 62, 0)]
    assert way.ended
    assert said == ["  bar   1   melody ##            reply oo"]
    play_tune(TUNE, way := FakeWay(), 1, said.append)
    assert way.steps == 96
    assert way.played == [(0, 60, 90), (24, 60, 0), (24, 62, 80), (48, 62, 0)]


def test_bundled_melodies_load() -> None:
    assert "ode-to-joy" in tune_names()
    for name in tune_names():
        tune = load_tune(name, None)
        seconds = tune.bars * tune.meter.bar_steps * tune.step_ns / 1e9
        assert 20 < seconds < 45, f"{name} takes {seconds:.0f} s"
        assert len(tune.notes) > 20
    short = load_tune("ode-to-joy", 2)
    assert short.bars == 2
    assert all(note.onset_step < 2 * 96 for note in short.notes)


def test_an_unknown_melody_is_told_with_the_list() -> None:
    with pytest.raises(DemoError, match=r"'ode-to-jo' \(did you mean 'ode-to-joy'\?\); there are"):
        load_tune("ode-to-jo", None)


def test_the_recording_is_put_on_the_grid_without_the_delay_of_the_way() -> None:
    way = object.__new__(MidiWay)
    step_ns = 20_000_000.0
    way._start_ns = 1_000
    late = 21_300_000
    way._received = [
        (1_000 + late + int(step * step_ns), data)
        for step, data in (
            (24, (0x90, 60, 70)),
            (36, (0x80, 60, 0)),
            (36, (0x90, 64, 71)),
            (48, (0x90, 64, 0)),
            (48, (0x90, 67, 72)),
        )
    ]
    assert way.reply_count == 3
    assert way.reply(step_ns) == [Note(24, 60, 12, 1, 70), Note(36, 64, 12, 1, 71)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--melody", "nothing"], "no melody 'nothing'"),
        (["--preset", "nothing"], "no preset 'nothing'"),
        (["--preset", "fixture", "--set", "voices=99"], "voices wants 1 to 8, not '99'"),
        (["--preset", "fixture", "--set", "voices"], "--set wants name=value"),
        (["-o", "demo.wav"], "-o wants a name that ends in .mid"),
    ],
)
def test_wrong_wishes_are_told_in_one_line(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(main, ["demo", *arguments], prog_name="midi-diffuse")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("midi-diffuse demo: ")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1


def test_wav_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_soundfont", lambda: None)
    with pytest.raises(DemoError, match="--wav needs"):
        demo.check_wav(None)


@pytest.mark.slow
@pytest.mark.real_time
def test_the_whole_demo(tmp_path: Path) -> None:
    """Through a real daemon, over MIDI where this machine has it, else over OSC."""
    output = tmp_path / "demo.mid"
    words = ["demo", "--preset", "fixture", "--bars", "2", "-o", str(output)]
    result = CliRunner().invoke(main, words, prog_name="midi-diffuse")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "demo.png").stat().st_size > 5_000
    score = read(output)
    assert [track.name for track in score.tracks] == ["melody", "midi-diffuse"]
    melody, reply = (score.notes_of(track) for track in score.tracks)
    assert melody[0].onset_step == 0
    # The fixture answers with triads on every beat from the second on at the latest.
    assert {note.onset_step for note in reply} >= {48, 72, 96, 120, 144, 168}
    assert all(note.onset_step % 24 == 0 for note in reply)
    assert "bar   2" in result.output
