from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.model import checkpoint
from engine.model.export import ModelError, write_export
from engine.model.generator import Generator
from engine.requests.abilities import SYSTEM_NAMES
from engine.systems.inspect import maximise, neighbours, subject_of
from engine.systems.registry import SYSTEMS as ROWS
from tests.engine.systems.small import FACTS, SMALL


def saved(family: str, folder: Path) -> Path:
    torch.manual_seed(0)
    system = ROWS[family]
    network = system.build(system.config(**SMALL[family]))
    for parameter in network.parameters():  # the transformer's gates begin at zero
        torch.nn.init.normal_(parameter, std=0.1)
    path = folder / "model.pt"
    sizes = checkpoint.sizes_of(network)
    state = {"format": 1, "family": family, "sizes": sizes, "facts": FACTS}
    checkpoint.save_atomically({**state, "weights": network.state_dict()}, path)
    return path


@pytest.mark.parametrize("family", SYSTEM_NAMES)
def test_the_filter_answers_more_to_what_was_found_than_to_noise(
    family: str, tmp_path: Path
) -> None:
    subject = subject_of(saved(family, tmp_path))
    heard: list[float] = []
    module = dict(subject.network.named_modules())[subject.lowest]
    axis = -1 if isinstance(module, torch.nn.Linear) else 1
    module.register_forward_hook(
        lambda m, i, out: heard.append(float(out.detach().select(axis, 1).mean()))
    )
    (picture,) = maximise(subject, subject.lowest, (1,), steps=20)
    assert heard[-1] > heard[0]
    assert picture.ndim == 2


def test_the_papers_network_too(paper_generator: Generator, tmp_path: Path) -> None:
    told = paper_generator.metadata | {
        "family": "paper-unet",
        "sizes": {"full": 4, "half": 4, "quarter": 8, "eighth": 8},
        "schedule": "linear",
    }
    path = tmp_path / "paper.pt"
    write_export(paper_generator.sampler, told, path)  # type: ignore[arg-type]
    subject = subject_of(path)
    assert subject.lowest == "bottom.3"
    found = maximise(subject, "bottom.3", (0, 2), steps=2)
    assert found.shape == (2, 56, 384)
    assert not np.array_equal(found[0], found[1])


def test_runs_of_equal_elements_are_neighbours_alike() -> None:
    noise = np.random.default_rng(0).normal(size=(32, 64)).astype(np.float32)
    assert max(map(abs, neighbours(noise))) < 0.1
    rows, columns = neighbours(noise.repeat(8, axis=1))
    assert abs(rows) < 0.1
    assert columns > 0.8
    assert neighbours(np.ones((1, 8), np.float32)) == (0.0, 0.0)


def test_layers_and_filters_that_are_not_there_are_told_with_those_that_are(
    tmp_path: Path,
) -> None:
    subject = subject_of(saved("savkin", tmp_path))
    with pytest.raises(ModelError, match="no layer 'roof'; --list names all"):
        maximise(subject, "roof", (0,))
    with pytest.raises(ModelError, match="has filters 0 to 63, not 64"):
        maximise(subject, subject.lowest, (64,))
