from __future__ import annotations

import torch

from engine.systems.common.draws import Draws
from engine.systems.kumawat import training
from engine.systems.kumawat.network import LatentUnet, LatentUnetConfig

SMALL = LatentUnetConfig(width=32, numbers=2, coder=8, coder_steps=2, beats=4)


def test_codes_go_in_and_codes_come_out() -> None:
    network = LatentUnet(SMALL)
    assert network(torch.zeros(3, 4, 11, 8), torch.rand(3)).shape == (3, 4, 11, 8)


def test_the_coder_learns_first_and_then_stays() -> None:
    network = LatentUnet(SMALL)
    images = (torch.rand(2, 2, 2, 88, 32) < 0.02).float()
    generator = torch.Generator().manual_seed(0)
    for step, learns in ((1, True), (2, False)):
        network.zero_grad(set_to_none=True)
        training.loss(network, (images,), Draws(generator), step).value.backward()  # type: ignore[no-untyped-call]
        assert all((p.grad is not None) == learns for p in network.coder.parameters())
        assert (network.enter.weight.grad is None) == learns


def test_diffusion_is_in_the_space_of_the_averaged_coder() -> None:
    network, averaged = LatentUnet(SMALL), LatentUnet(SMALL)
    training.settle(network, averaged, 1)
    first = network.coder.enter.weight
    assert not torch.equal(first, averaged.coder.enter.weight)
    training.settle(network, averaged, 2)
    assert torch.equal(network.coder.enter.weight, averaged.coder.enter.weight)
