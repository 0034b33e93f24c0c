"""The self-contained model file."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.diffusion.cell_evidence import CellEvidence, CellRefiner
from engine.diffusion.sampler import Sampler
from engine.model import checkpoint, export
from engine.model.export import ModelError, load_export, pick_device
from engine.model.generator import Generator
from engine.music.grid import LEAD
from engine.music.roll import Note
from engine.requests.request import PlanRequest, SampleSettings, Span
from engine.training.train import train
from engine.training.train_settings import TrainSettings

CPU = torch.device("cpu")
META = {"format": 3, "name": "tiny", "pitches": [21, 108], "styles": ["any"], "window_beats": 4}


@pytest.fixture
def model(tiny_sampler: Sampler, tmp_path: Path) -> Path:
    export.write_export(tiny_sampler, META, tmp_path / "models" / "tiny.pt")
    return tmp_path / "models" / "tiny.pt"


def request() -> PlanRequest:
    notes = tuple(Note(i * 24, 72 + i, 24, LEAD) for i in range(4))
    return PlanRequest(1, 0, 96, notes, (Span(LEAD, 0, 96),), settings=SampleSettings(steps=3))


def test_half_precision_round_trip(model: Path, tiny_sampler: Sampler) -> None:
    scripted, metadata = load_export(model, CPU)
    assert metadata == META
    parameters = dict(scripted.named_parameters())
    for name, value in tiny_sampler.named_parameters():
        assert parameters[name].dtype == torch.float32
        assert torch.equal(parameters[name], value.half().float())


def test_it_plays_what_its_network_plays(model: Path, tiny_sampler: Sampler) -> None:
    halved = tiny_sampler.half().float()
    plans = [
        generator.plan(request())
        for generator in (Generator.load(model, "cpu"), Generator(halved, META, CPU))
    ]
    assert plans[0].notes == plans[1].notes
    assert len(plans[0].notes) > 4


def test_only_the_model_is_left_behind(model: Path) -> None:
    assert [path.name for path in model.parent.iterdir()] == ["tiny.pt"]


PLAYED = [name for name, family in checkpoint.FAMILIES.items() if family.music == "pack"]


@pytest.mark.parametrize("family", PLAYED)
def test_from_a_training_run(
    family: str, made_pack: Path, tmp_path: Path, tiny_sizes: dict[str, int]
) -> None:
    small = {"full": 4, "half": 4, "quarter": 8, "eighth": 8}
    sizes = small if family == "paper-unet" else tiny_sizes
    run = train(
        TrainSettings(
            made_pack,
            tmp_path,
            family,
            steps=2,
            batch=2,
            beats=4,
            sizes=sizes,
            valid_windows=1,
            seed=5,
        ),
        lambda p, share: None,
    )
    told = export.export(run.checkpoint_path, tmp_path / "m.pt", "mine")
    generator = Generator.load(tmp_path / "m.pt", "cpu")
    assert json.loads(json.dumps(told)) == {
        key: value for key, value in generator.metadata.items() if key != "device"
    }
    assert told["name"] == "mine"
    assert told["family"] == family
    assert told["trained_steps"] == 2
    assert told["window_beats"] == 4
    assert told["seed"] == 5
    assert told["corpora"] == ["made"]
    merged = family == "paper-unet"
    assert told["merged"] == merged
    assert told["pitches"] == ([33, 88] if merged else [21, 108])
    papers = {"sampler": "algorithm1-threshold", "steps": 100, "temperature": 1.0}
    assert (told["sampling"] == papers) == merged
    plan = generator.plan(request())
    assert [n for n in plan.notes if n.voice == LEAD] == list(request().notes)


def test_the_exact_chain_gets_the_familys_evidence_or_what_was_trained_for_it(
    tiny_sampler: Sampler, tiny_sizes: dict[str, int]
) -> None:
    state: dict[str, Any] = {
        "family": "frame-transformer",
        "sizes": tiny_sizes,
        "averaged": tiny_sampler.network.state_dict(),
        "prior": tiny_sampler.prior,
        "schedule": "cosine",
    }
    plain = export.sampler_of(state).exact
    assert isinstance(plain, CellEvidence)
    assert (plain.weight, plain.fall) == (0.95, 0.5)
    weights = CellRefiner().state_dict()
    trained = export.sampler_of(state | {"retouch": weights}).exact
    assert isinstance(trained, CellRefiner)
    assert all(torch.equal(weights[name], x) for name, x in trained.state_dict().items())


def test_a_missing_file() -> None:
    with pytest.raises(ModelError, match=r"no such model file.*presets"):
        load_export(Path("nothing.pt"), CPU)


@pytest.mark.parametrize("keep", [0, 10, 5000])
def test_a_cut_off_file(model: Path, keep: int) -> None:
    model.write_bytes(model.read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged, or not a midi-diffuse export") as caught:
        load_export(model, CPU)
    assert "\n" not in str(caught.value)


def test_a_file_with_changed_bytes(model: Path) -> None:
    data = bytearray(model.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    model.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="damaged"):
        load_export(model, CPU)


def test_a_checkpoint_is_not_an_export(tmp_path: Path) -> None:
    checkpoint.save_atomically({"format": 1}, tmp_path / "c.pt")
    with pytest.raises(ModelError, match="not a midi-diffuse export"):
        load_export(tmp_path / "c.pt", CPU)


def test_somebody_elses_torchscript(tiny_sampler: Sampler, tmp_path: Path) -> None:
    scripted = export.script(tiny_sampler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(scripted, str(tmp_path / "other.pt"))
    with pytest.raises(ModelError, match="not a midi-diffuse export"):
        load_export(tmp_path / "other.pt", CPU)


def test_a_newer_format(tiny_sampler: Sampler, tmp_path: Path) -> None:
    export.write_export(tiny_sampler, META | {"format": 99}, tmp_path / "m.pt")
    with pytest.raises(ModelError, match=r"newer midi-diffuse.*99.*upgrade"):
        load_export(tmp_path / "m.pt", CPU)


def test_an_older_format_says_how_to_convert_it(tiny_sampler: Sampler, tmp_path: Path) -> None:
    export.write_export(tiny_sampler, META | {"format": 1}, tmp_path / "m.pt")
    with pytest.raises(
        ModelError, match=r"older.*format 1.*midi-diffuse export .*m\.pt -o NEW\.pt"
    ):
        load_export(tmp_path / "m.pt", CPU)


def test_an_older_export_is_converted(
    tiny_sampler: Sampler, tiny_planner_sizes: dict[str, int], tmp_path: Path
) -> None:
    old_sizes = tiny_planner_sizes  # it told no others
    old = META | {
        "format": 1,
        "family": "frame-transformer",
        "sizes": old_sizes,
        "schedule": "cosine",
        "trained_steps": 7,
    }
    later = {"in_key": 0, "plan": 0, "dropout_percent": 0}
    later |= {"beat_layers": 0, "beat_width": 320, "beat_heads": 5}
    tiny_sampler.network = checkpoint.build("frame-transformer", old_sizes | later).eval()
    export.write_export(tiny_sampler, old, tmp_path / "old.pt")
    told = export.export(tmp_path / "old.pt", tmp_path / "new.pt")
    # It knows nothing of `in_key`: such networks heard music in its own key, and still do; nor
    # of plans.
    assert told == old | {"format": export.EXPORT_FORMAT, "sizes": later | old_sizes}
    new, metadata = load_export(tmp_path / "new.pt", CPU)
    assert metadata == told
    before = {name: x.half().float() for name, x in tiny_sampler.state_dict().items()}
    after = new.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    found: Any = new
    assert (found.exact.weight, found.exact.fall, found.schedule) == (0.95, 0.5, "cosine")
    renamed = export.export(tmp_path / "old.pt", tmp_path / "new.pt", "mine")
    assert renamed["name"] == "mine"


@pytest.fixture
def runs(
    tmp_path: Path, tiny_sampler: Sampler, tiny_planner_sizes: dict[str, int]
) -> tuple[Path, Path]:
    """Checkpoints of a texture and a harmony network."""
    torch.manual_seed(1)
    planner = checkpoint.build("harmony", tiny_planner_sizes)
    progress = {"step": 7, "elapsed_s": 60.0, "loss": 1.0, "valid": 2.0, "bound": 3.0}
    common = {
        "format": 1,
        "sizes": tiny_planner_sizes,
        "schedule": "cosine",
        "progress": progress,
        "styles": ["any"],
        "settings": {"beats": 4, "seed": 0},
        "corpora": [],
    }
    texture = {
        "family": "frame-transformer",
        "averaged": tiny_sampler.network.state_dict(),
        "sizes": checkpoint.sizes_of(tiny_sampler.network),
        "prior": tiny_sampler.prior,
    }
    harmony = {
        "family": "harmony",
        "averaged": planner.state_dict(),
        "prior": torch.full((1, 24, 1), 0.25),
    }
    paths = tmp_path / "texture.pt", tmp_path / "harmony.pt"
    for path, state in zip(paths, (texture, harmony), strict=True):
        checkpoint.save_atomically({**common, **state}, path)
    return paths


def test_texture_and_harmony_in_one_file(
    runs: tuple[Path, Path], tmp_path: Path, tiny_planner_sizes: dict[str, int]
) -> None:
    texture, harmony = runs
    told = export.export(texture, tmp_path / "m.pt", "mine", harmony)
    assert told["harmony"] == {
        "sizes": tiny_planner_sizes,
        "schedule": "cosine",
        "trained_steps": 7,
        "trained_minutes": 1.0,
        "valid_loss": 2.0,
    }
    export.export(tmp_path / "m.pt", tmp_path / "again.pt")  # of an export: the same again
    alone = export.export(texture, tmp_path / "alone.pt", "mine")
    assert "harmony" not in alone
    added = export.export(tmp_path / "alone.pt", tmp_path / "added.pt", None, harmony)
    assert added == told
    # The planner of a model is one too, and tells the same.
    assert export.export(texture, tmp_path / "of-it.pt", "mine", tmp_path / "m.pt") == told
    with pytest.raises(ModelError, match=r"alone\.pt: this model has no planner"):
        export.export(texture, tmp_path / "x.pt", "mine", tmp_path / "alone.pt")
    plans = [
        Generator.load(tmp_path / name, "cpu").plan(request())
        for name in ("m.pt", "again.pt", "added.pt", "alone.pt", "of-it.pt")
    ]
    for same in (plans[1], plans[2], plans[4]):
        assert (plans[0].notes, plans[0].chords) == (same.notes, same.chords)
    assert len(plans[0].chords) == 4
    assert any(chord.classes for chord in plans[0].chords)
    assert plans[3].chords == ()


def test_which_checkpoints_go_together(runs: tuple[Path, Path], tmp_path: Path) -> None:
    texture, harmony = runs
    with pytest.raises(checkpoint.CheckpointError, match="cannot play alone"):
        export.export(harmony, tmp_path / "m.pt")
    with pytest.raises(checkpoint.CheckpointError, match="draws no harmony plans"):
        export.export(texture, tmp_path / "m.pt", None, texture)
    state = checkpoint.load(texture)
    sizes = dict(state["sizes"]) | {"plan": 0}  # type: ignore[call-overload]
    network = checkpoint.build("frame-transformer", sizes)
    checkpoint.save_atomically(
        state | {"sizes": sizes, "averaged": network.state_dict()}, tmp_path / "old.pt"
    )
    with pytest.raises(checkpoint.CheckpointError, match="not trained with a harmony plan"):
        export.export(tmp_path / "old.pt", tmp_path / "m.pt", None, harmony)


def test_an_export_that_does_not_say_its_network_is_not_converted(model: Path) -> None:
    with pytest.raises(ModelError, match="does not say which network"):
        export.export(model, model.with_name("new.pt"))


def test_devices() -> None:
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ModelError, match="want auto, cpu, cuda or mps"):
        pick_device("gpu")
    for name, there in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    ):
        if not there:
            with pytest.raises(ModelError, match="not available here"):
                pick_device(name)
