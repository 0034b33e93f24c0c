"""What is measured of a model's density, and kept in its file."""

from __future__ import annotations

from pathlib import Path

from engine.diffusion.sampler import Sampler
from engine.evaluation.density_curve import GIVEN, density_facts
from engine.evaluation.held_out import EvaluateSettings
from engine.model import checkpoint
from engine.model.density import DensityHabits
from engine.model.export import add_metadata, write_export
from engine.model.generator import Generator
from engine.music.roll import PianoRoll
from engine.requests.request import SampleSettings
from engine.training.dataset import load_pack
from tests.engine.conftest import metadata
from tests.engine.model.test_density import request


def test_more_comes_of_more(tiny_generator: Generator, made_pack: Path) -> None:
    wanted = EvaluateSettings(split="train", windows=4, beats=4)
    heard: list[str] = []
    settings = SampleSettings(steps=2)
    pack = load_pack(made_pack)
    facts = density_facts(tiny_generator, settings, pack, wanted, heard.append)
    assert len(heard) == len(GIVEN)
    assert tiny_generator.habits == DensityHabits.of(tiny_generator.metadata), "left as it was"
    assert [len(rows) for rows in facts["densities_by_style"].values()] == [13]
    first_given, first_came = facts["curve"][0]
    assert heard[0] == f"given {first_given:g} onsets a beat, {first_came:.2f} come"
    given, came = zip(*facts["curve"], strict=True)
    assert list(given) == sorted(given)
    assert list(came) == sorted(came)
    assert set(given) <= set(GIVEN)


def test_a_file_that_was_measured_plays_by_it(tiny_sampler: Sampler, tmp_path: Path) -> None:
    path = tmp_path / "measured.pt"
    sizes = checkpoint.sizes_of(tiny_sampler.network)
    facts = metadata(family="frame-transformer", sizes=sizes, schedule="cosine")
    write_export(tiny_sampler, facts, path)
    plain = Generator.load(path, "cpu")
    add_metadata(path, {"curve": [[1.0, 2.0], [11.0, 3.0]]})
    measured = Generator.load(path, "cpu")
    assert measured.habits == DensityHabits(curve=((1.0, 2.0), (11.0, 3.0)))

    def filled(generator: Generator, density: float) -> PianoRoll:
        return generator.fill(request(density=density, steps=2, seed=3))

    assert (filled(measured, 2.5).cells == filled(plain, 6.0).cells).all()
