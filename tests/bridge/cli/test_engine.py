"""`train`, `export`, `evaluate` and `bench engine`, as a user types them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from bridge.cli.bench_engine import live_request
from bridge.cli.main import COMMANDS, main
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, MeterMap
from engine.music.roll import Note
from engine.requests.request import SampleSettings
from engine.scores.midi_write import NewTrack, new_file
from engine.training.corpus import Piece, write_pack

SIZES = [
    word
    for size in ("width=16", "layers=1", "heads=2", "condition_width=8")
    for word in ("--size", size)
]
TINY_PLANNER = [*SIZES, "--steps", "2", "--batch", "2", "--beats", "4", "--device", "cpu"]
TINY = [*TINY_PLANNER, "--size", "beat_width=16", "--size", "beat_heads=2"]


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


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread() -> None:
    """Two threads that spin for each other take ten times as long on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("midi")
    rng = np.random.default_rng(0)
    for index in range(4):
        lead = [Note(i * 24, int(rng.integers(70, 80)), 24, LEAD) for i in range(24)]
        low = [Note(i * 48, int(rng.integers(45, 60)), 48) for i in range(12)]
        tracks = [
            NewTrack("melody", lead, channels={LEAD: 0}),
            NewTrack("left", low, channels={ACCOMPANIMENT: 1}),
        ]
        (folder / f"{index}.mid").write_bytes(new_file(tracks, 120.0, MeterMap()))
    (folder / "bad.mid").write_bytes(b"MThd")
    return folder


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "data.npz"
    pieces = [
        Piece(
            "made",
            "valid" if index == 3 else "train",
            str(index),
            "melody",
            (folder / f"{index}.mid").read_bytes(),
        )
        for index in range(4)
    ]
    write_pack(pieces, path)
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
    for words in (*([name] for name in COMMANDS), ["bench", "engine"], ["retouch"]):
        assert "Usage" in run(*words, "--help").output


def test_pack_only(folder: Path, tmp_path: Path) -> None:
    result = run("train", "--data", folder, "--pack", tmp_path / "d.npz")
    assert result.exit_code == 0
    assert "packed 4 pieces" in result.output
    assert "skipped bad.mid: is cut off" in result.output
    assert (tmp_path / "d.npz").is_file()


def test_skipped_files_are_counted_and_all_listed(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for index in range(2):
        (mine / f"{index}.mid").write_bytes((folder / f"{index}.mid").read_bytes())
    for index in range(8):
        (mine / f"scan-{index}.mid").write_bytes(b"%PDF-1.7")
    wanted = [f"scan-{index}.mid: is not a MIDI file" for index in range(8)]
    told = run("train", "--data", mine, "--pack", tmp_path / "d.npz").output
    assert "packed 2 pieces" in told
    assert [line for line in wanted if line in told] == wanted[:5]
    assert f"skipped files: 8, all listed in {tmp_path / 'd.skipped.txt'}" in told
    assert (tmp_path / "d.skipped.txt").read_text().splitlines() == wanted


def test_a_corpus_of_a_manifest(folder: Path, tmp_path: Path) -> None:
    rows = [f"pop,{index}.mid,{'valid' if index == 3 else 'train'},melody" for index in range(4)]
    text = "\n".join(["corpus,file,split,melody_track", *rows])
    assert "manifest.csv" in refused(
        "train", "--data", folder, "--corpus", "pop", "--out", tmp_path
    )
    for index in range(4):
        (tmp_path / f"{index}.mid").write_bytes((folder / f"{index}.mid").read_bytes())
    (tmp_path / "manifest.csv").write_text(text)
    words = ["train", "--data", tmp_path, "--pack", tmp_path / "d.npz"]
    assert "packed 4 pieces" in run(*words, "--corpus", "pop").output
    assert not (tmp_path / "d.skipped.txt").exists()  # there is nothing to list
    assert "did you mean 'pop'" in refused(*words, "--corpus", "popp")


def test_train_from_weights(trained: Path, packed: Path, tmp_path: Path) -> None:
    words = ["train", "--data", packed, "--out", tmp_path / "tuned", "--start-from", trained]
    assert "2 steps" in run(*words, *TINY).output
    assert "this run trains" in refused(
        "train",
        "--data",
        packed,
        "--out",
        tmp_path / "r",
        "--start-from",
        trained,
        *TINY,
        "--size",
        "layers=3",
    )
    assert "no such model file" in refused(
        *words[:-1], tmp_path / "none.pt", "--out", tmp_path / "r"
    )
    assert "0<=x<=4294967295" in refused(*words, "--seed", -1)


def test_train_on_a_folder_and_go_on(folder: Path, tmp_path: Path) -> None:
    words = ["train", "--data", folder, "--out", tmp_path / "r", *TINY]
    assert "2 steps" in run(*words).output
    more = run(*words, "--steps", "3")
    assert more.exit_code == 0
    assert "3 steps" in more.output
    assert "packed" not in more.output  # the run's own pack is used again
    assert (tmp_path / "r" / "skipped.txt").read_text() == "bad.mid: is cut off in its header\n"


def test_train_the_chords_and_put_both_into_one_file(packed: Path, tmp_path: Path) -> None:
    plans, notes, model = tmp_path / "plans", tmp_path / "notes", tmp_path / "m.pt"
    told = run("train", "--family", "harmony", "--data", packed, "--out", plans, *TINY_PLANNER)
    assert "2 steps" in told.output
    assert f"next: midi-diffuse export NOTES --harmony {plans}" in told.output
    run("train", "--data", packed, "--out", notes, *TINY, "--size", "plan=1")
    exported = run("export", notes, "--harmony", plans, "-o", model, "--name", "both")
    assert exported.exit_code == 0, exported.output
    again = ["train", "--family", "harmony", "--data", packed, "--out", tmp_path / "on"]
    again += TINY_PLANNER
    assert "2 steps" in run(*again, "--start-from", model).output
    assert "no planner" in refused(*again, "--out", tmp_path / "r", "--start-from", notes)


def test_export_and_evaluate(trained: Path, packed: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.pt"
    told = json.loads(run("export", trained, "-o", model, "--name", "mine", "--json").output)
    assert (told["name"], told["trained_steps"]) == ("mine", 2)
    words = [
        "evaluate",
        "--data",
        packed,
        *shlex.split("--windows 4 --draws 1 --beats 4 --steps 2 --device cpu"),
    ]
    (found,) = json.loads(run(*words, "--model", model, "--json").output)
    assert found["models"] == ["mine"]
    assert found["nll"]["baselines"]["markov"]["nats_per_beat"] > 0
    played = found["harmony"]["sampling"]["mine"]  # steps asked for, the rest as played
    assert (played["steps"], played["sampler"], played["temperature"]) == (
        2,
        "renoise-joint",
        1.0,
    )
    assert set(found["harmony"]["replies"]) == {"mine", "rule", "wrong piece"}


def test_models_side_by_side(trained: Path, packed: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.pt"
    run("export", trained, "-o", model, "--name", "mine")
    words = (
        f"evaluate --data {packed} --windows 4 --draws 1 --beats 4 --steps 2 "
        f"--device cpu --model {model} --model {model}"
    ).split()
    told = run(*words, "--task", "continue", "--task", "generate").output
    first, second = told.split("\n\nmine, mine 2: generate, 4 valid windows of 4 beats")
    assert first.startswith("mine, mine 2: continue, 4 valid windows of 4 beats\n")
    assert re.search(r"mine +<= .*; mine 2 [+]0[.]0", first)
    assert "note-markov" in first
    header = re.search(r"^ +composer +mine +mine 2 +wrong piece$", first, re.MULTILINE)
    assert header is not None
    for name in ("note F1", "mctd", "repeats", "one_beat", "within 2x"):
        assert f"\n  {name} " in first
    assert "merged rolls, 33 to 88" in second
    assert "composer" not in second


def test_causal_replay(trained: Path, packed: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.pt"
    run("export", trained, "-o", model, "--name", "mine")
    words = (
        f"evaluate --data {packed} --windows 6 --beats 9 --steps 1 --device cpu "
        f"--model {model} --task replay"
    ).split()
    told = run(*words, "--horizon", 0, "--horizon", 0.5).output
    assert re.search(
        r"^ +composer +mine all +mine [+]0 +mine [+]0[.]5 +rule +rule all +wrong piece$", told, re.M
    )
    assert re.search(r"^ +mine [+]0[.]5 +taken back [01][.]\d\d, note_f1 ", told, re.M)
    assert "-log p" not in told


def test_recovery(trained: Path, packed: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.pt"
    run("export", trained, "-o", model, "--name", "mine")
    words = (
        f"evaluate --data {packed} --windows 6 --beats 16 --steps 1 --device cpu "
        f"--model {model} --task recovery"
    ).split()
    found = run(*words, "--horizon", 0).output
    assert "from beat 13 on the melody is a tritone away" in found
    assert re.search(r"^ +mine [+]0 +[01][.]\d{3} +[01][.]\d{3} +(\d beats|never)$", found, re.M)


def test_bench_engine(trained: Path) -> None:
    words = ["bench", "engine", "--model", trained, "--no-paper", "--plans", 3, "--device", "cpu"]
    found = json.loads(run(*words, "--steps", 1, "--steps", 2, "--json").output)
    assert found["machine"]["torch_threads"] >= 1
    assert [(row["request"], row["steps"]) for row in found["rows"]] == [
        ("live", 1),
        ("live", 2),
        ("harmonize 4 bars", 1),
        ("harmonize 4 bars", 2),
    ]
    assert "p95" in run(*words, "--steps", 1).output


def test_the_live_request_is_as_live_makes_it() -> None:
    request = live_request(SampleSettings())
    beats = (request.end_step - request.first_step) / STEPS_PER_BEAT
    assert 16 <= beats <= 32  # two bars heard, two bars or more ahead
    lead = [span for span in request.known if span.voice == LEAD]
    ours = [span for span in request.known if span.voice == ACCOMPANIMENT]
    assert lead[0].to_step < ours[0].to_step < request.end_step
    assert {note.voice for note in request.notes} == {LEAD, ACCOMPANIMENT}


FLAGS = ((b"PK\3\4", 6), (b"PK\1\2", 8))
"""Where a file's flags stand behind the mark of each of its two headers in a zip archive."""


def flagged(data: bytes, flag: int) -> bytes:
    """The archive with `flag` set for its first file."""
    broken = bytearray(data)
    for mark, offset in FLAGS:
        broken[data.index(mark) + offset] |= flag
    return bytes(broken)


def scrambled(data: bytes) -> bytes:
    """The archive with its first file's compressed bytes inverted, whose name is `format.npy`."""
    begin = data.index(b"format.npy") + len(b"format.npy")
    begin += int.from_bytes(data[28:30], "little")  # an extra field
    return data[:begin] + bytes(255 - each for each in data[begin : begin + 8]) + data[begin + 8 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "RuntimeError": lambda data: flagged(data, 0x01),  # encrypted
    "NotImplementedError": lambda data: flagged(data, 0x20),  # patched data
    "error": scrambled,  # zlib's
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_pack_costs_one_line_whatever_its_reader_raises(
    packed: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "damaged.npz"
    path.write_bytes(DAMAGES[kind](packed.read_bytes()))
    for words in (("train", "--out", tmp_path / "r", *TINY), ("evaluate",)):
        told = refused(*words, "--data", path)
        assert f"damaged.npz: damaged, or not a packed corpus ({kind}); make one with" in told


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
    given = [*evaluate, "--task", "live", "--chords", "composers"]
    assert "--task wants harmonize, not 'live'" in refused(*given)
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
        f"runpy.run_module('bridge.cli.engine', run_name='__main__')"
    )
    words = ["train", "--data", packed, "--out", tmp_path / "r", *TINY]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 steps" in done.stdout
    assert "100.0 %" in done.stderr  # plain lines where there is no tqdm
