"""`train`, `export`, `evaluate` and `bench engine`, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.cli_engine import ENGINE_COMMANDS
from bridge.cli_score import live_request
from engine.corpus import Piece, pack
from engine.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, MeterMap
from engine.midi_write import NewTrack, new_file
from engine.request import SampleSettings
from engine.roll import Note

SIZES = [
    word for size in ("width=16", "layers=1", "heads=2", "condition_width=8")
    for word in ("--size", size)
]  # fmt: skip
TINY = [*SIZES, "--steps", "2", "--batch", "2", "--beats", "4", "--device", "cpu"]


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: object) -> str:
    """What is said; checks that it is one line, code 2 and no traceback."""
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    return lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("midi")
    rng = np.random.default_rng(0)
    for index in range(4):
        lead = [Note(i * 24, int(rng.integers(70, 80)), 24, LEAD) for i in range(24)]
        low = [Note(i * 48, int(rng.integers(45, 60)), 48) for i in range(12)]
        tracks = [NewTrack("melody", lead, channels={LEAD: 0}),
                  NewTrack("left", low, channels={ACCOMPANIMENT: 1})]  # fmt: skip
        (folder / f"{index}.mid").write_bytes(new_file(tracks, 120.0, MeterMap()))
    (folder / "bad.mid").write_bytes(b"MThd")
    return folder


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "data.npz"
    pieces = [
        Piece("made", "valid" if index == 3 else "train", str(index), "melody",
              (folder / f"{index}.mid").read_bytes())
        for index in range(4)
    ]  # fmt: skip
    pack(pieces, path)
    return path


@pytest.fixture(scope="module")
def trained(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    result = run("train", "--data", packed, "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    assert "2 steps" in result.output
    assert "nats a beat" in result.output
    return out


def test_the_list_of_commands() -> None:
    assert [command.name for command in ENGINE_COMMANDS] == ["train", "export", "evaluate"]
    for words in (["train"], ["export"], ["evaluate"], ["bench", "engine"]):
        assert "Usage" in run(*words, "--help").output


def test_pack_only(folder: Path, tmp_path: Path) -> None:
    result = run("train", "--data", folder, "--pack", tmp_path / "d.npz")
    assert result.exit_code == 0
    assert "packed 4 pieces" in result.output
    assert "skipped bad.mid: is cut off" in result.output
    assert (tmp_path / "d.npz").is_file()


def test_train_on_a_folder_and_go_on(folder: Path, tmp_path: Path) -> None:
    words = ["train", "--data", folder, "--out", tmp_path / "r", *TINY]
    assert "2 steps" in run(*words).output
    more = run(*[word if word != "2" else "3" for word in words])
    assert more.exit_code == 0
    assert "3 steps" in more.output
    assert "packed" not in more.output  # the run's own pack is used again


def test_export_and_evaluate(trained: Path, packed: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.pt"
    told = json.loads(run("export", trained, "-o", model, "--name", "mine", "--json").output)
    assert (told["name"], told["trained_steps"]) == ("mine", 2)
    words = ["evaluate", "--data", packed, "--windows", 4, "--draws", 1, "--beats", 4,
             "--steps", 2, "--device", "cpu"]  # fmt: skip
    (found,) = json.loads(run(*words, "--model", model, "--json").output)
    assert found["model"] == "mine"
    assert found["nll"]["markov"]["nats_per_beat"] > 0
    table = run(*words, "--model", trained, "--task", "continue", "--task", "generate").output
    assert "continue: 4 valid windows" in table
    assert "generate: 4 valid windows" in table
    assert "note-markov" in table


def test_bench_engine(trained: Path) -> None:
    words = ["bench", "engine", "--model", trained, "--no-paper", "--plans", 3, "--device", "cpu"]
    found = json.loads(run(*words, "--steps", 1, "--steps", 2, "--json").output)
    assert found["machine"]["torch_threads"] >= 1
    assert [(row["request"], row["steps"]) for row in found["rows"]] == [
        ("live", 1), ("live", 2), ("harmonize 4 bars", 1), ("harmonize 4 bars", 2),
    ]  # fmt: skip
    assert "p95" in run(*words, "--steps", 1).output


def test_the_live_request_is_as_live_makes_it() -> None:
    request = live_request(SampleSettings())
    beats = (request.end_step - request.first_step) / STEPS_PER_BEAT
    assert 16 <= beats <= 32  # two bars heard, two bars or more ahead
    lead = [span for span in request.known if span.voice == LEAD]
    ours = [span for span in request.known if span.voice == ACCOMPANIMENT]
    assert lead[0].to_step < ours[0].to_step < request.end_step
    assert {note.voice for note in request.notes} == {LEAD, ACCOMPANIMENT}


def test_mistakes_are_told_in_one_line(
    trained: Path, packed: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"PK\x03\x04")
    train = ["train", "--out", tmp_path / "r", *TINY]
    assert "no such file or folder" in refused(*train, "--data", tmp_path / "none")
    assert "no .mid files" in refused(*train, "--data", tmp_path / "empty")
    assert "not a packed corpus" in refused(*train, "--data", damaged)
    assert "frame-transformer, paper-unet" in refused(*train, "--data", packed, "--family", "gan")
    assert "width" in refused(*train, "--data", packed, "--size", "depth=3")
    assert "NAME=N" in refused(*train, "--data", packed, "--size", "wide")
    assert "another model" in refused(
        "train", "--data", packed, "--out", trained, *TINY, "--size", "layers=2"
    )
    assert "no such checkpoint" in refused("export", tmp_path / "none", "-o", tmp_path / "m.pt")
    assert "damaged" in refused("export", damaged, "-o", tmp_path / "m.pt")
    assert not (tmp_path / "m.pt").exists()
    evaluate = ["evaluate", "--data", packed]
    assert "damaged" in refused(*evaluate, "--model", damaged)
    assert "did you mean 'harmonize'" in refused(*evaluate, "--task", "harmonise")
    assert "did you mean 'ancestral'" in refused(*evaluate, "--sampler", "ancestor")
    assert "no such model file" in refused("bench", "engine", "--model", tmp_path / "x.pt")
    assert "no preset" in refused("bench", "engine", "--preset", "nothing")
    assert not (tmp_path / "r").exists()
    inside = damaged / "file" / "x"  # below a file: nothing can be written there
    assert "cannot be" in refused("export", trained, "-o", inside)
    assert "cannot be" in refused("train", "--data", packed, "--out", inside, *TINY)
    assert "cannot be" in refused("train", "--data", folder, "--pack", inside)


def test_a_device_that_is_not_there(trained: Path, packed: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    words = ["train", "--data", packed, "--out", tmp_path / "r", "--device", "cuda"]
    assert "not available here" in refused(*words)
    assert "not available here" in refused(
        "evaluate", "--data", packed, "--model", trained, "--device", "cuda"
    )


def test_training_needs_torch_numpy_and_click_alone(packed: Path, tmp_path: Path) -> None:
    blocked = ("mido", "tqdm", "rtmidi", "pythonosc", "platformdirs", "PIL")
    code = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({blocked!r})); "
        f"runpy.run_module('bridge.cli_engine', run_name='__main__')"
    )
    words = ["train", "--data", packed, "--out", tmp_path / "r", *TINY]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 steps" in done.stdout
    assert "100.0 %" in done.stderr  # plain lines where there is no tqdm
