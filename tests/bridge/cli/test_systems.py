"""The commands of docs/systems.md, with a tiny system that knows next to nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.cli.main import main
from bridge.settings import model_trust
from engine.music.grid import MeterMap
from engine.music.roll import Note
from engine.requests.abilities import SYSTEM_NAMES
from engine.scores.midi_write import NewTrack, new_file
from tests.engine.systems.small import SMALL

SIZES = ("--size", "width=8", "--size", "length=64")


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("systems")
    music = folder / "music"
    music.mkdir()
    for index in range(3):
        lead = [Note(24 * beat, 60 + (beat + index) % 5, 24, 0) for beat in range(32)]
        bass = [Note(48 * bar, 40 + (bar + index) % 5, 48, 1) for bar in range(16)]
        tracks = [
            NewTrack("melody", lead, channels={0: 0}),
            NewTrack("bass", bass, channels={1: 1}),
        ]
        (music / f"{index}.mid").write_bytes(new_file(tracks, 120.0, MeterMap()))
    result = run(
        *(
            f"train --data {music} --out {folder / 'run'} --family savkin --steps 2 --batch 2"
        ).split(),
        *SIZES,
    )
    assert result.exit_code == 0, result.output
    assert "valid loss" in result.output
    result = run("export", folder / "run", "-o", folder / "mine.pt", "--json")
    assert json.loads(result.stdout)["family"] == "savkin"
    return folder


@pytest.fixture
def preset(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(model_trust, "list_file", lambda: tmp_path / "trusted")
    model_trust.trust(trained / "mine.pt")
    path = trained / "mine.toml"
    path.write_text('model = "mine.pt"\n[settings]\nsampler = "ddim"\nsteps = 2\n')
    return path


def test_generate_writes_n_files_each_with_the_next_seed(preset: Path, tmp_path: Path) -> None:
    result = run(
        *(
            f"generate --preset {preset} -o {tmp_path / 'out'} --n 2 --bars 1 --seed 5 "
            "--density medium --json"
        ).split()
    )
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["seed"] for line in result.stdout.splitlines()] == [5, 6]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "sample 1.mid",
        "sample 2.mid",
    ]


def test_what_it_cannot_do_is_told_before_anything_is_written(
    preset: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mid"
    result = run("harmonize", trained / "music" / "0.mid", "--preset", preset, "-o", out)
    assert result.exit_code == 2
    assert result.output == (
        "midi-diffuse harmonize: savkin cannot harmonize (it can continue, vary, generate); "
        "--preset default can\n"
    )
    assert not out.exists()


def test_a_file_through_the_format(preset: Path, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    result = run(
        "reconstruct", trained / "music" / "0.mid", "-o", out, "--preset", preset, "--json"
    )
    told = json.loads(result.stdout)
    assert told["same"] == told["notes"] == told["notes_after"] > 0
    assert out.exists()


def test_filters_are_drawn_and_layers_listed(trained: Path, tmp_path: Path) -> None:
    listed = run("inspect", trained / "mine.pt", "--list").output.splitlines()
    assert "enter  8 filters" in listed
    out = tmp_path / "filters.png"
    result = run("inspect", trained / "mine.pt", "-o", out, "--layer", "enter", "--ascent", 1)
    first, *rest = result.output.splitlines()
    assert first == f"{out}: filters 0, 1, 2 of enter"
    assert [line.split(":")[0] for line in rest] == ["  filter 0", "  filter 1", "  filter 2"]
    assert out.exists()


def test_one_config_file_trains_and_goes_on(trained: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        f'data = "{trained / "run" / "data.npz"}"\nout = "{tmp_path / "run"}"\nfamily = "savkin"\n'
        "steps = 1\nbatch = 2\nsave-every = 1\n[size]\nwidth = 8\nlength = 64\n"
    )
    first = run("train", "--config", config)
    assert first.exit_code == 0, first.output
    assert ": 1 steps" in first.output
    assert ": 2 steps" in run("train", "--config", config, "--steps", 2).output


@pytest.mark.parametrize(
    ("text", "said"),
    [("batsch = 2", "no option 'batsch' (did you mean 'batch'?)"), ("=", "not TOML")],
)
def test_a_bad_config_file_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "run.toml"
    config.write_text(text)
    result = run("train", "--config", config)
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.splitlines()) == 1


def test_options_of_another_loop_are_refused(trained: Path, tmp_path: Path) -> None:
    result = run(
        *(
            f"train --data {trained / 'run/data.npz'} --out {tmp_path / 'run'} "
            "--family savkin --compile"
        ).split()
    )
    assert result.exit_code == 2
    assert "--compile is not for savkin" in result.output


def test_a_system_has_no_sampler_to_study(trained: Path) -> None:
    result = run("bench", "engine", "--model", trained / "mine.pt")
    assert result.exit_code == 2
    assert "measure it with `bench systems`" in result.output


@pytest.mark.parametrize("family", SYSTEM_NAMES)
def test_the_whole_way_of_each_family(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    """Train, go on, export, evaluate, generate."""
    monkeypatch.setattr(model_trust, "list_file", lambda: tmp_path / "trusted")
    data, out, model = trained / "run/data.npz", tmp_path / "run", tmp_path / "mine.pt"
    sizes = [word for item in SMALL[family].items() for word in ("--size", "{}={}".format(*item))]
    train = f"train --data {data} --out {out} --family {family} --batch 2 --steps"
    for steps in (1, 3):
        result = run(*train.split(), steps, *sizes)
        assert f": {steps} steps" in result.output, result.output
    assert run("export", out, "-o", model).exit_code == 0
    model_trust.trust(model)
    wanted = "--split train --windows 4 --task continue --steps 2"
    scored = run(*f"evaluate --data {data} --model {model} {wanted}".split())
    assert scored.exit_code == 0, scored.output
    preset = tmp_path / "mine.toml"
    preset.write_text('model = "mine.pt"\n[settings]\nsampler = "ddim"\nsteps = 2\n')
    made = tmp_path / "made.mid"
    result = run("generate", "--preset", preset, "-o", made, "--bars", 1)
    assert (result.exit_code, made.exists()) == (0, True), result.output
