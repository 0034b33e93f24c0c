"""The default network: shapes, what it hears, and that it compiles."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.denoisers.inputs import Inputs
from engine.diffusion.sampler import Sampler
from engine.model import checkpoint

Given = dict[str, Tensor]


def given(batch: int = 2, beats: int = 2) -> Given:
    generator = torch.Generator().manual_seed(0)
    steps, shape = 24 * beats, (batch, 2, 2, 88, 24 * beats)
    mask = (torch.rand(shape, generator=generator) < 0.3).float()
    cells = (torch.rand(shape, generator=generator) < 0.05).float()
    phase = torch.arange(0, steps, 6).expand(batch, -1) % 96
    return {
        "noisy": cells * (1 - mask),
        "known": cells * mask,
        "mask": mask,
        "level": torch.full((batch,), 0.5),
        "phase": phase,
        "bar": torch.full_like(phase, 96),
        "style": torch.ones(batch, dtype=torch.int64),
        "density": torch.full((batch,), 4),
        "plan": (torch.rand((batch, 24, beats), generator=generator) < 0.3).float(),
        "planned": torch.ones(batch, beats),
    }


def call(network: nn.Module, inputs: Given) -> Tensor:
    with torch.no_grad():
        out: Tensor = network(Inputs(**inputs))
    return out


@pytest.mark.parametrize("beats", [1, 2, 16, 32])
def test_any_whole_number_of_beats(beats: int, tiny_sampler: Sampler) -> None:
    assert call(tiny_sampler.network, given(1, beats)).shape == (1, 2, 2, 88, 24 * beats)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("noisy", torch.zeros(2, 2, 2, 88, 48)),
        ("known", torch.zeros(2, 2, 2, 88, 48)),
        ("mask", torch.ones(2, 2, 2, 88, 48)),
        ("level", torch.full((2,), 0.9)),
        ("phase", torch.full((2, 8), 6)),
        ("bar", torch.full((2, 8), 72)),
        ("style", torch.tensor([0, 0])),
        ("density", torch.tensor([0, 0])),
        ("plan", torch.zeros(2, 24, 2)),
        ("planned", torch.zeros(2, 2)),
    ],
)
def test_every_input_is_heard(name: str, value: Tensor, tiny_sampler: Sampler) -> None:
    inputs = given()
    before = call(tiny_sampler.network, inputs)
    assert not torch.allclose(before, call(tiny_sampler.network, inputs | {name: value}))


def test_windows_of_a_batch_do_not_hear_each_other(tiny_sampler: Sampler) -> None:
    inputs = given()
    alone = call(tiny_sampler.network, {name: value[1:] for name, value in inputs.items()})
    assert torch.allclose(call(tiny_sampler.network, inputs)[1:], alone, atol=1e-5)


def test_a_fresh_network_expects_silence(tiny_sizes: dict[str, int]) -> None:
    torch.manual_seed(0)
    network = checkpoint.build("frame-transformer", tiny_sizes)
    assert float(torch.sigmoid(call(network, given())).mean()) < 0.06


def test_odd_phases_and_long_bars_are_safe(tiny_sampler: Sampler) -> None:
    inputs = given()
    inputs["phase"], inputs["bar"] = inputs["phase"] + 100_000, inputs["bar"] * 1000
    assert bool(call(tiny_sampler.network, inputs).isfinite().all())


def test_scripted_equals_eager(tiny_sampler: Sampler) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted: Any = torch.jit.script(tiny_sampler.network)
    for beats in (1, 4):
        inputs = given(1, beats)
        assert torch.allclose(call(tiny_sampler.network, inputs), call(scripted, inputs), atol=1e-5)


def test_the_default_fits_its_file() -> None:
    network = checkpoint.build("frame-transformer", {})
    assert sum(p.numel() for p in network.parameters()) < 7.6e6  # fp16 under 16 MB
